"""The mean state of the training period, for anomalies and as a baseline forecast."""

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.cache import Arrays
from harness.data.calendar import DAY_S, Times, day_of_the_year, seconds_of_day
from harness.data.kept_passes import KEEP_NOTHING, KeptPasses
from harness.data.source import Source, stream

ClimatologyKind = Literal["day_of_year_hour", "hour", "time_mean"]

MIN_STATES = 5
"""Fewest training states for one group: a mean of fewer is noisier than the coarser mean."""

_MEMORY_BYTES = 4 * 2**30
_KEPT_BYTES = 8 * 2**30


class Climatology:
    """Mean of the training steps at the same day of the year and hour, at the same hour, or of all of them.

    `kind` names the finest of the three for which every time of the source finds at least MIN_STATES training states.
    29 February counts as 28 February in the calendars in which not every year has one. A mean is computed when it is
    first asked for; `kept` gets it where those of all groups fill at most 8 GiB.
    """

    def __init__(self, source: Source, training_steps: NDArray[np.int64], kept: KeptPasses = KEEP_NOTHING) -> None:
        self._source = source
        self._steps = training_steps
        self.kind, self._group = _finest_grouping(source.times, training_steps)
        self._groups = len(np.unique(self._group))
        self._state_bytes = 4 * source.mask.size
        self._kept = kept if self._groups * self._state_bytes <= _KEPT_BYTES else KEEP_NOTHING
        self.hold(8)

    def at(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, C, H, W) mean states for these time indices of the source, in its units; NaN outside the mask."""
        return np.stack([self._mean_of_group(int(self._group[index])) for index in indices])

    def hold(self, states: int) -> None:
        """Have the mean states of the last `states` groups asked for in memory, of 4 GiB at most.

        Where groups are few, which are costly, all are held.
        """
        wanted = states if self.kind == "day_of_year_hour" else self._groups
        held = max(1, min(wanted, _MEMORY_BYTES // self._state_bytes))
        self._mean_of_group = lru_cache(maxsize=held)(self._mean)

    def _mean(self, group: int) -> NDArray[np.float32]:
        members = self._steps[self._group[self._steps] == group]
        kept = self._kept.once("climatology", members, ("mean",), lambda: self._mean_of(members))
        return kept["mean"]

    def _mean_of(self, members: NDArray[np.int64]) -> Arrays:
        total = np.zeros(self._source.mask.shape)
        for _, fields in stream(self._source, members):
            total += fields.sum(axis=0, dtype=np.float64)
        return {"mean": (total / len(members)).astype(np.float32)}


def _finest_grouping(times: Times, training_steps: NDArray[np.int64]) -> tuple[ClimatologyKind, NDArray[np.int64]]:
    time_of_day_s = seconds_of_day(times).astype(np.int64)
    groupings: tuple[tuple[ClimatologyKind, NDArray[np.int64]], ...] = (
        ("day_of_year_hour", day_of_the_year(times) * DAY_S + time_of_day_s),
        ("hour", time_of_day_s),
    )
    for kind, group in groupings:
        distinct, number = np.unique(group, return_inverse=True)
        members = np.bincount(number[training_steps], minlength=len(distinct))
        if len(distinct) > 1 and members.min() >= MIN_STATES:
            return kind, group
    return "time_mean", np.zeros(len(times), dtype=np.int64)
