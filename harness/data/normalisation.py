"""Mean and standard deviation of each channel, from the training steps alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.source import Source, stream
from harness.errors import UserError


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


def training_normalisation(source: Source, steps: NDArray[np.int64]) -> Normalisation:
    """Mean and standard deviation over `steps` and all points of the mask, every point with the same weight.

    Streams the data once. Raises UserError where a channel is constant.
    """
    shift = _first_values(source, steps)
    total = np.zeros(len(source.channels))
    total_of_squares = np.zeros(len(source.channels))
    for _, fields in stream(source, steps):
        deviation = np.where(source.mask, fields.astype(np.float64) - shift[:, None, None], 0.0)
        total += deviation.sum(axis=(0, 2, 3))
        total_of_squares += np.square(deviation).sum(axis=(0, 2, 3))
    count = source.mask.sum(axis=(1, 2)) * len(steps)
    mean_deviation = total / count
    std = np.sqrt(np.maximum(total_of_squares / count - mean_deviation**2, 0.0))
    for channel, width in zip(source.channels, std, strict=True):
        if width == 0:
            raise UserError(f"channel {channel!r} is constant over the training steps: it cannot be normalised")
    return Normalisation(shift + mean_deviation, std)


def _first_values(source: Source, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    first = source.read(steps[:1])[0].reshape(len(source.channels), -1).astype(np.float64)
    first_point = source.mask.reshape(len(source.channels), -1).argmax(axis=1)
    return first[np.arange(len(first)), first_point]
