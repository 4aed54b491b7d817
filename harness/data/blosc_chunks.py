"""Part of a chunk that Blosc has compressed, read and decoded without the rest of it.

Blosc compresses blocks of equal size, which do not depend on each other, and lists where each begins, as
README_CHUNK_FORMAT of c-blosc 1 describes. The blocks that hold the wanted values, put behind a header of their own,
are a chunk that any decoder reads.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.scratch import borrowed

HEADER_BYTES = 16
_VERSION = 2
_STORED_AS_THEY_ARE = 0x02


@dataclass(frozen=True)
class BloscHeader:
    """What the first bytes of a chunk say of it: lengths in bytes, of all values, of a block and of the chunk."""

    content: bytes
    values: int
    block: int
    stored: int

    @property
    def blocks(self) -> int:
        """How many blocks the chunk has."""
        return -(-self.values // self.block)

    @property
    def is_plain(self) -> bool:
        """Whether the values follow the header as they are."""
        return bool(self.content[2] & _STORED_AS_THEY_ARE)

    @property
    def has_parts(self) -> bool:
        """Whether some of the values can be had without the others."""
        return self.content[0] == _VERSION and (self.is_plain or self.blocks > 1)

    def aligned(self, begin: int, end: int) -> tuple[int, int]:
        """The first block, and the one after the last, that bytes `begin` to `end` of the values take.

        The last block is shorter than the others, which a decoder knows from there being one before it alone.
        """
        first, after = begin // self.block, -(-end // self.block)
        return (max(0, min(first, self.blocks - 2)) if after == self.blocks else first), after


def read_header(file: int, expected: int) -> BloscHeader:
    """The header of the chunk in an open file.

    Raises ValueError where it says other lengths than the file has and its place, `expected`, or names no blocks.
    """
    content = os.pread(file, HEADER_BYTES, 0)
    if len(content) == HEADER_BYTES:
        values, block, stored = (int(length) for length in np.frombuffer(content[4:], dtype="<u4"))
        header = BloscHeader(content, values, block, stored)
        fits = (values, stored) == (expected, os.fstat(file).st_size)
        if fits and block and (not header.is_plain or stored == HEADER_BYTES + values):
            return header
    raise ValueError("it is cut short or of another size")


def decode_part(file: int, header: BloscHeader, codec: Any, begin: int, out: NDArray[np.uint8]) -> None:
    """Write the values from byte `begin` on into `out` (n,), and read no more of the file than that takes.

    `header.has_parts` is for the caller to know. Raises OSError, RuntimeError or ValueError where the file cannot be
    read or decoded.
    """
    if header.is_plain:
        read_exactly(file, out, HEADER_BYTES + begin)
        return
    first, after = header.aligned(begin, begin + out.size)
    starts = np.empty(header.blocks, dtype="<i4")
    read_exactly(file, starts.view(np.uint8), HEADER_BYTES)
    if starts.min() < HEADER_BYTES + starts.nbytes or starts.max() >= header.stored:
        raise ValueError("its blocks do not lie in it")
    low, last = int(starts[first:after].min()), int(starts[first:after].max())
    high = int(starts[starts > last].min(initial=header.stored))
    head = HEADER_BYTES + 4 * (after - first)
    values = min(after * header.block, header.values) - first * header.block
    with borrowed(head + high - low) as part:
        part[:HEADER_BYTES] = np.frombuffer(header.content, dtype=np.uint8)
        part[4:HEADER_BYTES] = np.array([values, header.block, part.size], dtype="<u4").view(np.uint8)
        part[HEADER_BYTES:head] = (starts[first:after] - low + head).astype("<i4").view(np.uint8)
        read_exactly(file, part[head:], low)
        if (begin, out.size) == (first * header.block, values):
            codec.decode(part, out=out)
            return
        with borrowed(values) as decoded:
            codec.decode(part, out=decoded)
            offset = begin - first * header.block
            out[:] = decoded[offset : offset + out.size]


def read_exactly(file: int, out: NDArray[np.uint8], begin: int) -> None:
    """Fill `out` (n,) from byte `begin` of an open file on; raises ValueError where the file ends before."""
    view, read = out.data, 0
    while read < len(view):
        more = os.preadv(file, [view[read:]], begin + read)
        if not more:
            raise ValueError("the file ends too early")
        read += more
