"""Floor 1: bytes <-> messages, sans-IO; knows no user and no rule."""
