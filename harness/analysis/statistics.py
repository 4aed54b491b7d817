"""Intervals over launches, ratios of two cells, and equivalence of two ports.

The unit of replication is the process launch: every value here is one launch's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from statistics import fmean, median
from typing import Literal, NamedTuple

from scipy.special import bdtr, stdtrit

CONFIDENCE = 0.95
MARGIN = 0.05
MIN_LAUNCHES = 3
MIN_FOR_ORDER_STATISTICS = 6
"""Fewest values whose range covers their median with a probability of CONFIDENCE: 1 - 2 ** (1 - n)."""

Verdict = Literal["faster", "slower", "equivalent", "undecided"]
Equivalence = Literal["equivalent", "not equivalent", "undecided"]
Interval = tuple[float, float]


class Estimate(NamedTuple):
    """Median over launches with its 95 % interval; without one where there are fewer than 3 launches."""

    median: float
    low: float | None
    high: float | None
    launches: int


class Ratio(NamedTuple):
    """Median cost of a cell over that of its baseline, from paired launches, with its 95 % interval and verdict."""

    ratio: float
    low: float | None
    high: float | None
    pairs: int
    verdict: Verdict


class Deviation(NamedTuple):
    """Mean over paired launches of a difference to the baseline, with its 90 % interval."""

    mean: float
    low: float | None
    high: float | None
    pairs: int


def summarise(values: Sequence[float]) -> Estimate:
    """Median of one value a launch and the interval of `median_interval`, without one where there are too few.

    Raises ValueError for no values.
    """
    if not len(values):
        raise ValueError("no values to summarise")
    return _estimate(tuple(values))


def ratio_of_medians(costs: Mapping[int, float], baseline: Mapping[int, float], margin: float = MARGIN) -> Ratio | None:
    """Ratio of two cells' median costs, both given by launch number, with an interval from paired launches.

    Launches of the same number make a pair; those that only one cell has do not count. The interval is that of
    `ratio_interval`. None where no number is in both or a cost is not above 0. With fewer than 3 pairs there is no
    interval and the verdict is `undecided`.
    """
    return _ratio(*paired(costs, baseline), margin)


def paired(values: Mapping[int, float], baseline: Mapping[int, float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The values of both of the launch numbers that are in both."""
    if list(values) == list(baseline):
        return tuple(values.values()), tuple(baseline.values())
    numbers = sorted(values.keys() & baseline.keys())
    return tuple(values[number] for number in numbers), tuple(baseline[number] for number in numbers)


def median_interval(values: tuple[float, ...]) -> Interval:
    """Bounds of the 95 % interval of the median of at least 3 values.

    It is found on the logarithms, or on the values where one of them is not above 0. With 3 to 5 values: Student's t.
    No order statistic reaches 95 % there and the bootstrap of a median can do no better (at most 75 % with 3 values,
    94 % with 5). With 6 and more: order statistics interpolated after Hettmansperger and Sheather (1986), which assume
    no distribution. Simulated coverage (tests/analysis/test_coverage.py): 93 to 97 % with 3 to 5 values that are
    log-normal, skewed, heavy-tailed or hit by outliers, 94 to 96 % with 6 and more.
    """
    return _around_median(sorted(values))[1:]


def ratio_interval(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Bounds of the 95 % interval of a ratio of costs above 0, from at least 3 pairs.

    It is the interval of the median of the paired ratios, widened where that leaves out the ratio of the medians. What
    both launches of a pair share cancels. The percentiles of resampled pairs, which it replaces, cover 75 % with 3
    pairs, 93 % with 5 and up to 99 % with 20; this one 94 to 97 %.
    """
    low, high = median_interval(tuple([our / their for our, their in zip(ours, theirs, strict=True)]))
    return _holding(median(ours) / median(theirs), low, high)


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
    """Mean of value / baseline - 1 over paired launches, with Student's 90 % interval.

    None without a pair and where a value of the baseline is 0.
    """
    return _deviation(*paired(values, baseline), relative=True)


def difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> Deviation | None:
    """Mean of value - baseline over paired launches, with Student's 90 % interval; None without a pair."""
    return _deviation(*paired(values, baseline), relative=False)


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


@lru_cache(maxsize=2**16)
def _estimate(values: tuple[float, ...]) -> Estimate:
    if len(values) < MIN_LAUNCHES:
        return Estimate(median(values), None, None, len(values))
    return Estimate(*_around_median(sorted(values)), len(values))


@lru_cache(maxsize=2**14)
def _ratio(ours: tuple[float, ...], theirs: tuple[float, ...], margin: float) -> Ratio | None:
    if not ours or min(ours) <= 0 or min(theirs) <= 0:
        return None
    low, high = ratio_interval(ours, theirs) if len(ours) >= MIN_LAUNCHES else (None, None)
    return Ratio(median(ours) / median(theirs), low, high, len(ours), verdict(low, high, margin))


@lru_cache(maxsize=2**14)
def _deviation(ours: tuple[float, ...], theirs: tuple[float, ...], *, relative: bool) -> Deviation | None:
    if not ours or (relative and 0 in theirs):
        return None
    deviations = [our / their - 1 if relative else our - their for our, their in zip(ours, theirs, strict=True)]
    if len(deviations) < MIN_LAUNCHES:
        return Deviation(fmean(deviations), None, None, len(deviations))
    return Deviation(fmean(deviations), *_students_t(deviations, 0.90), len(deviations))


def _around_median(ordered: Sequence[float]) -> tuple[float, float, float]:
    """The median of values in ascending order and the bounds of `median_interval`."""
    scale, back = (math.log, math.exp) if ordered[0] > 0 else (float, float)
    if len(ordered) >= MIN_FOR_ORDER_STATISTICS:
        low, high = _order_statistics(ordered, scale)
    else:
        low, high = _students_t([scale(value) for value in ordered])
    middle = median(ordered)
    return middle, *_holding(middle, back(low), back(high))


def _holding(value: float, low: float, high: float) -> Interval:
    return min(low, value), max(high, value)


def _students_t(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    size, mean = len(values), math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (size - 1)
    half = _t_quantile(size - 1, confidence) * math.sqrt(variance / size)
    return mean - half, mean + half


def _order_statistics(ordered: Sequence[float], scale: Callable[[float], float]) -> Interval:
    """Two of them interpolated on a scale that keeps their order."""
    rank, weight = _rank_and_weight(len(ordered))
    low = (1 - weight) * scale(ordered[rank - 1]) + weight * scale(ordered[rank])
    high = (1 - weight) * scale(ordered[-rank]) + weight * scale(ordered[-rank - 1])
    return low, high


@lru_cache
def _t_quantile(freedom: int, confidence: float) -> float:
    return float(stdtrit(freedom, (1 + confidence) / 2))


@lru_cache
def _rank_and_weight(size: int) -> tuple[int, float]:
    """Rank k (from 1) of the bound that still covers CONFIDENCE, and the weight of its inner neighbour."""

    def coverage(rank: int) -> float:
        return float(1 - 2 * bdtr(rank - 1, size, 0.5))

    rank = max(k for k in range(1, size // 2 + 1) if coverage(k) >= CONFIDENCE)
    share = (coverage(rank) - CONFIDENCE) / (coverage(rank) - coverage(rank + 1))
    return rank, (size - rank) * share / (rank + (size - 2 * rank) * share)
