import pytest

from harness.analysis.number_format import digits, readable_unit


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1.23456, 1.2299, 1.2401), "1.235 [1.230, 1.240]"),
        ((1.23456, 1.20, 1.26), "1.235 [1.200, 1.260]"),
        ((1.23456, 1.15, 1.31), "1.23 [1.15, 1.31]"),
        ((919.34, 918.7, 920.8), "919.3 [918.7, 920.8]"),
        ((919.34, 700.0, 1100.0), "919 [700, 1100]"),
        ((512.0, 512.0, 512.0), "512.0 [512.0, 512.0]"),
        ((0.0123456, None, None), "0.01235"),
        ((123456.0, None, None), "123456"),
        ((0.26, 0.12, 10.4), "0.26 [0.12, 10.40]"),
        ((0.0, -0.5, 0.5), "0.0 [-0.5, 0.5]"),
        ((0.0, None, None), "0.000"),
        ((1.2346e-8, 1.2e-8, 1.3e-8), "1.235e-08 [1.2e-08, 1.3e-08]"),
        ((0.0, -3e-7, 3e-7), "0 [-3e-07, 3e-07]"),
        ((1.2e-6, None, None), "1.2e-06"),
        ((1.5e-5, 1.4e-5, 1.6e-5), "0.0000150 [0.0000140, 0.0000160]"),
    ],
)
def test_digits_follow_the_interval(numbers, expected):
    assert str(digits(*numbers)) == expected


def test_bounded_decimals_have_no_power_of_ten():
    assert str(digits(1e-7, -2e-7, 4e-7, sign=True, max_decimals=4)) == "+0.0000 [+0.0000, +0.0000]"


def test_signs_but_no_negative_zero():
    assert str(digits(0.02, -0.01, 0.9, sign=True, max_decimals=1)) == "+0.0 [+0.0, +0.9]"


@pytest.mark.parametrize(
    ("unit", "largest", "expected"),
    [
        ("s", 12.0, (1.0, "s")),
        ("s", 0.2, (1e-3, "ms")),
        ("s", 2e-5, (1e-6, "µs")),
        ("s", 2e-9, (1e-6, "µs")),
        ("bytes", 3 * 2.0**20, (2.0**20, "MiB")),
        ("bytes", 0.0, (2.0**30, "GiB")),
        ("fraction", 0.001, (0.01, "%")),
        ("samples/s", 5.0, (1.0, "samples/s")),
    ],
)
def test_units_of_readable_size(unit, largest, expected):
    assert readable_unit(unit, largest) == expected
