"""Floor 0: frozen values; no I/O, no Twisted."""
