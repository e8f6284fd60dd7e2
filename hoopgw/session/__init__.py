"""Floor 3: a client on a target; decides and records."""
