"""The power tools, a room for each vendor and one for what belongs to the host; replay and null stand in for a tool.

The registry opens collectors by their entry points, so that a new one is added here and in `pyproject.toml` alone. What
several of them share (running a command, reading its tables, PCI addresses) lies beside the rooms.
"""
