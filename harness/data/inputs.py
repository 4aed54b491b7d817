"""Forcings and static fields as a network takes them: normalised by training statistics."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.data.normalisation import Moments, Normalisation
from harness.data.source import Source, blocks

Fields = NDArray[np.float32]


class ForcingReader:
    """The forcings of a source with zero mean and unit variance over the training steps and all points.

    One that is constant over the training is only shifted. `normalisation` is that of `forcing_normalisation`.
    """

    def __init__(self, source: Source, normalisation: Normalisation) -> None:
        self._source = source
        self._mean, self._std = normalisation.mean_per_point, normalisation.std_per_point
        self._std[self._std == 0] = 1

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> Fields:
        """(n, F, H, W) at these time indices, in the order given."""
        steps, position = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
        normalised: Fields = (self._source.read_forcings(steps) - self._mean) / self._std
        return normalised[position]


def forcing_normalisation(source: Source, training_steps: NDArray[np.int64]) -> Normalisation:
    """Mean and standard deviation of each forcing over the training steps and all points; streams them once."""
    shape = (len(source.forcings), len(source.latitude), len(source.longitude))
    moments = Moments(np.ones(shape, dtype=bool))
    for steps in blocks(training_steps, 4 * int(np.prod(shape))):
        moments.add(source.read_forcings(steps))
    return Normalisation(*moments.mean_and_std())


def static_fields(source: Source) -> Fields:
    """(S, H, W) with zero mean and unit variance over all points; a constant field is 0."""
    fields = source.read_statics()
    moments = Moments(np.ones(fields.shape, dtype=bool))
    moments.add(fields[None])
    mean, std = (values[:, None, None] for values in moments.mean_and_std())
    return ((fields - mean) / np.where(std == 0, 1, std)).astype(np.float32)
