"""Limits of what may be asked for, which the command line needs before it reads anything."""

MOST_LAUNCHES = 10_000
"""Launches of a cell."""

FIRST_COMPILE_S = 1800.0
"""What a launch may take at least on a chip with device files, where the first use of an operator may compile it."""
