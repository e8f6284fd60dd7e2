"""Floor 2: what a recording is, and how it is verified, replayed and exported."""
