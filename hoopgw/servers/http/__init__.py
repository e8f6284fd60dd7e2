"""HTTP: the edge towards clients, connections to targets, what the gateway answers itself."""
