"""Floor 3: what outlives a process."""
