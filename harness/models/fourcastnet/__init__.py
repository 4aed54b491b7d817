"""FourCastNet: the adaptive Fourier neural operator (AFNO) of arXiv 2202.11214, as in NVlabs/FourCastNet afnonet.py."""

from harness.models.fourcastnet.config import Network, check_grid, describe, parameters

__all__ = ["Network", "check_grid", "describe", "parameters"]
