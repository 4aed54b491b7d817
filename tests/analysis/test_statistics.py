import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.statistics import (
    Deviation,
    difference,
    equivalence,
    ratio_of_medians,
    relative_deviation,
    summarise,
    verdict,
)


def by_launch(values):
    return dict(enumerate(values))


class TestSummary:
    def test_up_to_five_launches_by_students_t_on_logarithms(self):
        values = [0.52, 0.84, 5.28, 1.93, 0.19]
        logs = np.log(values)
        expected = stats.t.interval(0.95, 4, loc=logs.mean(), scale=stats.sem(logs))
        found = summarise(values)
        assert found.median == 0.84
        assert (found.low, found.high) == pytest.approx(np.exp(expected), rel=1e-12)

    def test_three_launches_by_hand(self):
        """Student's t at 97.5 % for 2 degrees of freedom is 4.302653, from a printed table."""
        found = summarise([math.exp(-0.1), 1.0, math.exp(0.1)])
        half = 4.302653 * 0.1 / math.sqrt(3)
        assert (found.low, found.high) == pytest.approx((math.exp(-half), math.exp(half)), rel=1e-6)

    def test_values_below_0_are_taken_as_they_are(self):
        found = summarise([-0.1, 0.0, 0.1])
        half = 4.302653 * 0.1 / math.sqrt(3)
        assert (found.low, found.high) == pytest.approx((-half, half), rel=1e-6)

    def test_ten_launches_by_order_statistics_interpolated_by_hand(self):
        """The 2nd to the 9th of 10 cover 1 - 2 * 11 / 1024, the 3rd to the 8th 1 - 2 * 56 / 1024."""
        share = (1 - 22 / 1024 - 0.95) / ((112 - 22) / 1024)
        weight = 8 * share / (2 + 6 * share)
        found = summarise([float(value) for value in range(10, 0, -1)])
        assert found.median == 5.5
        assert found.low == pytest.approx(2 * (3 / 2) ** weight)
        assert found.high == pytest.approx(9 * (8 / 9) ** weight)

    def test_six_launches_nearly_by_their_range(self):
        """The range of 6 covers 1 - 1 / 32, the 2nd to the 5th 1 - 7 / 32: a share of 0.1 and a weight of 5 / 14."""
        found = summarise([-1.0, 2.0, 3.0, 4.0, 5.0, 600.0])
        assert (found.low, found.high) == pytest.approx((-1 + 3 * 5 / 14, 600 - 595 * 5 / 14))

    def test_median_and_not_mean(self):
        assert summarise([1.0, 2.0, 90.0]).median == 2.0

    def test_same_values_same_interval(self):
        assert summarise([3.0, 1.0, 2.0, 5.0]) == summarise([3.0, 1.0, 2.0, 5.0])

    @pytest.mark.parametrize("values", [[1.0], [1.0, 2.0]])
    def test_too_few_launches_have_no_interval(self, values):
        found = summarise(values)
        assert (found.low, found.high, found.launches) == (None, None, len(values))

    @pytest.mark.parametrize("launches", [3, 5])
    def test_equal_values_give_a_point_without_a_warning(self, launches):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = summarise([0.25] * launches)
        assert (found.low, found.median, found.high) == pytest.approx((0.25, 0.25, 0.25), rel=1e-12)

    @given(st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=12))
    def test_the_interval_holds_the_median_and_scales_with_the_unit(self, values):
        found, scaled = summarise(values), summarise([1000.0 * value for value in values])
        assert found.low <= found.median <= found.high
        assert (scaled.low, scaled.high) == pytest.approx((1000 * found.low, 1000 * found.high), rel=1e-9)

    def test_nothing_to_summarise(self):
        with pytest.raises(ValueError, match="no values"):
            summarise([])


