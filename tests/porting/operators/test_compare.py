"""Deviations and tolerances of operators, by hand."""

import math

import numpy as np
import pytest

from harness.porting.operators.calls import Answer, Call, TensorSpec
from harness.porting.operators.compare import FACTOR, ROUNDINGS, UNIT_ROUNDOFF, deviation, tolerance, worst
from harness.porting.operators.draw import draw
from harness.porting.operators.support import operator_map
from harness.porting.operators.survey import _measured


def spec(low, high, dtype="float32", mean=0.0, shape=(50, 40)):
    return TensorSpec(shape=shape, dtype=dtype, mean=mean, deviation=1.0, low=low, high=high)


def call(*tensors):
    return Call(operator="aten.add.Tensor", phase="forward", count=1, arguments={}, tensors=tensors)


def test_deviation_is_relative_to_the_largest_magnitude():
    assert deviation(np.array([1.0, 4.1]), np.array([1.0, -4.0])) == pytest.approx(8.1 / 4)


def test_other_shapes_and_other_places_of_infinity_are_without_bound():
    assert deviation(np.ones(2), np.ones(3)) == math.inf
    assert deviation(np.array([np.inf, 1.0]), np.array([1.0, 1.0])) == math.inf
    assert deviation(np.array([np.inf, 1.0]), np.array([np.inf, 1.0])) == 0


def test_truth_values_count_by_the_share_that_differs():
    assert deviation(np.array([True, False, True, True]), np.array([True, True, True, True])) == 0.25


def test_tolerance_follows_from_single_precision_itself():
    assert tolerance(1e-5) == FACTOR * 1e-5
    assert tolerance(0.0) == FACTOR * ROUNDINGS * UNIT_ROUNDOFF
    assert tolerance(0.0, exact=True) == 0


def test_the_worst_is_the_one_nearest_to_failing():
    assert worst([(1.0, 10.0), (1.0, 2.0), (3.0, 100.0)]) == (1.0, 2.0)
    assert worst([]) == (None, None)


@pytest.mark.parametrize(("value", "status"), [(1e-7, "verified"), (1e-3, "differs")])
def test_what_is_off_by_more_than_its_tolerance_differs(value, status):
    mine = Answer(call=0, values=(value,), gradients=(1e-8,), step_s=1.0)
    reference = Answer(call=0, values=(1e-7,), gradients=(1e-8,), output_dtypes=("float32",), step_s=2.0)
    found = _measured(operator_map().operators["add"], [(mine, reference)])
    assert found["status"] == status
    assert found["value_tolerance"] == FACTOR * max(1e-7, ROUNDINGS * UNIT_ROUNDOFF)


def test_inputs_lie_as_those_of_the_network():
    logs, places, anything = draw(call(spec(0.5, 9.0, mean=3.0), spec(0, 6, "int64"), spec(-2, 2)), 1)
    assert (logs > 0).all()
    assert sorted(np.unique(places)) == list(range(7))
    assert anything.min() < 0 < anything.max()
    again = draw(call(spec(0.5, 9.0, mean=3.0), spec(0, 6, "int64"), spec(-2, 2)), 1)
    np.testing.assert_array_equal(logs, again[0])


def test_complex_inputs_come_as_two_real_ones():
    assert [part.dtype for part in draw(call(spec(-1, 1, "complex64")), 1)] == [np.float32] * 2


def test_what_is_beyond_its_tolerance_is_worse_than_what_is_within():
    assert worst([(0.9, 1.0), (0.5, 0.0)]) == (0.5, 0.0)
    assert worst([(0.9, 1.0), (2.0, 1.0), (0.99, 1.0)]) == (2.0, 1.0)
    assert worst([]) == (None, None)
