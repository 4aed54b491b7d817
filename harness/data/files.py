"""Finding the files of an archive and opening one of them lazily, its variables decoded one by one."""

import warnings
from collections.abc import Hashable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.io import netcdf_file
from xarray.backends import BackendArray
from xarray.core import indexing

from collectors.regular_files import kind_of
from harness.data.calendar import counts_since
from harness.data.chunks import AbsentChunks, absent_chunks
from harness.data.formats import HEAD_BYTES, foreign_format, is_grib
from harness.data.grib import open_grib
from harness.data.locations import Location, Remote, head
from harness.data.missing import DECODING, CFPacking, checked_packing
from harness.data.whole_fields import WholeFields, whole_fields
from harness.data.zarr_packages import require_zarr
from harness.errors import UserError
from harness.files import refuse_unnameable

_ZARR_MARKERS = ("zarr.json", ".zgroup", ".zmetadata")
_CLASSIC_NETCDF = (b"CDF\x01", b"CDF\x02")
_TEXTS = frozenset(
    {
        *("standard_name", "long_name", "axis", "positive", "coordinates", "grid_mapping", "grid_mapping_name"),
        *("bounds", "climatology", "cell_measures", "cell_methods", "formula_terms", "ancillary_variables"),
    }
)
"""Attributes that the CF conventions give words to; numbers, lists and blanks in their place say nothing."""


def find_files(path: Location, patterns: Sequence[str]) -> tuple[Location, ...]:
    """Files and Zarr stores in folder `path` that match any of the globs, sorted; `path` itself where it is one.

    Raises UserError where `path` does not exist or nothing matches, with what lies there instead, or a name
    is not UTF-8.
    """
    try:
        found_there = path.exists()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no such file or folder: {error}") from None
    if not found_there:
        raise UserError(f"{path}: no such file or folder")
    if isinstance(path, Path) and (kind := kind_of(path)):
        raise UserError(f"{path}: cannot be read: {kind}, not a file or folder of data")
    refuse_unnameable(path)
    if is_zarr(path) or path.is_file():
        return (path,)
    found = {match for pattern in patterns for match in path.glob(pattern) if is_zarr(match) or match.is_file()}
    for match in found:
        refuse_unnameable(match)
    if not found:
        raise UserError(f"{path}: no file matches {' or '.join(patterns)}{_instead(path)}")
    return tuple(sorted(found))


