"""Zarr arrays of which every chunk is one step, on this machine: a chunk is decoded straight into its place.

Zarr versions 2 and 3 without filters and shards, C order, compressed by Blosc, Zstandard or gzip or not at all; any
other array is left to xarray and Zarr. A chunk that is cut short or holds too few values is an error here, which not
every decoder notices.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.chunks import Layout, layout_of
from harness.data.locations import Location
from harness.errors import one_line

_BLOSC_HEADER = 16
_UNDECODABLE = (EOFError, OSError, RuntimeError, ValueError, zlib.error)
_OF_VERSION_3 = {"blosc": "blosc", "zstd": "zstd", "gzip": "gzip"}


@dataclass(frozen=True)
class WholeFields:
    """An array (T, ...) with one chunk a step; `codec` is that of numcodecs, None where chunks are not compressed."""

    folder: Path
    layout: Layout
    dtype: np.dtype[Any]
    codec: Any

    @property
    def step_shape(self) -> tuple[int, ...]:
        """Shape of what one chunk holds."""
        return self.layout.shape[1:]

    def decode_into(self, step: int, out: NDArray[Any]) -> None:
        """Write the values of a step into `out`, C-contiguous, of the array's own type and `step_shape`.

        Raises OSError where the chunk cannot be read and ValueError where it is cut short or of another size.
        """
        path = self.folder / self.layout.key((step, *(0 for _ in self.step_shape)))
        if self.codec is None:
            with path.open("rb", buffering=0) as file:
                view = out.reshape(-1).view(np.uint8).data
                read = 0
                while read < len(view) and (more := file.readinto(view[read:])):
                    read += more
                if read < len(view) or file.read(1):
                    raise ValueError(f"chunk {path.name} has not {len(view)} bytes")
            return
        content = path.read_bytes()
        in_place = self.codec.codec_id == "blosc"
        if in_place:
            _check_blosc(content, out.nbytes, path.name)
        try:
            decoded = self.codec.decode(content, out=out if in_place else None)
        except _UNDECODABLE as error:
            raise ValueError(f"chunk {path.name} cannot be decoded: {one_line(error)}") from error
        if not in_place:
            values = np.frombuffer(decoded, dtype=np.uint8)
            if values.size != out.nbytes:
                raise ValueError(f"chunk {path.name} has {values.size} bytes of values, not {out.nbytes}")
            out.reshape(-1).view(np.uint8)[:] = values

    def read(self, key: Sequence[Any]) -> NDArray[Any]:
        """What an outer key selects: one index, slice or array a dimension; a dimension with an index is dropped."""
        steps = np.arange(self.layout.shape[0])[key[0]]
        rest = tuple(key[1:])
        whole = all(isinstance(part, slice) and part == slice(None) for part in rest)
        taken = np.atleast_1d(steps)
        if whole:
            values = np.empty((len(taken), *self.step_shape), dtype=self.dtype)
            for step, out in zip(taken, values, strict=True):
                self.decode_into(int(step), out)
        else:
            field = np.empty(self.step_shape, dtype=self.dtype)
            values = np.empty((len(taken), *_outer(field, rest).shape), dtype=self.dtype)
            for step, out in zip(taken, values, strict=True):
                self.decode_into(int(step), field)
                out[...] = _outer(field, rest)
        return values[0] if np.ndim(steps) == 0 else values


def whole_fields(store: Location, name: str) -> WholeFields | None:
    """An array of a store with one chunk a step and none absent, as is for the caller to know; None for any other.

    Raises OSError, KeyError, TypeError or ValueError where the metadata cannot be read.
    """
    folder = store / name
    if not isinstance(folder, Path):
        return None
    layout = layout_of(folder)
    if layout is None or layout.sharding is not None or not layout.shape:
        return None
    if layout.chunk[0] != 1 or layout.chunk[1:] != layout.shape[1:] or not math.prod(layout.shape):
        return None
    version_3 = (folder / "zarr.json").is_file()
    described = json.loads((folder / ("zarr.json" if version_3 else ".zarray")).read_bytes())
    found = _of_version_3(described) if version_3 else _of_version_2(described)
    if found is None or found[0].kind not in "iuf":
        return None
    return WholeFields(folder, layout, *found)


def _of_version_2(described: Mapping[str, Any]) -> tuple[np.dtype[Any], Any] | None:
    compressor = described["compressor"]
    if described.get("filters") or described["order"] != "C" or not isinstance(described["dtype"], str):
        return None
    if compressor is not None and compressor["id"] not in _OF_VERSION_3:
        return None
    return np.dtype(described["dtype"]), None if compressor is None else _codec(compressor)


def _of_version_3(described: Mapping[str, Any]) -> tuple[np.dtype[Any], Any] | None:
    first, *others = described["codecs"]
    if first["name"] != "bytes" or len(others) > 1 or not isinstance(described["data_type"], str):
        return None
    if others and others[0]["name"] not in _OF_VERSION_3:
        return None
    endian = first.get("configuration", {}).get("endian", "little")
    dtype = np.dtype(described["data_type"]).newbyteorder(">" if endian == "big" else "<")
    return dtype, _codec({"id": _OF_VERSION_3[others[0]["name"]]}) if others else None


def _codec(described: Mapping[str, Any]) -> Any:
    import numcodecs

    return numcodecs.get_codec(dict(described))


def _check_blosc(content: bytes, expected: int, name: str) -> None:
    """Raise ValueError where the header of a Blosc buffer says other lengths than it and its place have."""
    if len(content) >= _BLOSC_HEADER:
        values, _, stored = (int(length) for length in np.frombuffer(content[4:_BLOSC_HEADER], dtype="<u4"))
        if (values, stored) == (expected, len(content)):
            return
    raise ValueError(f"chunk {name} is cut short or of another size")


def _outer(field: NDArray[Any], key: Sequence[Any]) -> NDArray[Any]:
    for axis in reversed(range(len(key))):
        field = field[(slice(None),) * axis + (key[axis],)]
    return field
