"""Crosscast: speed, skill and joules of weather and ocean AI models, across chips and frameworks."""

__version__ = "0.1.0"
