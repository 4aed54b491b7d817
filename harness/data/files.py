"""Finding the files of an archive and opening one of them lazily."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr
from scipy.io import netcdf_file

from collectors.regular_files import kind_of
from harness.errors import UserError

_ZARR_MARKERS = ("zarr.json", ".zgroup", ".zmetadata")
_CLASSIC_NETCDF = (b"CDF\x01", b"CDF\x02")


def find_files(path: Path, patterns: Sequence[str]) -> tuple[Path, ...]:
    """Files and Zarr stores in folder `path` that match any of the globs, sorted; `path` itself where it is one.

    Raises UserError where `path` does not exist or nothing matches.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if kind := kind_of(path):
        raise UserError(f"{path}: cannot be read: {kind}, not a file or folder of data")
    if path.is_file() or _is_zarr(path):
        return (path,)
    found = {match for pattern in patterns for match in path.glob(pattern) if match.is_file() or _is_zarr(match)}
    if not found:
        raise UserError(f"{path}: no file matches {' or '.join(patterns)}")
    return tuple(sorted(found))


def open_lazily(path: Path, *, decode_times: bool = True) -> xr.Dataset:
    """Open a NetCDF file or Zarr store without reading its variables.

    Raises UserError where the file is truncated or of another kind.
    """
    try:
        if _is_zarr(path):
            return xr.open_zarr(
                path, chunks=None, consolidated=False, decode_times=decode_times, decode_timedelta=False
            )
        if not _is_complete(path):
            raise ValueError("shorter than its header says")
        return xr.open_dataset(path, decode_times=decode_times, decode_timedelta=False)
    except Exception as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> UserError:
    """The error for a file that a library fails on, with the first line of what the library says."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"{path}: cannot be read, truncated or not NetCDF or Zarr ({reason})")


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / marker).exists() for marker in _ZARR_MARKERS)


def _is_complete(path: Path) -> bool:
    """False where a NetCDF file of the classic format lacks its end, which the NetCDF library reads as zeros."""
    with path.open("rb") as file:
        if file.read(4) not in _CLASSIC_NETCDF:
            return True
    try:
        netcdf_file(path, mmap=True).close()
    except Exception:
        return False
    return True
