"""The effect of a change on one quantity: a ratio with its interval, and what may be said of it among many others.

Effects are means of logarithms of ratios, candidate over baseline. A tenth of the values at each end is trimmed, so
that one launch that something disturbed neither makes nor hides an effect: Tukey and McLaughlin (1963) for pairs, Yuen
(1974) for two sides of which no launches are paired.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scipy.special import ndtri, stdtr, stdtrit

from harness.analysis.statistics import MIN_LAUNCHES

TRIMMED = 10
"""Of this many values one is trimmed at each end."""

SMALLEST_P = 1e-15
POWER = 0.8
MOST_LOG = 700.0
"""The logarithm of the largest factor that is told; a float of 64 bits holds little more."""

MOST_LAUNCHES = 1000


@dataclass(frozen=True)
class Effect:
    """Mean logarithm of the ratio candidate / baseline, its standard error and degrees of freedom.

    `launches` counts pairs, or the launches of the side that has fewer. Below 3 of them there is no error. `log` lies
    within MOST_LOG of 0.
    """

    log: float
    error: float | None
    freedom: float
    launches: int

    @property
    def ratio(self) -> float:
        """Candidate over baseline."""
        return math.exp(self.log)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the logarithm is at most `bound`; 1 where there is no error."""
        if self.error is None:
            return 1.0
        if self.error == 0:
            return SMALLEST_P if self.log > bound else 1.0
        return max(SMALLEST_P, float(stdtr(self.freedom, (bound - self.log) / self.error)))

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the logarithm is at least `bound`; 1 where there is no error."""
        return Effect(-self.log, self.error, self.freedom, self.launches).p_above(-bound)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Bounds of the ratio; None where there is no error, and where they lie beyond what is told."""
        if self.error is None:
            return None
        half = _quantile(self.freedom, (1 + confidence) / 2) * self.error
        if abs(self.log) + half > MOST_LOG:
            return None
        return math.exp(self.log - half), math.exp(self.log + half)


def of_pairs(ours: Sequence[float], theirs: Sequence[float]) -> Effect:
    """The effect of paired values above 0, within MOST_LOG of each other; raises ValueError for none."""
    logs = [math.log(our / their) for our, their in zip(ours, theirs, strict=True)]
    mean, variance, kept = _trimmed(logs)
    error = None if len(logs) < MIN_LAUNCHES else math.sqrt(variance)
    return Effect(mean, error, max(1, kept - 1), len(logs))


def of_sides(ours: Sequence[float], theirs: Sequence[float]) -> Effect:
    """The same of two sets of values of which none belong together."""
    (mean, variance, kept), (other, spread, left) = (_trimmed([math.log(x) for x in side]) for side in (ours, theirs))
    fewer = min(len(ours), len(theirs))
    if fewer < MIN_LAUNCHES:
        return Effect(mean - other, None, 1, fewer)
    total = variance + spread
    freedom = total**2 / (variance**2 / (kept - 1) + spread**2 / (left - 1)) if total else kept + left - 2
    return Effect(mean - other, math.sqrt(total), freedom, fewer)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values of tests made together, adjusted so that each may be held against the error rate of all (Holm)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, least = [1.0] * len(p_values), 0.0
    for rank, number in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = least
    return adjusted


def combined(p_values: Sequence[float]) -> float:
    """One p of independent one-sided p values of one hypothesis, by the mean of their normal deviates (Stouffer)."""
    from scipy.special import ndtr

    deviates = [float(ndtri(min(max(p, SMALLEST_P), 1 - SMALLEST_P))) for p in p_values]
    return max(SMALLEST_P, float(ndtr(math.fsum(deviates) / math.sqrt(len(deviates)))))


def deciding_launches(effect: Effect, margin_log: float, level: float) -> int | None:
    """Launches a side that would tell the effect from the margin with a probability of 80 % at a one-sided level.

    Mean and spread are taken to stay as they are. None where more than 1000 would be needed; 3 where there is no
    spread yet.
    """
    if effect.error is None:
        return MIN_LAUNCHES
    excess = abs(effect.log) - margin_log
    if excess <= 0:
        return None
    spread = effect.error * math.sqrt(effect.launches)
    low, high = MIN_LAUNCHES - 1, MOST_LAUNCHES
    if _least_excess(spread, high, level) > excess:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _least_excess(spread, middle, level) <= excess else (middle, high)
    return high


def least_visible(effect: Effect, margin_log: float, level: float) -> float | None:
    """The smallest relative change that launches of this spread show with a probability of 80 %.

    None without a spread, and where it lies beyond what is told.
    """
    if effect.error is None:
        return None
    spread = effect.error * math.sqrt(effect.launches)
    log = margin_log + _least_excess(spread, effect.launches, level)
    return math.expm1(log) if log <= MOST_LOG else None


def _least_excess(spread: float, launches: int, level: float) -> float:
    freedom = launches - 2 * (launches // TRIMMED) - 1
    needed = _quantile(freedom, 1 - level) + _quantile(freedom, POWER)
    return needed * spread / math.sqrt(launches)


def _trimmed(values: Sequence[float]) -> tuple[float, float, int]:
    """Trimmed mean, the square of its standard error from the winsorised values, and how many values were kept."""
    size = len(values)
    cut = size // TRIMMED
    ordered = sorted(values)
    kept = ordered[cut : size - cut]
    mean = math.fsum(kept) / len(kept)
    if size < 2:
        return mean, 0.0, size
    drawn_in = [kept[0]] * cut + kept + [kept[-1]] * cut
    centre = math.fsum(drawn_in) / size
    squares = math.fsum((value - centre) ** 2 for value in drawn_in)
    if squares <= (1e-14 * max(map(abs, values))) ** 2:
        squares = 0.0
    return mean, squares / (len(kept) * (len(kept) - 1)), len(kept)


@lru_cache(maxsize=2**12)
def _quantile(freedom: float, probability: float) -> float:
    return float(stdtrit(freedom, probability))
