"""Floor 1: operation -> verdict; pure."""
