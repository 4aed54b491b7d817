"""Limits of what may be asked for, which the command line needs before it reads anything."""

MOST_LAUNCHES = 10_000
"""Launches of a cell."""
