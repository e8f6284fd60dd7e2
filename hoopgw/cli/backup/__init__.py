"""`hoopgw backup` and `hoopgw restore`: what a gateway is, in one file."""
