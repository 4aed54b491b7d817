"""When the time of a step has settled."""

from collections.abc import Sequence
from statistics import median

WINDOW = 8
TOLERANCE = 0.05


def steady_from(step_s: Sequence[float], start: int = 0) -> int | None:
    """First step, from `start` on, at which the steady state begins; None while it has not been reached.

    It begins where the medians of two windows of 8 steps, one after the other, differ by at most 5 %.
    """
    for first in range(start, len(step_s) - 2 * WINDOW + 1):
        before = median(step_s[first : first + WINDOW])
        after = median(step_s[first + WINDOW : first + 2 * WINDOW])
        if abs(after - before) <= TOLERANCE * before:
            return first
    return None
