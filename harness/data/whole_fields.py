"""Zarr arrays of which every chunk is one step, on this machine: a chunk is decoded straight into its place.

Zarr versions 2 and 3 without filters and shards, C order, compressed by Blosc, Zstandard or gzip or not at all; any
other array is left to xarray and Zarr. A chunk that is cut short or holds too few values is an error here, which not
every decoder notices.
"""

import itertools
import json
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.blosc_chunks import decode_part, read_exactly, read_header
from harness.data.chunks import Layout, layout_of
from harness.data.locations import Location
from harness.data.scratch import borrowed
from harness.errors import one_line

PART_BYTES = 16 * 2**20
"""About how many bytes of values one part of a chunk holds that is decoded apart from the others."""

_ZSTD_MAGIC = bytes.fromhex("28b52ffd")
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

    @property
    def values(self) -> int:
        """How many values one chunk holds."""
        return math.prod(self.step_shape)

    def decode_into(self, step: int, out: NDArray[Any]) -> None:
        """Write the values of a step into `out`, C-contiguous, of the array's own type and `step_shape`.

        Raises OSError where the chunk cannot be read and ValueError where it is cut short or of another size.
        """
        self.decode_parts(step, [(0, out)])

    def decode_parts(self, step: int, wanted: Sequence[tuple[int, NDArray[Any]]]) -> None:
        """Fill arrays, C-contiguous and of the array's own type, each with the values of a step from a position on.

        Positions count through all values of the step. Only what is needed is read and decoded where the chunk allows
        that, which Blosc does, and one that is not compressed. Raises what `decode_into` raises.
        """
        path = self._chunk(step)
        places = [(begin * self.dtype.itemsize, out.reshape(-1).view(np.uint8)) for begin, out in wanted]
        expected = self.values * self.dtype.itemsize
        with path.open("rb", buffering=0) as opened:
            file = opened.fileno()
            with _naming(path):
                self._decode(file, expected, places)

    def parts(self, step: int) -> list[tuple[int, int]]:
        """Ranges of positions that hold all values of a step and are decoded apart from each other at no cost.

        One range where the chunk cannot be divided. Raises what `decode_into` raises.
        """
        size, grain = self.dtype.itemsize, 1
        if self.codec is not None:
            if self.codec.codec_id != "blosc":
                return [(0, self.values)]
            path = self._chunk(step)
            with path.open("rb", buffering=0) as file, _naming(path):
                header = read_header(file.fileno(), self.values * size)
            if not header.has_parts or (not header.is_plain and header.block % size):
                return [(0, self.values)]
            grain = 1 if header.is_plain else header.block // size
        length = grain * max(1, PART_BYTES // (grain * size))
        begins = list(range(0, max(1, self.values - length // 2), length))
        return list(zip(begins, [*begins[1:], self.values], strict=True))

    def read(self, key: Sequence[Any]) -> NDArray[Any]:
        """What an outer key selects: one index, slice or array a dimension; a dimension with an index is dropped."""
        chosen = [np.arange(length)[part] for part, length in zip(key, self.layout.shape, strict=True)]
        steps, *rest = map(np.atleast_1d, chosen)
        values = np.empty((len(steps), *map(len, rest)), dtype=self.dtype)
        if values.size:
            for step, of_step in zip(steps, values, strict=True):
                self._pick(int(step), rest, of_step)
        return values.reshape([len(each) for each in chosen if np.ndim(each)])

    def _pick(self, step: int, rest: Sequence[NDArray[np.int64]], out: NDArray[Any]) -> None:
        """Write what indices of each further dimension select of a step into `out`, reading no more rows than that."""
        if len(rest) < 2:
            field = np.empty(self.step_shape, dtype=self.dtype)
            self.decode_into(step, field)
            out[...] = field[np.ix_(*rest)]
            return
        *outer, rows, columns = rest
        first, last = int(rows.min()), int(rows.max())
        begins = self.rows_begin(itertools.product(*outer), first)
        shape = len(begins), last - first + 1, self.step_shape[-1]
        in_place = _is_run(rows, shape[1]) and _is_run(columns, shape[2])
        planes = out.reshape(shape) if in_place else np.empty(shape, dtype=self.dtype)
        self.decode_parts(step, list(zip(begins, planes, strict=True)))
        if not in_place:
            out[...] = planes[:, rows - first][:, :, columns].reshape(out.shape)

    def rows_begin(self, planes: Iterable[Sequence[Any]], row: int) -> list[int]:
        """Positions of a row in planes, which indices of the dimensions before the last two name."""
        return [int(np.ravel_multi_index((*map(int, plane), row, 0), self.step_shape)) for plane in planes]

    def _chunk(self, step: int) -> Path:
        return self.folder / self.layout.key((step, *(0 for _ in self.step_shape)))

    def _decode(self, file: int, expected: int, places: Sequence[tuple[int, NDArray[np.uint8]]]) -> None:
        if self.codec is None:
            if os.fstat(file).st_size != expected:
                raise ValueError(f"it has not {expected} bytes")
            for begin, out in places:
                read_exactly(file, out, begin)
            return
        whole = len(places) == 1 and places[0][1].size == expected
        if self.codec.codec_id != "blosc":
            with borrowed(os.fstat(file).st_size) as content:
                read_exactly(file, content, 0)
                if whole and self.codec.codec_id == "zstd" and _zstd_values(content) == expected:
                    self.codec.decode(content, out=places[0][1])
                    return
                values = np.frombuffer(self.codec.decode(content), dtype=np.uint8)
            if values.size != expected:
                raise ValueError(f"{values.size} bytes of values, not {expected}")
            for begin, out in places:
                out[:] = values[begin : begin + out.size]
            return
        header = read_header(file, expected)
        if header.has_parts and not whole:
            for begin, out in places:
                decode_part(file, header, self.codec, begin, out)
            return
        with borrowed(header.stored) as content:
            read_exactly(file, content, 0)
            if whole:
                self.codec.decode(content, out=places[0][1])
                return
            with borrowed(expected) as values:
                self.codec.decode(content, out=values)
                for begin, out in places:
                    out[:] = values[begin : begin + out.size]


def _is_run(indices: NDArray[np.int64], length: int) -> bool:
    """Whether `length` indices follow each other."""
    return len(indices) == length and bool((np.diff(indices) == 1).all())


def _zstd_values(content: NDArray[np.uint8]) -> int | None:
    """How many bytes of values the first frame of Zstandard says that it holds (RFC 8878, 3.1.1); or None."""
    head = content[:18].tobytes()
    if head[:4] != _ZSTD_MAGIC or len(head) < 18:
        return None
    single_segment = head[4] >> 5 & 1
    length = (single_segment, 2, 4, 8)[head[4] >> 6]
    begin = 6 - single_segment + (0, 1, 2, 4)[head[4] & 3]
    return int.from_bytes(head[begin : begin + length], "little") + 256 * (length == 2) if length else None


@contextmanager
def _naming(chunk: Path) -> Iterator[None]:
    """Raise ValueError, which names the chunk, in place of what files and decoders raise."""
    try:
        yield
    except _UNDECODABLE as error:
        raise ValueError(f"chunk {chunk.name} cannot be decoded: {one_line(error)}") from error


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
