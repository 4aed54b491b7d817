"""Is the port the same network? Weights, operators, parity."""
