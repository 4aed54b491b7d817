"""The statistics of the gate beside those of SciPy and of a printed table."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.history.effects import Effect, combined, deciding_launches, holm, least_visible, of_pairs, of_sides


@pytest.mark.parametrize("size", [3, 5, 9])
def test_few_pairs_give_students_t(size):
    ours, theirs = np.random.default_rng(size).lognormal(0.03, 0.02, (2, size))
    found = of_pairs(ours, theirs)
    for bound in (0.0, 0.02, -0.05):
        expected = stats.ttest_1samp(np.log(ours / theirs), bound, alternative="greater").pvalue
        assert found.p_above(bound) == pytest.approx(expected, rel=1e-9)
        assert found.p_below(bound) == pytest.approx(1 - expected, rel=1e-9)


@pytest.mark.parametrize("size", [10, 17, 25])
def test_many_pairs_are_trimmed_at_both_ends(size):
    """Yuen's formula, the squares from SciPy's winsorised values."""
    random = np.random.default_rng(size)
    ours, theirs = random.lognormal(0.03, 0.02, (2, size))
    ours[3] *= 3
    logs = np.log(ours / theirs)
    kept = size - 2 * (size // 10)
    drawn_in = stats.mstats.winsorize(logs, limits=(0.1, 0.1)).data
    error = math.sqrt(drawn_in.var() * size / (kept * (kept - 1)))
    low, high = stats.t.interval(0.95, kept - 1, loc=stats.trim_mean(logs, 0.1), scale=error)
    assert of_pairs(ours, theirs).interval(0.95) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-9)


@pytest.mark.parametrize(("ours_size", "theirs_size"), [(4, 6), (10, 12), (25, 21)])
def test_two_sides_are_yuens_test(ours_size, theirs_size):
    random = np.random.default_rng(ours_size)
    ours, theirs = random.lognormal(0.05, 0.02, ours_size), random.lognormal(0.0, 0.04, theirs_size)
    found = of_sides(ours, theirs)
    expected = stats.ttest_ind(np.log(ours), np.log(theirs), equal_var=False, trim=0.1, alternative="greater")
    assert found.p_above(0.0) == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.launches == min(ours_size, theirs_size)


def test_one_disturbed_launch_of_ten_changes_little():
    theirs = np.random.default_rng(1).lognormal(0, 0.01, 10)
    ours = theirs * np.random.default_rng(2).lognormal(math.log(1.05), 0.01, 10)
    undisturbed = of_pairs(ours, theirs)
    ours[4] *= 2
    assert of_pairs(ours, theirs).ratio == pytest.approx(undisturbed.ratio, rel=0.01)
    assert of_pairs(ours, theirs).p_above(0.01) < 1e-4


def test_equal_ratios_are_certain_and_equal_values_are_none():
    theirs = [1.0, 1.7, 2.3, 0.4]
    assert of_pairs([1.02 * value for value in theirs], theirs).p_above(0.01) < 1e-12
    assert of_pairs(theirs, theirs).p_above(0.001) == 1.0


def test_two_launches_say_nothing():
    for found in (of_pairs([2.0, 2.0], [1.0, 1.0]), of_sides([2.0, 2.0], [1.0] * 9)):
        assert (found.p_above(0.0), found.interval(0.95), found.ratio) == (1.0, None, pytest.approx(2.0))


@pytest.mark.parametrize("spread", [300.0, 690.0])
def test_what_no_float_holds_is_none(spread):
    ours = [math.exp(log) for log in (-spread, 0.0, spread)]
    for found in (of_pairs(ours, [1.0] * 3), of_sides(ours, [1.0] * 3)):
        assert found.ratio == pytest.approx(1.0)
        assert found.interval(0.95) is None
        assert least_visible(found, 0.01, 0.001) is None
        assert 0 < found.p_above(0.01) < 1


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_two_nights_together_are_stouffers():
    p_values = [0.01, 0.2, 0.003]
    assert combined(p_values) == pytest.approx(stats.combine_pvalues(p_values, "stouffer").pvalue)


def test_the_launches_asked_for_decide_in_four_of_five_studies():
    spread, level, margin = 0.03, 0.001, math.log(1.01)
    effect = Effect(math.log(1.05), spread / math.sqrt(5), 4, 5)
    launches = deciding_launches(effect, margin, level)
    random = np.random.default_rng(0)
    decided = [
        of_pairs(np.exp(random.normal(effect.log, spread, launches)), [1.0] * launches).p_above(margin) < level
        for _ in range(2000)
    ]
    assert 0.76 < np.mean(decided) < 0.9
    assert math.log1p(least_visible(Effect(0.0, spread / math.sqrt(launches), 9, launches), margin, level)) < 0.05


def test_what_lies_within_the_margin_is_never_decided():
    assert deciding_launches(Effect(0.005, 0.01, 4, 5), 0.01, 0.01) is None
    assert deciding_launches(Effect(0.05, None, 1, 2), 0.01, 0.01) == 3
