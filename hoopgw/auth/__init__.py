"""Floor 3: one way in for every protocol."""
