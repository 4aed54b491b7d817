"""Change points of a series of nights: where its level changed by more than the margin, and stayed changed.

`ruptures` finds them by dynamic programming (PELT with a linear kernel) in each segment apart. They show a trend and
decide nothing: that is the gate's.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_NIGHTS = 8
SHORTEST_LEVEL = 3
"""Nights: what is shorter is noise of a night."""

OUTLIER = 4.0
"""Standard deviations beyond which a night is drawn in before levels are sought."""

WINDOW = 9
PENALTY = 8.0
"""Of a change point, in variances times the logarithm of the number of nights; tests measure its false alarms."""


@dataclass(frozen=True)
class ChangePoint:
    """The level changed with the night at a `place` in the series; medians before and after, in the series' unit."""

    place: int
    before: float
    after: float

    @property
    def ratio(self) -> float:
        """After over before."""
        return self.after / self.before


def change_points(values: np.ndarray, starts: Sequence[int], margin: float) -> tuple[ChangePoint, ...]:
    """Those of one value a night, NaN where there is none, in the segments that begin with `starts`.

    Values must be above 0 where they are finite; there is no change point in a series that has others.
    """
    found: list[ChangePoint] = []
    for begin, end in zip(starts, [*starts[1:], len(values)], strict=True):
        places = begin + np.flatnonzero(np.isfinite(values[begin:end]))
        segment = values[places]
        if len(segment) < FEWEST_NIGHTS or segment.min() <= 0 or segment.min() == segment.max():
            continue
        found += [ChangePoint(int(places[at]), *levels) for at, *levels in _of_segment(segment, np.log1p(margin))]
    return tuple(found)


def _of_segment(values: np.ndarray, margin_log: float) -> list[tuple[int, float, float]]:
    from ruptures import KernelCPD

    logs, spread = _without_outliers(np.log(values))
    penalty = PENALTY * np.log(len(logs)) * max(spread, margin_log / 10) ** 2
    ends = KernelCPD(kernel="linear", min_size=SHORTEST_LEVEL).fit(logs[:, None]).predict(pen=penalty)
    bounds = [0, *ends]
    while len(bounds) > 2:
        levels = [float(np.median(logs[begin:end])) for begin, end in itertools.pairwise(bounds)]
        steps = np.abs(np.diff(levels))
        least = int(steps.argmin())
        if steps[least] > margin_log:
            break
        del bounds[least + 1]
    levels = [float(np.median(values[begin:end])) for begin, end in itertools.pairwise(bounds)]
    return [(at, *pair) for at, pair in zip(bounds[1:-1], itertools.pairwise(levels), strict=True)]


def _without_outliers(logs: np.ndarray) -> tuple[np.ndarray, float]:
    """Logarithms drawn in towards the running median, and the standard deviation around it."""
    from scipy.ndimage import median_filter

    smooth = median_filter(logs, WINDOW, mode="nearest")
    around = logs - smooth
    spread = 1.4826 * float(np.median(np.abs(around))) * (1 + 1 / WINDOW)
    if spread == 0:
        return logs, 0.0
    return smooth + np.clip(around, -OUTLIER * spread, OUTLIER * spread), spread
