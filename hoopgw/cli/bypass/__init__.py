"""`hoopgw bypass`: that the gateway is the only path to its targets, printed as rules and tried from outside."""
