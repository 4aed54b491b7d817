"""Where the steady state begins, by hand."""

import pytest

from harness.runners.steady import steady_from


@pytest.mark.parametrize(
    ("step_s", "start", "expected"),
    [
        ([10.0] * 8 + [5.0] * 16, 0, 5),
        ([5.0] * 8 + [10.0] * 16, 0, 5),
        ([1.0] * 3 + [0.1] + [1.0] * 12, 0, 0),
        ([1.0] * 3 + [9.0] + [1.0] * 12, 0, 0),
        ([1.0] * 8 + [1.04] * 8, 0, 0),
        ([1.0] * 8 + [1.06] * 8, 0, None),
        ([1.0] * 8 + [0.94] * 8, 0, None),
        ([9.0] + [1.0] * 16, 1, 1),
        ([1.0] * 15, 0, None),
        ([], 0, None),
    ],
)
def test_where_the_medians_of_eight_steps_and_the_next_eight_agree(step_s, start, expected):
    """From step 5 on, three of eight times are of the first kind, so that the median is of the second."""
    assert steady_from(step_s, start) == expected