class TestRatio:
    def test_ratio_of_medians_is_not_the_median_of_ratios(self):
        ours, theirs = by_launch([2.0, 3.0, 10.0]), by_launch([1.0, 6.0, 2.0])
        assert ratio_of_medians(ours, theirs).ratio == 3.0 / 2.0

    def test_a_constant_factor_has_no_spread_however_noisy_the_machine(self):
        theirs = {launch: 1.0 + 0.3 * math.sin(7.0 * launch) for launch in range(6)}
        ours = {launch: 1.5 * value for launch, value in theirs.items()}
        found = ratio_of_medians(ours, theirs)
        assert (found.ratio, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
        assert found.verdict == "slower"

    def test_interval_is_that_of_the_paired_ratios(self):
        ours, theirs = [1.1, 2.4, 3.3, 4.8, 5.5], [1.0, 2.0, 3.0, 4.0, 5.0]
        logs = np.log(np.divide(ours, theirs))
        expected = stats.t.interval(0.95, 4, loc=logs.mean(), scale=stats.sem(logs))
        found = ratio_of_medians(by_launch(ours), by_launch(theirs))
        assert found.ratio == pytest.approx(1.1)
        assert (found.low, found.high) == pytest.approx(np.exp(expected), rel=1e-12)

    def test_interval_is_near_that_of_resampled_pairs(self):
        rng = np.random.default_rng(3)
        theirs = rng.normal(1.0, 0.002, 25)
        ours = theirs * rng.normal(1.1, 0.02, 25)
        expected = stats.bootstrap(
            (ours, theirs),
            lambda a, b, axis: np.median(a, axis=axis) / np.median(b, axis=axis),
            paired=True,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        found = ratio_of_medians(by_launch(ours), by_launch(theirs))
        assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.006)

    @pytest.mark.parametrize("launches", [3, 5, 6, 11])
    def test_swapping_cell_and_baseline_inverts_the_interval(self, launches):
        ours, theirs = np.random.default_rng(launches).lognormal(0.0, 1.0, (2, launches))
        found = ratio_of_medians(by_launch(ours), by_launch(theirs))
        swapped = ratio_of_medians(by_launch(theirs), by_launch(ours))
        assert (1 / swapped.high, 1 / swapped.low) == pytest.approx((found.low, found.high), rel=1e-12)

    def test_the_interval_holds_the_ratio(self):
        rng = np.random.default_rng(4)
        for size in (3, 5, 8, 20):
            theirs = rng.lognormal(0.0, 0.5, (300, size))
            ours = theirs * rng.lognormal(0.0, 0.01, (300, size))
            for pair in zip(ours, theirs, strict=True):
                found = ratio_of_medians(*map(by_launch, pair))
                assert found.low <= found.ratio <= found.high

    def test_costs_that_are_not_above_0_have_no_ratio(self):
        assert ratio_of_medians({0: 1.0, 1: -1.0}, {0: 1.0, 1: 1.0}) is None
        assert ratio_of_medians({0: 1.0}, {0: 0.0}) is None

    def test_launches_are_paired_by_number_and_the_rest_left_out(self):
        ours = {0: 1.0, 1: 2.0, 2: 4.0, 9: 1000.0}
        theirs = {7: 0.001, 2: 2.0, 0: 0.5, 1: 1.0}
        found = ratio_of_medians(ours, theirs)
        assert (found.ratio, found.pairs) == (2.0, 3)
        assert (found.low, found.high) == pytest.approx((2.0, 2.0))

    def test_no_common_launch(self):
        assert ratio_of_medians({0: 1.0}, {1: 1.0}) is None

    def test_two_pairs_decide_nothing(self):
        found = ratio_of_medians({0: 1.0, 1: 1.0}, {0: 9.0, 1: 9.0})
        assert (found.low, found.high, found.verdict) == (None, None, "undecided")
        assert found.ratio == pytest.approx(1 / 9)

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0.99, 1.01, "equivalent"),
            (1 / 1.05, 1.05, "equivalent"),
            (1.06, 1.20, "slower"),
            (0.80, 0.94, "faster"),
            (1.01, 1.06, "undecided"),
            (0.94, 1.00, "undecided"),
            (0.50, 2.00, "undecided"),
            (None, None, "undecided"),
        ],
    )
    def test_verdict(self, low, high, expected):
        assert verdict(low, high) == expected

    @pytest.mark.parametrize(("low", "high"), [(0.96, 1.04), (1.051, 1.2), (0.951, 1.049), (1.04, 1.06), (0.2, 0.9)])
    def test_swapping_cell_and_baseline_swaps_the_verdict(self, low, high):
        swapped = {"faster": "slower", "slower": "faster"}
        assert verdict(1 / high, 1 / low) == swapped.get(verdict(low, high), verdict(low, high))

    def test_a_wider_margin(self):
        assert verdict(1.06, 1.08, margin=0.1) == "equivalent"


class TestEquivalence:
    """Student's t at 95 % (one-sided) for 4 degrees of freedom is 2.131847, from a printed table."""

    DEVIATIONS = (0.01, 0.02, 0.03, 0.02, 0.02)
    MEAN = 0.02
    HALF_WIDTH = 2.131847 * math.sqrt(0.0002 / 4 / 5)

    def test_interval_by_hand(self):
        theirs = {launch: 2.0 + launch for launch in range(5)}
        ours = {launch: theirs[launch] * (1 + self.DEVIATIONS[launch]) for launch in range(5)}
        found = relative_deviation(ours, theirs)
        assert found.mean == pytest.approx(self.MEAN)
        assert (found.low, found.high) == pytest.approx(
            (self.MEAN - self.HALF_WIDTH, self.MEAN + self.HALF_WIDTH), rel=1e-6
        )
        assert equivalence(found) == "equivalent"

    @pytest.mark.parametrize(
        ("deviations", "expected"),
        [
            ((0.01, -0.01, 0.02), "equivalent"),
            ((0.09, 0.10, 0.11), "not equivalent"),
            ((-0.09, -0.10, -0.11), "not equivalent"),
            ((0.04, 0.05, 0.06), "undecided"),
            ((-0.20, 0.00, 0.20), "undecided"),
            ((0.0, 0.0), "undecided"),
            ((0.0, 0.0, 0.0), "equivalent"),
        ],
    )
    def test_two_one_sided_tests(self, deviations, expected):
        found = relative_deviation(by_launch([1 + value for value in deviations]), by_launch([1.0] * len(deviations)))
        assert equivalence(found) == expected

    def test_agrees_with_two_t_tests(self):
        rng = np.random.default_rng(11)
        verdicts = set()
        for _ in range(200):
            deviations = rng.normal(rng.uniform(-0.08, 0.08), 0.02, 5)
            above = stats.ttest_1samp(deviations, -0.05, alternative="greater").pvalue
            below = stats.ttest_1samp(deviations, 0.05, alternative="less").pvalue
            found = equivalence(relative_deviation(by_launch(1 + deviations), by_launch([1.0] * 5)))
            assert (found == "equivalent") == (max(above, below) < 0.05)
            verdicts.add(found)
        assert verdicts == {"equivalent", "not equivalent", "undecided"}

    def test_no_pair(self):
        assert relative_deviation({0: 1.0}, {}) is None

    def test_a_baseline_of_0_has_no_relative_deviation(self):
        assert relative_deviation({0: 1.0}, {0: 0.0}) is None
        assert relative_deviation({0: 0.0}, {0: 2.0}).mean == -1.0

    def test_bounds_on_the_margin_are_within_it(self):
        assert equivalence(Deviation(0.0, -0.05, 0.05, 3)) == "equivalent"

    def test_difference_is_absolute(self):
        found = difference({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.4, 1: 0.5, 2: 0.6})
        assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
