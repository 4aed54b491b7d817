"""Mean and standard deviation of each channel and of its change, from the training steps alone."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.scratch import borrowed
from harness.data.source import BLOCK_BYTES, Source, stream
from harness.data.threads import in_threads
from harness.errors import UserError

NORMALISATION = (
    "by mean and standard deviation of each channel and forcing over the training steps, of each static field over the "
    "grid; channels over points that count, all points with the same weight"
)

_TILE_VALUES = 2**16
"""Of fields that are summed together, 512 KiB as float64, which all passes over them find in the cache of a core."""


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of C channels, each (C,) float64, in the source's units."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @property
    def mean_per_point(self) -> NDArray[np.float32]:
        """The mean as (C, 1, 1) float32."""
        return self.mean.astype(np.float32)[:, None, None]

    @property
    def std_per_point(self) -> NDArray[np.float32]:
        """The standard deviation as (C, 1, 1) float32."""
        return self.std.astype(np.float32)[:, None, None]


class Moments:
    """Mean and standard deviation of C channels over the points of a mask (C, H, W), streamed, in float64.

    Values are shifted by the first one, so that a constant has a deviation of exactly 0.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        places = mask.reshape(len(mask), -1)
        self._first_point = np.arange(len(mask)), places.argmax(axis=1)
        self._points = places.sum(axis=1)
        self._gaps = None if mask.all() else ~places
        self._shift: NDArray[np.float64] | None = None
        self._steps = 0
        self._totals = np.zeros((2, len(mask)))

    def add(self, fields: NDArray[Any], before: NDArray[Any] | None = None) -> None:
        """Take the next (n, C, H, W) fields, or what they are more than others `before`, subtracted in float64."""
        if not fields.size:
            return
        values = _flat(fields)
        less = None if before is None else _flat(before)
        if self._shift is None:
            first = values[0][self._first_point].astype(np.float64)
            self._shift = first if less is None else first - less[0][self._first_point]
        tiles = _tiles(values.shape)
        totals = np.zeros((len(tiles), *self._totals.shape))
        sums = [
            partial(self._sum, values[tile], None if less is None else less[tile], self._shift, tile[1:], out)
            for tile, out in zip(tiles, totals, strict=True)
        ]
        in_threads(sums, fields.nbytes)
        self._totals += totals.sum(axis=0)
        self._steps += len(values)

    def _sum(
        self,
        values: NDArray[Any],
        less: NDArray[Any] | None,
        shift: NDArray[np.float64],
        places: tuple[slice, slice],
        out: NDArray[np.float64],
    ) -> None:
        """Write sums over values of some channels and points, and over their squares, into `out` (2, C)."""
        channels, _ = places
        with borrowed(8 * values.size) as memory:
            deviation = memory.view(np.float64).reshape(values.shape)
            if less is None:
                np.subtract(values, shift[channels, None], out=deviation)
            else:
                np.subtract(values, less, out=deviation, dtype=np.float64)
                deviation -= shift[channels, None]
            if self._gaps is not None:
                np.copyto(deviation, 0.0, where=self._gaps[places])
            deviation.sum(axis=(0, 2), out=out[0, channels])
            np.square(deviation, out=deviation).sum(axis=(0, 2), out=out[1, channels])

    def mean_and_std(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both (C,), of what was taken, every point with the same weight; NaN where that is nothing."""
        if self._shift is None:
            nothing = np.full(len(self._points), np.nan)
            return nothing, nothing
        mean, mean_of_squares = self._totals / (self._points * self._steps)
        return self._shift + mean, np.sqrt(np.maximum(mean_of_squares - mean**2, 0.0))


def _flat(fields: NDArray[Any]) -> NDArray[Any]:
    """(n, C, H, W) as (n, C, H * W)."""
    return fields.reshape(*fields.shape[:2], -1)


def _tiles(shape: tuple[int, ...]) -> list[tuple[slice, slice, slice]]:
    """Parts of an array (n, C, points) of about `_TILE_VALUES`: whole steps, else whole channels, else points."""
    steps, channels, points = shape
    width = min(points, _TILE_VALUES)
    depth = min(channels, max(1, _TILE_VALUES // points))
    height = max(1, _TILE_VALUES // (channels * points))
    return [
        (slice(step, step + height), slice(channel, channel + depth), slice(point, point + width))
        for step in range(0, steps, height)
        for channel in range(0, channels, depth)
        for point in range(0, points, width)
    ]


def training_normalisation(source: Source, steps: NDArray[np.int64]) -> Normalisation:
    """Mean and standard deviation over `steps` and all points of the mask, every point with the same weight.

    Streams the data once. Raises UserError where a channel is constant.
    """
    moments = Moments(source.mask)
    for _, fields in stream(source, steps):
        moments.add(fields)
    mean, std = moments.mean_and_std()
    for channel, width in zip(source.channels, std, strict=True):
        if width == 0:
            raise UserError(f"channel {channel!r} is constant over the training steps: it cannot be normalised")
    return Normalisation(mean, std)


def change_deviation(
    source: Source, steps: NDArray[np.int64], *, block_bytes: int = BLOCK_BYTES
) -> NDArray[np.float64]:
    """Standard deviation (C,) of the change from a step to the next over all pairs in `steps` that follow each other.

    Streams the data once. Raises UserError where a channel changes by the same amount at every point and step.
    """
    moments = Moments(source.mask)
    step_before, fields_before = -1, None
    for block, fields in stream(source, steps, block_bytes=block_bytes):
        if fields_before is not None and block[0] == step_before + 1:
            moments.add(fields[:1], fields_before)
        following = np.diff(block) == 1
        if following.all():
            moments.add(fields[1:], fields[:-1])
        else:
            moments.add(fields[1:][following], fields[:-1][following])
        step_before, fields_before = int(block[-1]), fields[-1:]
    _, std = moments.mean_and_std()
    for channel, width in zip(source.channels, std, strict=True):
        if not width > 0:
            raise UserError(
                f"channel {channel!r} changes by the same amount at every training step: "
                "a residual network cannot be scaled to it"
            )
    return std
