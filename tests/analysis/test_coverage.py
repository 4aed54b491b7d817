"""The statistics tried on simulated launches whose truth is known."""

import numpy as np
import pytest
from made_records import make_epoch, make_measurements, make_record, make_stage

from harness.analysis.quantities.metrics import launch_metrics
from harness.analysis.statistics import MARGIN, median_interval, ratio_interval, summarise, verdict

TRIALS = 4_000
TRIALS_OF_FEW = 10_000
COMMON_NOISE = 0.05

NOISES = {
    "normal": lambda rng, shape: 0.02 * rng.standard_normal(shape),
    "wide": lambda rng, shape: 0.3 * rng.standard_normal(shape),
    "skewed": lambda rng, shape: 0.05 * (rng.exponential(size=shape) - np.log(2)),
    "heavy tails": lambda rng, shape: 0.02 * rng.standard_t(3, shape),
}
"""Noise of the logarithm of a cost, its median 0."""


def outliers(rng, shape):
    """Noise of 1 % that in one launch of ten meets other work and takes about 30 % longer; its median is 0.11 % up."""
    return 0.01 * rng.standard_normal(shape) + 0.3 * (rng.random(shape) < 0.1) * rng.exponential(size=shape)


def coverage(intervals, truth):
    return float(np.mean([low <= truth <= high for low, high in intervals]))


def median_intervals(samples):
    return [median_interval(tuple(sample)) for sample in samples.tolist()]


def ratio_intervals(ours, theirs):
    return [ratio_interval(*pair) for pair in zip(ours.tolist(), theirs.tolist(), strict=True)]


class TestCoverage:
    @pytest.mark.parametrize("launches", [3, 4, 5, 6, 7, 8, 10, 15, 25])
    @pytest.mark.parametrize("noise", NOISES)
    def test_of_a_median(self, noise, launches):
        trials = TRIALS_OF_FEW if launches <= 5 else TRIALS
        costs = np.exp(NOISES[noise](np.random.default_rng(launches), (trials, launches)))
        assert coverage(median_intervals(costs), 1.0) == pytest.approx(0.95, abs=0.02)

    @pytest.mark.parametrize("launches", [3, 5, 6, 10, 25])
    def test_of_a_median_of_launches_that_meet_other_work(self, launches):
        rng = np.random.default_rng(launches)
        truth = np.exp(np.median(outliers(rng, 2_000_000)))
        found = coverage(median_intervals(np.exp(outliers(rng, (TRIALS, launches)))), truth)
        assert found == pytest.approx(0.95, abs=0.02)

    @pytest.mark.parametrize("launches", [3, 5, 6, 8, 10, 20])
    @pytest.mark.parametrize("common", [0.0, COMMON_NOISE])
    @pytest.mark.parametrize("noise", NOISES)
    def test_of_a_ratio(self, noise, common, launches):
        rng = np.random.default_rng(launches)
        shared = common * rng.standard_normal((TRIALS, launches))
        ours, theirs = (np.exp(shared + NOISES[noise](rng, (TRIALS, launches))) for _ in range(2))
        assert coverage(ratio_intervals(1.3 * ours, theirs), 1.3) == pytest.approx(0.95, abs=0.025)

    def test_the_range_of_five_launches_would_cover_less_and_that_of_three_far_less(self):
        rng = np.random.default_rng(0)
        for launches, exact in ((3, 0.75), (5, 0.9375)):
            sample = rng.standard_normal((TRIALS, launches))
            assert coverage(zip(sample.min(axis=1), sample.max(axis=1), strict=True), 0.0) == pytest.approx(
                exact, abs=0.01
            )


def verdicts(rng, effect, noise, launches, trials=TRIALS):
    """Shares of the verdicts on a cell that costs `effect` times what its baseline does."""
    ours, theirs = (np.exp(noise * rng.standard_normal((trials, launches))) for _ in range(2))
    intervals = ratio_intervals(effect * ours, theirs)
    found = [verdict(*bounds) for bounds in intervals]
    return {name: found.count(name) / trials for name in ("faster", "slower", "equivalent", "undecided")}, intervals


class TestVerdicts:
    @pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
    @pytest.mark.parametrize("launches", [3, 5, 10])
    def test_equal_cells_are_called_faster_or_slower_at_most_once_in_twenty(self, launches, noise):
        found, _ = verdicts(np.random.default_rng(launches), 1.0, noise, launches)
        assert found["faster"] + found["slower"] <= 0.05

    @pytest.mark.parametrize("launches", [3, 5, 10])
    def test_a_cell_at_the_margin_is_called_slower_at_most_once_in_twenty(self, launches):
        found, _ = verdicts(np.random.default_rng(launches), 1 + MARGIN, 0.01, launches)
        assert found["slower"] <= 0.05
        assert found["equivalent"] <= 0.05
        assert found["faster"] == 0.0

    def test_power_of_five_launches_at_one_percent_noise(self, record_property, capsys):
        rng = np.random.default_rng(5)
        _, intervals = verdicts(rng, 1.05, 0.01, 5)
        seen = float(np.mean([low > 1 for low, _ in intervals]))
        slower = {effect: verdicts(rng, effect, 0.01, 5)[0]["slower"] for effect in (1.05, 1.06, 1.07, 1.08, 1.10)}
        called = ", ".join(f"{100 * (effect - 1):.0f} % in {100 * share:.1f} %" for effect, share in slower.items())
        line = (
            f"power with 5 launches at 1 % noise: an effect of 5 % is seen (interval without 1) in {100 * seen:.1f} % "
            f"of trials; called slower by more than the margin of 5 %: {called}"
        )
        record_property("power", line)
        with capsys.disabled():
            print(f"\n{line}")
        assert seen > 0.99
        assert slower[1.10] > 0.95
        assert slower[1.05] < 0.05


class TestSteps:
    """A step time wanders slowly within a launch: 400 steps of an autoregressive process with memory 0.99."""

    STEPS, MEMORY, TRUTH_S = 400, 0.99, 0.1

    def launches(self, rng, shape):
        innovations = rng.standard_normal((*shape, self.STEPS))
        wander = np.empty_like(innovations)
        wander[..., 0] = innovations[..., 0] / np.sqrt(1 - self.MEMORY**2)
        for step in range(1, self.STEPS):
            wander[..., step] = self.MEMORY * wander[..., step - 1] + innovations[..., step]
        return self.TRUTH_S * np.exp(0.01 * wander)

    def test_autocorrelated_steps_do_not_shrink_the_interval(self):
        steps_s = self.launches(np.random.default_rng(1), (2000, 5))
        by_launch = coverage(median_intervals(np.median(steps_s, axis=-1)), self.TRUTH_S)
        pooled = coverage(median_intervals(steps_s[:300].reshape(300, -1)), self.TRUTH_S)
        assert by_launch == pytest.approx(0.95, abs=0.02)
        assert pooled < 0.5

    def test_more_of_the_same_steps_give_the_same_interval(self):
        launches = self.launches(np.random.default_rng(2), (5,))
        few, many = (
            summarise([self.step_s(tuple(np.tile(steps_s, times))) for steps_s in launches]) for times in (1, 20)
        )
        assert many == few

    def step_s(self, steps_s):
        epoch = make_epoch(step_s=steps_s, data_s=(0.0,) * len(steps_s), loss=(1.0,) * len(steps_s))
        measured = make_measurements(training=(make_stage(epoch, steady_from_step=0),))
        metrics = {metric.name: metric.value for metric in launch_metrics(make_record(measurements=measured))}
        return metrics["train_step_s"]
