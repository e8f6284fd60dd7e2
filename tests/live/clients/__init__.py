"""Real clients, each doing the same: `Course` says what, `expected` what must come of it."""
