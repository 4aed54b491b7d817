"""Layers that several networks share, and those that a framework lacks or runs slowly."""
