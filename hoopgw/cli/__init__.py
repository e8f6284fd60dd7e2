"""Floor 5: the hoopgw command."""
