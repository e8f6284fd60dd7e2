"""Floor 4: Twisted edges; thin."""
