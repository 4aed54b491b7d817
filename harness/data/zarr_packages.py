"""Zarr's packages, which are not everywhere: on Python 3.10 of 64-bit ARM one of them has no wheel."""

from importlib.util import find_spec

from harness.data.locations import Location
from harness.errors import UserError


def require_zarr(path: Location) -> None:
    """Raise UserError where the packages that read and write the Zarr store at `path` are not installed."""
    missing = [name for name in ("zarr", "numcodecs") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{path}: is a Zarr store, and {' and '.join(missing)} not installed: python -m pip install zarr numcodecs "
            "(Python 3.11 or newer on ARM, where 3.10 has no wheels), or use NetCDF files"
        )
