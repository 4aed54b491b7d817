"""How nights write numbers: with as many digits as show that two of them differ."""

import math
from collections.abc import Sequence

from harness.analysis.number_format import SIGNIFICANT_DIGITS, digits

MOST_DIGITS = 17
"""A float of 64 bits needs no more."""

SMALLEST_PERCENT = 1e-6
"""Below it changes are written with powers of ten."""


def digits_apart(first: float, second: float, least: int = SIGNIFICANT_DIGITS) -> int:
    """Significant digits in which two numbers differ as text, at least `least`; `least` where they are equal."""
    if first == second:
        return least
    numbers = range(least, MOST_DIGITS)
    return next((number for number in numbers if f"{first:.{number}g}" != f"{second:.{number}g}"), MOST_DIGITS)


def apart(first: float, second: float) -> tuple[str, str]:
    """Two numbers with the same number of digits, four of them or as many as show that they differ."""
    number = digits_apart(first, second)
    return f"{first:.{number}g}", f"{second:.{number}g}"


def percent_of(ratio: float, bounds: Sequence[float] | None = None) -> tuple[str, str | None]:
    """The change that a ratio is, as `+8.05 %`, and the bounds of its interval, as `[+7.92, +8.18]`, if it has one.

    The digits are those that the interval bears; the first that is not 0 is among them.
    """
    value, *ends = (100 * (number - 1) for number in (ratio, *(bounds or ())))
    if not any((value, *ends)):
        return "0 %", "[0, 0]" if ends else None
    if max(map(abs, (value, *ends))) < SMALLEST_PERCENT:
        texts = [f"{number:+.2g}" for number in (value, *ends)]
    else:
        low, high = ends or (None, None)
        most = None if low is None or high is None or low == high else _decimals((high - low) / 2)
        texts = [text for text in digits(value, low, high, sign=True, max_decimals=most) if text is not None]
    return f"{texts[0]} %", f"[{', '.join(texts[1:])}]" if ends else None


def _decimals(half_width: float) -> int:
    """So many that the first two digits of an interval's half width stand behind the point."""
    return max(0, 1 - math.floor(math.log10(half_width)))
