"""Mean and standard deviation of each channel and of its change, from the training steps alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.source import BLOCK_BYTES, Source, stream
from harness.errors import UserError

NORMALISATION = (
    "by mean and standard deviation of each channel and forcing over the training steps, of each static field over the "
    "grid; channels over points that count, all points with the same weight"
)


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
        self._mask = mask
        self._shift: NDArray[np.float64] | None = None
        self._steps = 0
        self._total = np.zeros(len(mask))
        self._total_of_squares = np.zeros(len(mask))

    def add(self, fields: NDArray[Any]) -> None:
        """Take the next (n, C, H, W) fields."""
        if len(fields) == 0:
            return
        if self._shift is None:
            first_point = self._mask.reshape(len(self._mask), -1).argmax(axis=1)
            self._shift = fields[0].reshape(len(self._mask), -1)[np.arange(len(self._mask)), first_point].astype(float)
        deviation = np.where(self._mask, fields.astype(np.float64) - self._shift[:, None, None], 0.0)
        self._total += deviation.sum(axis=(0, 2, 3))
        self._total_of_squares += np.square(deviation).sum(axis=(0, 2, 3))
        self._steps += len(fields)

    def mean_and_std(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both (C,), of what was taken, every point with the same weight; NaN where that is nothing."""
        if self._shift is None:
            nothing = np.full(len(self._mask), np.nan)
            return nothing, nothing
        count = self._mask.sum(axis=(1, 2)) * self._steps
        mean = self._total / count
        return self._shift + mean, np.sqrt(np.maximum(self._total_of_squares / count - mean**2, 0.0))


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
    steps_before, fields_before = steps[:0], np.empty((0, *source.mask.shape), dtype=np.float32)
    for block, fields in stream(source, steps, block_bytes=block_bytes):
        block, fields = np.concatenate([steps_before, block]), np.concatenate([fields_before, fields])
        moments.add(np.diff(fields.astype(np.float64), axis=0)[np.diff(block) == 1])
        steps_before, fields_before = block[-1:], fields[-1:]
    _, std = moments.mean_and_std()
    for channel, width in zip(source.channels, std, strict=True):
        if not width > 0:
            raise UserError(
                f"channel {channel!r} changes by the same amount at every training step: "
                "a residual network cannot be scaled to it"
            )
    return std
