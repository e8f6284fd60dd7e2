"""`hoopgw demo`: everything that it starts and shows."""
