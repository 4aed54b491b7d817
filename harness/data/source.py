"""What every source of data offers, whether it is made at run time or read from an archive."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data.calendar import Times, digest_bytes
from harness.data.reading import DataReading
from harness.models.domain import ChannelInfo

BLOCK_BYTES = 64 * 2**20

Progress = Callable[[float], None]
"""Takes the fraction, up to 1, that has been read."""


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
        """SHA-256 (hex) of names, grid, times and values."""

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields (n, C, H, W) at these time indices, in the order given, in `units`; NaN outside the mask.

        An array of the caller's own, which it may change.
        """

    def read_forcings(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Forcings (n, F, H, W) at these time indices; no NaN."""

    def read_statics(self) -> NDArray[np.float32]:
        """Static fields (S, H, W); no NaN."""


def unwatched(fraction: float) -> None:
    """A `Progress` that tells nobody."""


def stream(
    source: Source, indices: NDArray[np.int64], *, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Read `indices` block by block: pairs of (n,) indices and (n, C, H, W) fields of at most `block_bytes`."""
    step_bytes = 4 * len(source.channels) * len(source.latitude) * len(source.longitude)
    return ((block, source.read(block)) for block in blocks(indices, step_bytes, block_bytes=block_bytes))


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
