"""Layers that a framework lacks or runs slowly, composed from what it runs fast."""
