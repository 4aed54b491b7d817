import math
import warnings

import numpy as np
import pytest
from scipy import stats

from harness.analysis.statistics import (
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
    def test_interval_is_that_of_scipy(self):
        values = [0.52, 0.84, 5.28, 1.93, 0.19, 0.99, 0.54, 1.16, 0.2, 1.27]
        bca, percentile = (
            tuple(
                stats.bootstrap(
                    (values,), np.median, n_resamples=9999, method=method, rng=np.random.default_rng(0)
                ).confidence_interval
            )
            for method in ("BCa", "percentile")
        )
        found = summarise(values)
        assert found.median == pytest.approx((0.84 + 0.99) / 2)
        assert (found.low, found.high) == pytest.approx(bca, rel=1e-12)
        assert bca != percentile

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
        assert (found.median, found.low, found.high) == (0.25, 0.25, 0.25)

    def test_one_outlier_widens_the_interval_where_bca_is_not_defined(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = summarise([1.0, 1.0, 1.0, 1.0, 2.0])
        assert found.low == 1.0
        assert found.high in (1.0, 2.0)
        resampled_to_2 = sum(math.comb(5, k) * 4 ** (5 - k) for k in (3, 4, 5)) / 5**5
        assert found.high == (2.0 if resampled_to_2 > 0.025 else 1.0)

    def test_nothing_to_summarise(self):
        with pytest.raises(ValueError, match="no values"):
            summarise([])

    def test_coverage_of_a_normal_median(self):
        rng = np.random.default_rng(7)
        intervals = [summarise(list(rng.normal(10.0, 1.0, 25))) for _ in range(400)]
        covered = np.mean([interval.low <= 10.0 <= interval.high for interval in intervals])
        assert covered == pytest.approx(0.95, abs=0.03)

    def test_coverage_of_five_launches_is_that_of_their_range_at_most(self):
        rng = np.random.default_rng(8)
        samples = rng.normal(10.0, 1.0, (300, 5))
        intervals = [summarise(list(sample)) for sample in samples]
        covered = np.mean([interval.low <= 10.0 <= interval.high for interval in intervals])
        assert 0.87 < covered <= 1 - 2**-4 + 0.03
        for sample, interval in zip(samples, intervals, strict=True):
            assert sample.min() - 1e-9 <= interval.low <= interval.high <= sample.max() + 1e-9


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

    def test_interval_is_that_of_resampled_pairs(self):
        rng = np.random.default_rng(3)
        theirs = rng.normal(1.0, 0.05, 12)
        ours = theirs * rng.normal(1.1, 0.01, 12)
        picks = rng.integers(0, 12, (40000, 12))
        resampled = np.median(ours[picks], axis=1) / np.median(theirs[picks], axis=1)
        low, high = np.quantile(resampled, [0.025, 0.975])
        found = ratio_of_medians(by_launch(ours), by_launch(theirs))
        assert found.low == pytest.approx(low, abs=0.006)
        assert found.high == pytest.approx(high, abs=0.006)
        unpaired = np.median(ours[picks], axis=1) / np.median(theirs[picks[::-1]], axis=1)
        assert np.ptp(np.quantile(unpaired, [0.025, 0.975])) > 2 * (found.high - found.low)

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

    def test_difference_is_absolute(self):
        found = difference({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.4, 1: 0.5, 2: 0.6})
        assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
