"""Deviations by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.porting.parity.quantities import ComparedArray, deviation, spread

VALUE, SLOPE, UPDATE = ComparedArray("value", "a"), ComparedArray("input gradient", "a"), ComparedArray("update", "w")


def test_deviation_is_the_norm_of_the_error_over_that_of_the_truth():
    assert deviation(VALUE, np.array([3.0, 4.5]), np.array([3.0, 4.0])) == pytest.approx(0.5 / 5)


def test_equal_arrays_do_not_deviate_even_where_the_truth_is_nothing():
    assert deviation(VALUE, np.zeros(3, np.float32), np.zeros(3)) == 0
    assert deviation(VALUE, np.array([0.0, 1e-30]), np.zeros(2)) == math.inf


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_deviates_without_bound(wrong):
    assert deviation(VALUE, np.array([1.0, wrong]), np.array([1.0, 2.0])) == math.inf


def test_other_sizes_cannot_be_compared():
    assert deviation(VALUE, np.ones(5), np.ones(4)) == math.inf
    assert deviation(VALUE, np.ones((2, 3)), np.ones(3)) == math.inf


def test_other_shapes_of_as_many_values_are_compared_in_the_order_of_memory():
    truth = np.arange(12.0).reshape(2, 2, 3)
    assert deviation(VALUE, truth.reshape(4, 3), truth) == 0
    assert deviation(VALUE, np.ascontiguousarray(truth.swapaxes(0, 1)), truth) > 0.1


def test_repetitions_are_compared_one_by_one():
    truth = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    repeated = np.repeat(truth, 3, axis=1).reshape(6, 2)
    assert deviation(VALUE, repeated, truth) == 0
    repeated[4, 1] += 1
    assert deviation(VALUE, repeated, truth) == pytest.approx(1 / math.sqrt(3 * 30))


def test_gradients_by_repetitions_add_up():
    truth = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    parts = np.repeat(truth / 3, 3, axis=1).reshape(6, 2)
    assert deviation(SLOPE, parts, truth) < 1e-15
    assert deviation(VALUE, parts, truth) == pytest.approx(2 / 3)


def test_an_update_counts_by_its_median_so_that_a_flipped_sign_is_no_alarm():
    truth = np.array([1e-3, -1e-3, 1e-3, 1e-3, 0.0])
    flipped = np.array([1e-3, 1e-3, 1e-3, 1e-3, 1e-3])
    assert deviation(UPDATE, flipped, truth) == 0
    assert deviation(UPDATE, truth * 1.002, truth) == pytest.approx(0.002)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 5))
def test_spreading_is_broadcasting(rows, times, width):
    values = np.random.default_rng(0).standard_normal((rows, 1, width))
    wide = np.broadcast_to(values, (rows, times, width))
    np.testing.assert_array_equal(spread(values, wide.size).reshape(wide.shape), wide)


def test_nothing_is_spread_to_a_size_that_does_not_fit():
    assert spread(np.ones((2, 1, 3)), 7) is None
    assert spread(np.ones((2, 3)), 12) is None


def test_a_quantity_survives_its_key():
    quantity = ComparedArray("parameter gradient", "blocks.0.filter", "as met w1")
    assert ComparedArray.of_key(quantity.key) == quantity
