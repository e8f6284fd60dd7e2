"""Floor 2: the sans-IO middle of each protocol."""
