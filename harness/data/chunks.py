"""Chunks that a Zarr array should have and its store lacks, which Zarr reads as its fill value, 0 for instance.

A chunk whose values are all the fill value may have been left out on purpose; nothing tells it from one that was lost,
so that its values count as missing. Zarr versions 2 and 3 are understood, and within the shards of version 3 the
chunks that their indices name as absent.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.locations import Location, Remote, below

_NOT_THERE = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class AbsentChunks:
    """The absent chunks of an array: `grid` is True at each, `shape` the size of a chunk, `first` the key of one."""

    grid: NDArray[np.bool_]
    shape: tuple[int, ...]
    first: str

    @property
    def count(self) -> int:
        """How many chunks are absent."""
        return int(self.grid.sum())

    def mask(self, key: Sequence[Any], size: Sequence[int]) -> NDArray[np.bool_]:
        """Where the values that `key`, one index, slice or array a dimension, selects of an array lie in such a chunk.

        `size` is the shape of the array; a dimension with a single index is dropped.
        """
        chosen = [np.atleast_1d(np.arange(length)[part]) for part, length in zip(key, size, strict=True)]
        chunks = [positions // length for positions, length in zip(chosen, self.shape, strict=True)]
        block = self.grid[np.ix_(*chunks)]
        single = tuple(axis for axis, part in enumerate(key) if np.ndim(part) == 0 and not isinstance(part, slice))
        return block.squeeze(axis=single)


def absent_chunks(store: Location, name: str) -> AbsentChunks | None:
    """The chunks of array `name` that a store lacks; None where it has all, or the chunks are laid out otherwise.

    Raises OSError or UserError where the store cannot be read.
    """
    layout = layout_of(store / name)
    if layout is None:
        return None
    counts = [math.ceil(length / chunk) for length, chunk in zip(layout.shape, layout.chunk, strict=True)]
    present = np.zeros(counts, dtype=bool)
    for key in _keys(store / name):
        position = layout.position(key)
        if position is not None and all(at < count for at, count in zip(position, counts, strict=True)):
            present[position] = True
    if layout.sharding is not None:
        return _within_shards(store / name, layout, present)
    if present.all():
        return None
    return AbsentChunks(~present, layout.chunk, layout.key(_first(~present)))


@dataclass(frozen=True)
class Layout:
    """How the chunks of an array are named: `shape` of the array, `chunk` of what one file holds."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    prefix: str
    separator: str
    sharding: Mapping[str, Any] | None

    def key(self, position: Iterable[Any]) -> str:
        """The name of the chunk at a position, below the folder of the array."""
        parts = [self.prefix] * bool(self.prefix) + [str(int(index)) for index in position]
        return self.separator.join(parts) or "0"

    def position(self, key: str) -> tuple[int, ...] | None:
        """The position of a chunk; None for a file that is none."""
        parts = key.split(self.separator)
        if self.prefix:
            if parts[0] != self.prefix:
                return None
            parts = parts[1:]
        elif not self.shape:
            return () if parts == ["0"] else None
        if len(parts) != len(self.shape) or not all(part.isdecimal() for part in parts):
            return None
        return tuple(map(int, parts))


def layout_of(folder: Location) -> Layout | None:
    """How the chunks of the array in a folder are named; None where its metadata say that in an unknown way."""
    if (folder / "zarr.json").is_file():
        described = json.loads((folder / "zarr.json").read_bytes())
        grid = described.get("chunk_grid", {})
        if grid.get("name") != "regular":
            return None
        encoding = described.get("chunk_key_encoding", {"name": "default"})
        prefix = "c" if encoding["name"] == "default" else ""
        separator = encoding.get("configuration", {}).get("separator", "/" if prefix else ".")
        sharding = next((each for each in described.get("codecs", ()) if each["name"] == "sharding_indexed"), None)
        chunk = tuple(grid["configuration"]["chunk_shape"])
        inner = None if sharding is None else sharding["configuration"]
        return Layout(tuple(described["shape"]), chunk, prefix, separator, inner)
    if (folder / ".zarray").is_file():
        described = json.loads((folder / ".zarray").read_bytes())
        separator = described.get("dimension_separator", ".")
        return Layout(tuple(described["shape"]), tuple(described["chunks"]), "", separator, None)
    return None


def _within_shards(folder: Location, layout: Layout, present: NDArray[np.bool_]) -> AbsentChunks | None:
    sharding = layout.sharding or {}
    inner = tuple(sharding["chunk_shape"])
    per_shard = tuple(whole // part for whole, part in zip(layout.chunk, inner, strict=True))
    absent = np.ones(tuple(np.multiply(present.shape, per_shard)), dtype=bool)
    for position in zip(*np.nonzero(present), strict=True):
        corner = np.multiply(position, per_shard)
        block = tuple(slice(begin, begin + count) for begin, count in zip(corner, per_shard, strict=True))
        absent[block] = _absent_in_shard(folder / layout.key(position), sharding, per_shard)
    for axis, (total, part) in enumerate(zip(layout.shape, inner, strict=True)):
        beyond = [slice(None)] * len(layout.shape)
        beyond[axis] = slice(math.ceil(total / part), None)
        absent[tuple(beyond)] = False
    if not absent.any():
        return None
    first = _first(absent)
    shard, within = np.divmod(first, per_shard)
    return AbsentChunks(absent, inner, f"{layout.key(shard)}, chunk {tuple(map(int, within))} of the shard")


def _absent_in_shard(shard: Location, sharding: Mapping[str, Any], per_shard: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which chunks the index of a shard names as absent; none where the index is written otherwise than by default."""
    codecs = [codec["name"] for codec in sharding.get("index_codecs", ())]
    if sharding.get("index_location", "end") != "end" or not set(codecs) <= {"bytes", "crc32c"}:
        return np.zeros(per_shard, dtype=bool)
    length = 16 * math.prod(per_shard)
    tail = _last_bytes(shard, length + (4 if "crc32c" in codecs else 0))
    index = np.frombuffer(tail[:length], dtype="<u8").reshape(*per_shard, 2)
    absent: NDArray[np.bool_] = (index == _NOT_THERE).all(axis=-1)
    return absent


def _first(grid: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(index) for index in np.argwhere(grid)[0])


def _keys(folder: Location) -> Iterator[str]:
    """Names of all files of an array, relative to its folder, with slashes."""
    root = str(folder).rstrip("/")
    return (str(file).removeprefix(root).lstrip("/").replace("\\", "/") for file in below(folder))


def _last_bytes(file: Location, count: int) -> bytes:
    if isinstance(file, Remote):
        return file.read_bytes(last=count)
    with file.open("rb") as stream:
        stream.seek(-count, 2)
        return stream.read(count)
