"""Finding the files of an archive and opening one of them lazily."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr
from scipy.io import netcdf_file

from harness.errors import UserError

_ZARR_MARKERS = ("zarr.json", ".zgroup", ".zmetadata")
_CLASSIC_NETCDF = (b"CDF\x01", b"CDF\x02")


def find_files(path: Path, patterns: Sequence[str]) -> tuple[Path, ...]:
    """Files and Zarr stores in folder `path` that match any of the globs, sorted; `path` itself where it is one.

    Raises UserError where `path` does not exist or nothing matches.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
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
        if not _is_zarr(path):
            _check_length(path)
        engine = "zarr" if _is_zarr(path) else None
        return xr.open_dataset(path, engine=engine, decode_times=decode_times, decode_timedelta=False)
    except Exception as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> UserError:
    """The error for a file that a library fails on, with the first line of what the library says."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"{path}: cannot be read, truncated or not NetCDF or Zarr ({reason})")


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / marker).exists() for marker in _ZARR_MARKERS)


def _check_length(path: Path) -> None:
    """Raise ValueError where a NetCDF file of the classic format is shorter than its header says.

    The NetCDF library reads the missing part as zeros.
    """
    with path.open("rb") as file:
        classic = file.read(4) in _CLASSIC_NETCDF
    if classic:
        netcdf_file(path, mmap=True).close()
