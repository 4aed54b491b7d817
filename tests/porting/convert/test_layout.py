"""The way of values from a file to ours and back, on arrays whose places are known."""

import numpy as np
import pytest

from harness.porting.convert.layout import Pieces, towards_file, towards_ours
from harness.scenario.weights import Rule


@pytest.mark.parametrize(
    ("rule", "shapes"),
    [
        ({"file": ("a",), "ours": ("b",), "transpose": (1, 2, 0)}, ((2, 3, 4),)),
        (
            {"file": ("a", "c"), "ours": ("b",), "transpose": (2, 0, 1), "join": "concatenate", "axis": 1},
            ((2, 3, 4),) * 2,
        ),
        ({"file": ("a", "c"), "ours": ("b",), "join": "stack", "axis": 1}, ((2, 3),) * 2),
    ],
)
def test_back_and_forth_is_where_it_was(rule, shapes):
    made = Rule.model_validate(rule)
    arrays = [np.arange(np.prod(shape)).reshape(shape) + 100 * number for number, shape in enumerate(shapes)]
    ours = towards_ours(made, Pieces(shapes, lambda: arrays), (None,))
    assert ours.shapes == tuple(each.shape for each in ours.read())
    back = towards_file(made, ours)
    assert back.shapes == shapes
    for found, expected in zip(back.read(), arrays, strict=True):
        np.testing.assert_array_equal(found, expected)
    if "transpose" in rule and len(shapes) == 1:
        np.testing.assert_array_equal(ours.read()[0], np.einsum("abc->bca", arrays[0]))
