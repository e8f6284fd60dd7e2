"""SSH's edges: Conch's key exchange, hardened; the packets of both legs; logins."""