@dataclass(frozen=True)
class DataFile:
    """A file or Zarr store whose variables are decoded when they are asked for, so that an odd one stops no other.

    `raw` holds them as stored.
    """

    path: Location
    raw: xr.Dataset
    copy: Path | None = None
    absent: dict[str, AbsentChunks | None] = field(default_factory=dict, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that are no coordinates."""
        named = {name for each in self.raw.variables.values() for name in _coordinate_names(each)}
        return tuple(str(name) for name in self.raw.data_vars if name not in named)

    def __contains__(self, name: str) -> bool:
        return name in self.raw.variables

    def __getitem__(self, name: str) -> xr.DataArray:
        """A variable with its coordinates: no data are NaN, packed values unpacked, times left as numbers.

        Raises UserError where its attributes make no sense.
        """
        stored = self.raw.variables[name]
        coordinates = {other: self._coordinate(str(other)) for other in self._along(name, stored)}
        values = xr.Variable(
            stored.dims,
            indexing.LazilyIndexedArray(_Unpacked(stored, *self._decoding(name), self._whole_fields(name))),
            {key: value for key, value in stored.attrs.items() if key not in DECODING},
        )
        return xr.DataArray(values, coords={k: v for k, v in coordinates.items() if v is not None}, name=name)

    def absent_chunks(self, name: str) -> AbsentChunks | None:
        """The chunks that a Zarr store lacks of a variable; None where it has all, or the file is none."""
        if self.copy is not None:
            return None
        if name not in self.absent:
            try:
                self.absent[name] = absent_chunks(self.path, name)
            except (OSError, KeyError, TypeError, ValueError) as error:
                raise unreadable(self.path, error) from error
        return self.absent[name]

    def steps_per_chunk(self, name: str, dimension: str) -> int | None:
        """Steps along a dimension of a variable that a chunk of a Zarr store holds; None for any other file."""
        stored = self.raw.variables[name]
        sizes = stored.encoding.get("chunks") if self.copy is None else None
        return sizes[stored.dims.index(dimension)] if sizes and dimension in stored.dims else None

    def _whole_fields(self, name: str) -> WholeFields | None:
        if self.copy is not None or self.absent_chunks(name) is not None:
            return None
        try:
            return whole_fields(self.path, name)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise unreadable(self.path, error) from error

    def _decoding(self, name: str, *, valid: bool = True) -> "tuple[CFPacking, AbsentChunks | None]":
        stored = self.raw.variables[name]
        default_fill = self._has_default_fill(name, stored.dtype)
        packing = CFPacking(stored.dtype, stored.attrs, default_fill=default_fill, valid=valid)
        return checked_packing(packing, f"{self.path}: {name}"), self.absent_chunks(name)

    def _has_default_fill(self, name: str, stored: np.dtype[Any]) -> bool:
        """Whether the netCDF library's fill value means no data: always for floating values, else in netCDF alone.

        Of single bytes the library masks it only where the file was written with fill values.
        """
        if stored.kind == "f":
            return True
        if self.copy is None:
            return False
        if stored.itemsize > 1:
            return True
        try:
            with netCDF4.Dataset(self.copy) as file:
                return file.variables[name].get_fill_value() is not None
        except (AttributeError, KeyError, OSError):
            return False

    def _along(self, name: str, stored: xr.Variable) -> list[Hashable]:
        """Coordinates of a variable: those of its dimensions, those it names, and times along one of its dimensions."""
        named = set(_coordinate_names(stored)) | set(self.raw.coords)
        return [
            other
            for other, variable in self.raw.variables.items()
            if other != name
            and set(variable.dims) <= set(stored.dims)
            and (other in stored.dims or other in named or _is_time(variable))
        ]

    def _coordinate(self, name: str) -> xr.Variable | None:
        """A coordinate, read and decoded; None where it is none of the numbers or texts that can be."""
        stored = self.raw.variables[name]
        try:
            if stored.dtype.kind not in "iuf":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    decoded = xr.decode_cf(
                        self.raw[[name]], decode_times=False, decode_timedelta=False, decode_coords=False
                    )
                return decoded.variables[name].load()
            packing, absent = self._decoding(name, valid=False)
            values = _Unpacked(stored, packing, absent).read(tuple(slice(None) for _ in stored.dims))
            return xr.Variable(stored.dims, values, {k: v for k, v in stored.attrs.items() if k not in DECODING})
        except Exception as error:
            if stored.dims == (name,):
                raise unreadable(self.path, error) from error
            return None


class _Unpacked(BackendArray):
    """A stored variable that is unpacked where it is read."""

    def __init__(
        self, stored: xr.Variable, packing: CFPacking, absent: AbsentChunks | None, fields: WholeFields | None = None
    ) -> None:
        self._stored, self._packing, self._absent = stored, packing, absent
        alike = fields is not None and (fields.dtype, fields.layout.shape) == (stored.dtype, stored.shape)
        self._fields = fields if alike else None
        self.shape = stored.shape
        self.dtype = packing.unpack(np.zeros(1, dtype=packing.stored)).dtype
        if packing.is_numeric and self.dtype.kind != "f":
            self.dtype = np.dtype(np.float32 if packing.stored.itemsize <= 2 else np.float64)

    def __getitem__(self, key: Any) -> Any:
        asked = _asked.get()
        if asked is not None:
            outer = not isinstance(key, indexing.VectorizedIndexer)
            asked.append(
                StoredPart(self._fields, self._packing, self._stored.dims, tuple(key.tuple)) if outer else None
            )
            return np.broadcast_to(self.dtype.type(0), _shape_of(key.tuple, self.shape) if outer else ())
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._floating)

    def read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """The values that an outer key selects, of the stored type where nothing is masked or scaled."""
        raw = np.asarray(self._stored[key].values) if self._fields is None else self._fields.read(key)
        values = self._packing.unpack(raw)
        if self._absent is None or not self._packing.is_numeric:
            return values
        lost = self._absent.mask(key, self.shape)
        return np.where(lost, np.nan, values).astype(self.dtype) if lost.any() else values

    def _floating(self, key: tuple[Any, ...]) -> NDArray[Any]:
        return self.read(key).astype(self.dtype, copy=False)


class StoredPart(NamedTuple):
    """What a variable is read from: whole fields, how they unpack, the stored dimensions and the outer key in them."""

    fields: WholeFields | None
    packing: CFPacking
    dimensions: tuple[Hashable, ...]
    key: tuple[Any, ...]


_asked: ContextVar[list[StoredPart | None] | None] = ContextVar("_asked", default=None)


def stored_part(array: xr.DataArray) -> StoredPart | None:
    """What reading a variable of a `DataFile` would read; nothing is read. None where one outer key does not say it."""
    asked: list[StoredPart | None] = []
    token = _asked.set(asked)
    try:
        array.values  # noqa: B018
    except (IndexError, ValueError):
        return None
    finally:
        _asked.reset(token)
    return asked[0] if len(asked) == 1 else None


def _shape_of(key: Sequence[Any], shape: Sequence[int]) -> list[int]:
    """The shape of what an outer key selects."""
    chosen = [np.arange(length)[part] for part, length in zip(key, shape, strict=True)]
    return [len(each) for each in chosen if np.ndim(each)]


def open_lazily(path: Location) -> DataFile:
    """Open a NetCDF or GRIB file or a Zarr store without reading its variables.

    Raises UserError where the file is truncated or of another kind, which it names.
    """
    opened = _opened(path)
    for variable in opened.raw.variables.values():
        variable.attrs = {key: value for key, value in variable.attrs.items() if key not in _TEXTS or _is_text(value)}
    return opened


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _opened(path: Location) -> DataFile:
    try:
        if is_zarr(path):
            require_zarr(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                consolidated = None if isinstance(path, Remote) else False
                return DataFile(path, xr.open_zarr(str(path), chunks=None, consolidated=consolidated, decode_cf=False))
        beginning = head(path, HEAD_BYTES)
        foreign = foreign_format(beginning)
        if foreign is not None:
            raise UserError(f"{path}: cannot be read, it is {foreign}")
        copy = path.local_copy() if isinstance(path, Remote) else path
        if is_grib(beginning):
            return DataFile(path, open_grib(copy), copy)
        if not _is_complete(copy):
            raise ValueError("shorter than its header says")
        return DataFile(path, xr.open_dataset(copy, engine="netcdf4", decode_cf=False), copy)
    except UserError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def unreadable(path: Location, error: Exception) -> UserError:
    """The error for a file that a library fails on, with the first line of what the library says."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"{path}: cannot be read, truncated or not NetCDF or Zarr ({reason})")


def is_zarr(path: Location) -> bool:
    """Whether a folder is a Zarr store."""
    return (isinstance(path, Remote) or path.is_dir()) and any((path / marker).exists() for marker in _ZARR_MARKERS)


def _coordinate_names(variable: xr.Variable) -> list[str]:
    return str(variable.attrs.get("coordinates", "")).split()


def _is_time(variable: xr.Variable) -> bool:
    return counts_since(variable.attrs) or variable.attrs.get("standard_name") == "time"


def _instead(path: Location) -> str:
    """What lies in a folder in which nothing matches, with the format of the first file that has none of its own."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    if not entries:
        return ", the folder is empty"
    said = [entry.name for entry in entries[:3]] + (["..."] if len(entries) > 3 else [])
    for entry in entries[:20]:
        if entry.is_file():
            beginning = head(entry, HEAD_BYTES)
            foreign = "a GRIB file: name it in `files`" if is_grib(beginning) else foreign_format(beginning)
            if foreign is not None and not foreign.startswith("text"):
                return f", only {', '.join(said)}; {entry.name} is {foreign}"
    return f", only {', '.join(said)}"


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
