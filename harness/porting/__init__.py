"""Moving a network to another framework: weights, operators, parity of two ports, and traps in code to be ported."""
