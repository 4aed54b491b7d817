"""Numbers of nights as text: the first digit that differs is there, and no more than an interval bears."""

import math

import pytest

from harness.history.shown import apart, digits_apart, percent_of


@pytest.mark.parametrize(
    ("first", "second", "texts"),
    [
        (0.4, 0.41, ("0.4", "0.41")),
        (0.4, 0.4 * 1.00005, ("0.4", "0.40002")),
        (512.21, 512.24, ("512.21", "512.24")),
        (1.0, math.nextafter(1.0, 2.0), ("1", "1.0000000000000002")),
        (2.5, 2.5, ("2.5", "2.5")),
        (1e9, 1e9 + 1, ("1000000000", "1000000001")),
    ],
)
def test_numbers_that_differ_look_different(first, second, texts):
    assert apart(first, second) == texts
    assert (digits_apart(first, second) == 4) == (f"{first:.4g}" != f"{second:.4g}" or first == second)


@pytest.mark.parametrize(
    ("ratio", "bounds", "texts"),
    [
        (1.0804, (1.0791, 1.0817), ("+8.04 %", "[+7.91, +8.17]")),
        (1.00005, (1.00004, 1.00006), ("+0.0050 %", "[+0.0040, +0.0060]")),
        (1.00005, None, ("+0.005000 %", None)),
        (0.5, (0.3, 0.8), ("-50 %", "[-70, -20]")),
        (1.0, (0.99, 1.01), ("+0.0 %", "[-1.0, +1.0]")),
        (1.0, (1.0, 1.0), ("0 %", "[0, 0]")),
        (1 + 2.0**-40, (1.0, 1 + 2.0**-39), ("+9.1e-11 %", "[+0, +1.8e-10]")),
        (1e200, None, ("+1e+202 %", None)),
    ],
)
def test_a_change_has_the_digits_of_its_interval(ratio, bounds, texts):
    assert percent_of(ratio, bounds) == texts
