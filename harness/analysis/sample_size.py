"""How many more launches would decide whether two ports are equivalent."""

import math
from functools import lru_cache

from scipy.special import stdtrit

from harness.analysis.statistics import MARGIN, MIN_LAUNCHES, Deviation, equivalence

POWER = 0.8
MOST = 1000
"""Launches beyond which nobody waits: the mean then lies too near the margin for its spread."""
CONFIDENCE = 0.95


def further_launches(deviation: Deviation, margin: float = MARGIN) -> int | None:
    """Launches to add until the verdict is reached with a probability of 80 %, if mean and spread stay as they are.

    0 where it is decided; those that are missing to 3 where there is no interval yet; None where more than 1000 in all
    would be needed.
    """
    if deviation.low is None or deviation.high is None:
        return MIN_LAUNCHES - deviation.pairs
    if equivalence(deviation, margin) != "undecided":
        return 0
    half_width = (deviation.high - deviation.low) / 2
    spread = half_width * math.sqrt(deviation.pairs) / stdtrit(deviation.pairs - 1, CONFIDENCE)
    total = launches_to_decide(deviation.mean, float(spread), margin)
    return None if total is None else max(1, total - deviation.pairs)


def launches_to_decide(mean: float, spread: float, margin: float = MARGIN, power: float = POWER) -> int | None:
    """The fewest launches with which the gate decides with probability `power`; None where it takes more than 1000.

    `mean` and `spread` are those of the paired relative deviations, normally distributed.
    """
    if chance_of_decision(mean, spread, MOST, margin) < power:
        return None
    low, high = MIN_LAUNCHES - 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance_of_decision(mean, spread, middle, margin) >= power else (middle, high)
    return high


@lru_cache(maxsize=2**12)
def chance_of_decision(mean: float, spread: float, launches: int, margin: float = MARGIN) -> float:
    """Probability that the 90 % interval of the mean of n deviations lies within +-margin or, beyond it, outside.

    Each of the two one-sided t tests follows a noncentral t distribution with n - 1 degrees of freedom and the
    noncentrality (mean +- margin) sqrt(n) / spread. Within the margin both must reject: their probability is at least
    the sum of the two less 1 (Bonferroni; Phillips 1990 has the exact one), which is what is given.
    """
    from scipy.stats import nct

    freedom, scale = launches - 1, math.sqrt(launches) / spread
    bound = float(stdtrit(freedom, CONFIDENCE))
    if abs(mean) > margin:
        return float(nct.sf(bound, freedom, (abs(mean) - margin) * scale))
    above, below = ((margin + sign * mean) * scale for sign in (1, -1))
    return max(0.0, float(nct.sf(bound, freedom, above) + nct.sf(bound, freedom, below) - 1))
