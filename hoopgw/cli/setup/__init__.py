"""`hoopgw setup`: from an installed package to a first connection."""
