"""Numbers for people: units of a readable size, digits that follow the interval."""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

MISSING = "\N{EN DASH}"
SIGNIFICANT_DIGITS = 4
SMALLEST_WITHOUT_POWER, LARGEST_WITHOUT_POWER = 1e-5, 1e9

SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")),
    "fraction": ((1e-2, "%"),),
}


def typical_size(values: Iterable[float]) -> float:
    """The geometric mean of the smallest and the largest size of values of either sign; 0 of none."""
    sizes = [abs(value) for value in values]
    return math.sqrt(min(sizes) * max(sizes)) if sizes else 0.0


def readable_unit(unit: str, typical: float) -> tuple[float, str]:
    """Divisor and name of the unit in which a typical value is at least 1.

    The smallest unit where none is, the largest for 0.
    """
    scales = SCALES.get(unit, ((1.0, unit),))
    if not typical:
        return scales[0]
    return next((scale for scale in scales if abs(typical) >= scale[0]), scales[-1])


class Digits(NamedTuple):
    """A value and the bounds of its interval, if it has one, as text."""

    value: str
    low: str | None = None
    high: str | None = None

    def __str__(self) -> str:
        return self.value if self.low is None else f"{self.value} [{self.low}, {self.high}]"


@lru_cache(maxsize=2**18)
def digits(
    value: float, low: float | None, high: float | None, sign: bool = False, max_decimals: int | None = None
) -> Digits:
    """A value and its interval, as `1.23 [1.21, 1.26]`, with as many digits as the interval bears.

    They are those of the Particle Data Group: two digits of its half width if that begins with 100 to 354, else one.
    The value keeps 2 to 4 significant digits, and 4 without an interval or with one of no width.
    `max_decimals` bounds what stands behind the point. With a number of 10^9 or more, and with none of 10^-5 or more
    where decimals are not bounded, all have powers of ten and as many digits as those of a value without an interval.
    """
    flag = "+" if sign else ""
    numbers = [number for number in (value, low, high) if number is not None]
    largest = max(map(abs, numbers))
    if largest >= LARGEST_WITHOUT_POWER or (max_decimals is None and 0 < largest < SMALLEST_WITHOUT_POWER):
        return Digits(*(f"{number:{flag}.{SIGNIFICANT_DIGITS}g}" for number in numbers))
    decimals = _decimals(value, low, high)
    if max_decimals is not None:
        decimals = min(decimals, max_decimals)
    return Digits(*(f"{round(number, decimals) + 0.0:{flag}.{decimals}f}" for number in numbers))


def _decimals(value: float, low: float | None, high: float | None) -> int:
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    half_width = (high - low) / 2 if low is not None and high is not None else 0.0
    at_least, at_most = max(0, 1 - magnitude), max(0, SIGNIFICANT_DIGITS - 1 - magnitude)
    if half_width <= 0:
        return at_most
    exponent = math.floor(math.log10(half_width))
    digits = 2 if half_width / 10.0**exponent < 3.55 else 1
    return max(at_least, min(digits - 1 - exponent, at_most))
