"""Intervals over launches, ratios of two cells, and equivalence of two ports.

The unit of replication is the process launch: every value here is one launch's.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
MARGIN = 0.05
MIN_LAUNCHES = 3
RESAMPLES = 9999
SEED = 0

Verdict = Literal["faster", "slower", "equivalent", "undecided"]
Equivalence = Literal["equivalent", "not equivalent", "undecided"]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """Median over launches with its 95 % interval; without one where there are fewer than 3 launches."""

    median: float
    low: float | None
    high: float | None
    launches: int


@dataclass(frozen=True)
class Ratio:
    """Median cost of a cell over that of its baseline, from paired launches, with its 95 % interval and verdict."""

    ratio: float
    low: float | None
    high: float | None
    pairs: int
    verdict: Verdict


@dataclass(frozen=True)
class Deviation:
    """Mean over paired launches of a difference to the baseline, with its 90 % interval."""

    mean: float
    low: float | None
    high: float | None
    pairs: int


def summarise(values: Sequence[float]) -> Estimate:
    """Median and 95 % BCa bootstrap interval (Efron 1987, as in scipy.stats.bootstrap) of one value a launch.

    The resampling seed is fixed, so the same values give the same interval. Where BCa is not defined, because leaving
    out a launch never moves the median, the interval is that of the plain percentiles; it is a point where all values
    are equal. A median of n launches cannot be covered more often than 1 - 2 ** (1 - n): 75 % with 3 launches, 94 %
    with 5. Raises ValueError for no values.
    """
    if not len(values):
        raise ValueError("no values to summarise")
    sample = np.asarray(values, dtype=np.float64)
    low, high = _interval(np.median, tuple(sample)) if len(sample) >= MIN_LAUNCHES else (None, None)
    return Estimate(float(np.median(sample)), low, high, len(sample))


def ratio_of_medians(costs: Mapping[int, float], baseline: Mapping[int, float], margin: float = MARGIN) -> Ratio | None:
    """Ratio of two cells' median costs, both given by launch number, with a paired bootstrap interval.

    Launches of the same number are resampled together; those that only one cell has do not count. None where no number
    is in both. With fewer than 3 pairs there is no interval and the verdict is `undecided`.
    """
    numbers = sorted(costs.keys() & baseline.keys())
    if not numbers:
        return None
    ours = np.array([costs[number] for number in numbers])
    theirs = np.array([baseline[number] for number in numbers])
    enough = len(numbers) >= MIN_LAUNCHES
    low, high = _interval(_median_over_median, tuple(ours), tuple(theirs)) if enough else (None, None)
    return Ratio(float(_median_over_median(ours, theirs)), low, high, len(numbers), verdict(low, high, margin))


def verdict(low: float | None, high: float | None, margin: float = MARGIN) -> Verdict:
    """What the interval of a ratio of costs says.

    With m the margin: `equivalent` if all of it lies within [1 / (1 + m), 1 + m], `faster` if all of it lies below
    that range, `slower` if all of it lies above, and `undecided` if it crosses a bound or there is no interval. The
    range is symmetric: swapping cell and baseline swaps `faster` and `slower` and nothing else.
    """
    if low is None or high is None:
        return "undecided"
    if high < 1 / (1 + margin):
        return "faster"
    if low > 1 + margin:
        return "slower"
    return "equivalent" if low >= 1 / (1 + margin) and high <= 1 + margin else "undecided"


def relative_deviation(values: Mapping[int, float], baseline: Mapping[int, float]) -> Deviation | None:
    """Mean of value / baseline - 1 over paired launches, with Student's 90 % interval; None without a pair."""
    return _deviation(values, baseline, lambda ours, theirs: ours / theirs - 1)


def difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> Deviation | None:
    """Mean of value - baseline over paired launches, with Student's 90 % interval; None without a pair."""
    return _deviation(values, baseline, lambda ours, theirs: ours - theirs)


def equivalence(deviation: Deviation, margin: float = MARGIN) -> Equivalence:
    """Two one-sided t tests at 5 % (Schuirmann 1987), read from the 90 % interval.

    `equivalent` if the interval lies within +-margin, `not equivalent` if all of it lies outside, and `undecided` if it
    crosses a bound or there is none because of fewer than 3 pairs.
    """
    if deviation.low is None or deviation.high is None:
        return "undecided"
    if -margin <= deviation.low and deviation.high <= margin:
        return "equivalent"
    return "not equivalent" if deviation.low > margin or deviation.high < -margin else "undecided"


def _deviation(
    values: Mapping[int, float], baseline: Mapping[int, float], compare: Callable[[Array, Array], Array]
) -> Deviation | None:
    numbers = sorted(values.keys() & baseline.keys())
    if not numbers:
        return None
    deviations = compare(
        np.array([values[number] for number in numbers]), np.array([baseline[number] for number in numbers])
    )
    mean, pairs = float(deviations.mean()), len(numbers)
    if pairs < MIN_LAUNCHES:
        return Deviation(mean, None, None, pairs)
    half = float(stats.t.ppf(0.95, pairs - 1) * stats.sem(deviations))
    return Deviation(mean, mean - half, mean + half, pairs)


def _median_over_median(ours: Array, theirs: Array, axis: int = -1) -> Any:
    return np.median(ours, axis=axis) / np.median(theirs, axis=axis)


@lru_cache(maxsize=4096)
def _interval(statistic: Callable[..., Any], *samples: tuple[float, ...]) -> tuple[float, float]:
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            interval = stats.bootstrap(
                samples,
                statistic,
                paired=len(samples) > 1,
                vectorized=True,
                confidence_level=CONFIDENCE,
                n_resamples=RESAMPLES,
                method=method,
                rng=np.random.default_rng(SEED),
            ).confidence_interval
        if not np.isnan([interval.low, interval.high]).any():
            break
    return float(interval.low), float(interval.high)
