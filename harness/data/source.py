"""What every source of data offers, whether it is made at run time or read from an archive."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.data.calendar import Times, digest_bytes
from harness.data.reading import DataReading
from harness.data.threads import ahead, in_threads
from harness.models.domain import ChannelInfo

BLOCK_BYTES = 64 * 2**20

Progress = Callable[[float], None]
"""Takes the fraction, up to 1, that has been read."""


Finish = Callable[[int, int, NDArray[np.float32], int], None]
"""Takes values that have just been read, in whatever thread has read them, while they are in the cache of its core.

They are part of one field, one after the other: of which of the fields asked for, of which channel, the values (n,),
which may be changed in place, and the position of the first of them in the field.
"""


def unfinished(number: int, channel: int, values: NDArray[np.float32], begin: int) -> None:
    """A `Finish` that leaves the values as they are."""


class Source(Protocol):
    """Fields of C channels on a latitude-longitude grid of H rows and W columns at T regular times."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the C channels."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the C channels."""

    @property
    def latitude(self) -> NDArray[np.float64]:
        """(H,), degrees north, either direction."""

    @property
    def longitude(self) -> NDArray[np.float64]:
        """(W,), degrees east."""

    @property
    def times(self) -> Times:
        """(T,), regular: datetime64[ns], or cftime.datetime in another calendar."""

    @property
    def step(self) -> np.timedelta64:
        """Time between two steps."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(C, H, W), True where a point counts; fixed for the run."""

    @property
    def valid_steps(self) -> NDArray[np.bool_]:
        """(T,), False where a whole channel is missing."""

    @property
    def channel_info(self) -> tuple[ChannelInfo, ...]:
        """Variable and level of each of the C channels."""

    @property
    def forcings(self) -> tuple[str, ...]:
        """Names of F fields that are known at every time, the future included."""

    @property
    def statics(self) -> tuple[str, ...]:
        """Names of S fields that never change."""

    @property
    def reading(self) -> DataReading:
        """What was done to the values as the files hold them, and what the files do not state."""

    @property
    def fingerprint(self) -> str:
        """Of names, grid, times and values, as fingerprints.py says; SHA-256 (hex) where they are generated."""

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields (n, C, H, W) at these time indices, in the order given, in `units`; NaN outside the mask.

        An array of the caller's own, which it may change.
        """

    def read_forcings(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Forcings (n, F, H, W) at these time indices; no NaN."""

    def read_statics(self) -> NDArray[np.float32]:
        """Static fields (S, H, W); no NaN."""


@runtime_checkable
class ReadsInto(Protocol):
    """A source that reads straight to where the fields are wanted."""

    def read_into(
        self,
        indices: Sequence[int] | NDArray[np.int64],
        outs: Sequence[NDArray[np.float32]],
        finish: Finish = unfinished,
    ) -> None:
        """Write the fields at time indices, which are all different, each into one of `outs`, C-contiguous (C, H, W).

        All values are handed to `finish` once. Raises what `read` raises.
        """


@runtime_checkable
class OfFiles(Protocol):
    """A source whose files may change while it is open."""

    def is_touched(self) -> bool:
        """Whether any of its files was written, whatever is in it now, since the source was opened.

        Raises UserError where one is no longer there.
        """


def read_into(
    source: Source, indices: Sequence[int] | NDArray[np.int64], outs: Sequence[NDArray[np.float32]], finish: Finish
) -> None:
    """`ReadsInto.read_into` of any source."""
    if isinstance(source, ReadsInto):
        source.read_into(indices, outs, finish)
        return
    fields = source.read(indices)

    def place(number: int) -> None:
        outs[number][...] = fields[number]
        for channel, field in enumerate(outs[number]):
            finish(number, channel, field.reshape(-1), 0)

    in_threads([partial(place, number) for number in range(len(outs))], fields.nbytes)


def unwatched(fraction: float) -> None:
    """A `Progress` that tells nobody."""


def stream(
    source: Source, indices: NDArray[np.int64], *, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Read `indices` block by block: pairs of (n,) indices and (n, C, H, W) fields of at most `block_bytes`.

    A block is read while the one before it is in use, so that two of them are in memory.
    """
    step_bytes = 4 * len(source.channels) * len(source.latitude) * len(source.longitude)
    parts = ((block, source.read(block)) for block in blocks(indices, step_bytes, block_bytes=block_bytes))
    return parts if len(indices) * step_bytes <= block_bytes else ahead(parts)


def blocks(
    indices: NDArray[np.int64], step_bytes: int, *, block_bytes: int = BLOCK_BYTES
) -> Iterator[NDArray[np.int64]]:
    """Parts of `indices`, in order, whose steps of `step_bytes` each fill at most `block_bytes`."""
    steps_per_block = max(1, block_bytes // step_bytes)
    return (indices[begin : begin + steps_per_block] for begin in range(0, len(indices), steps_per_block))


def step_of_hours(hours: float) -> np.timedelta64:
    """A time step as timedelta64[ns]."""
    return np.timedelta64(round(hours * 3_600_000_000_000), "ns")


def describe_for_digest(source: Source) -> bytes:
    """Names, units, grid and times of a source as bytes: the part of every fingerprint before the values."""
    fields = {"channels": source.channels, "units": source.units}
    fields |= {name: values for name in ("forcings", "statics") if (values := getattr(source, name))}
    names = json.dumps(fields).encode()
    place = [source.latitude.tobytes(), source.longitude.tobytes()]
    return b"".join([names, *place, digest_bytes(source.times)])
