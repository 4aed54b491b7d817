"""Operators that gather, scatter, join, pad and sort."""
