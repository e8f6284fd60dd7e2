"""PostgreSQL's own regression scripts, through the gateway and direct: `make regress`."""
