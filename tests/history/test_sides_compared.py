"""Which launches of two sides are put beside each other, and the p of one quantity alone, by other means."""

import numpy as np
import pytest
from scipy import stats

from harness.history.compared import NOT_IN_TURN, Compared, compare_cell
from harness.history.decide import decide
from harness.history.error_rates import _candidate
from harness.history.gated import Gated
from harness.history.sides import SideCell, SideLaunch
from harness.history.state import State, Watch

STEP = Gated(name="step_s", title="step", unit="s", sort="speed")


def side(*launches):
    """Launches of (host, number, started), whose value is their number."""
    made = (SideLaunch(number, host, f"{host}{number}", at, {"step_s": 1.0 + number}) for host, number, at in launches)
    return SideCell("cell", tuple(made))


def compared(theirs, ours):
    found = compare_cell(side(*theirs), side(*ours), {"step_s": STEP})
    (of_step,) = found.compared
    return of_step, found.remarks


def test_launches_that_ran_in_turn_but_of_other_numbers_are_no_pairs():
    of_step, remarks = compared([("a", 0, 0.0), ("a", 1, 3.0)], [("a", 1, 1.0), ("a", 0, 2.0)])
    assert (of_step.paired, remarks) == (False, (NOT_IN_TURN,))
    of_step, remarks = compared([("a", 0, 0.0), ("a", 1, 3.0)], [("a", 0, 1.0), ("a", 1, 2.0)])
    assert (of_step.paired, remarks) == (True, ())


def test_launches_of_a_host_that_one_side_alone_ran_on_are_left_out():
    of_step, _ = compared([("a", 1, None), ("b", 7, None)], [("a", 1, None), ("c", 9, None)])
    assert (of_step.ours, of_step.theirs) == ((("a1", 2.0),), (2.0,))


@pytest.mark.parametrize(("factor", "alternative", "sign"), [(1.02, "greater", 1), (0.97, "less", -1)])
def test_the_p_of_a_quantity_is_two_sided_and_beyond_the_margin(factor, alternative, sign):
    """Eight pairs, of which none is trimmed: Student's t of the logarithms against the margin of 1 %."""
    logs = np.log(factor) + np.random.default_rng(3).normal(0, 0.01, 8)
    ours = tuple((str(number), float(value)) for number, value in enumerate(np.exp(logs)))
    (verdict,), _ = decide([Compared("cell", STEP, ours, (1.0,) * 8, True)], None)
    expected = 2 * stats.ttest_1samp(logs, sign * np.log1p(0.01), alternative=alternative).pvalue
    assert 1e-6 < expected < 1
    assert verdict.p == pytest.approx(expected, rel=1e-9)


def test_launches_are_simulated_in_the_order_a_b_b_a():
    assert _candidate(4).tolist() == [1, 2, 5, 6]


@pytest.mark.parametrize(("fresh", "status"), [((1.0, 1.002, 0.998), "cleared"), ((1.05, 1.048, 1.052), "confirmed")])
def test_what_old_launches_show_is_confirmed_by_new_ones_alone(fresh, status):
    """Eight launches of the night before are 5 % slower, so that all together are, whatever the three new ones say."""
    noise = np.random.default_rng(5).normal(0, 0.002, 8)
    values = [*(1.05 * np.exp(noise)).tolist(), *fresh]
    ours = tuple((str(number), value) for number, value in enumerate(values))
    watch = Watch(
        cell="cell",
        quantity="step_s",
        direction="up",
        suspected=True,
        since="2026-03-01",
        run="first",
        p_values=(1e-6,),
        attempts=tuple(map(str, range(8))),
    )
    made = Compared("cell", STEP, ours, (1.0,) * 11, True)
    assert 2 * made.effect.p_above(np.log1p(0.01)) < 0.02
    (verdict,), _ = decide([made], State(watches=(watch,)), night="2026-03-02", run="second")
    assert verdict.status == status
