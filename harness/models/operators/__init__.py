"""Operators that some frameworks lack on some devices: native ones, composed ones, and which serves where."""
