"""Idle power and net energy by hand."""

from __future__ import annotations

import pytest
from power_logs import at_ns, every, log_of, readings

from collectors.accounting.energy import EnergyAccount
from collectors.accounting.idle import idle_power


def account(before_w=60.0, work_w=300.0, after_w=62.0):
    """Ten seconds of rest, twenty of work, ten of rest, in steps."""
    return EnergyAccount(
        log_of(readings(every(0.1, 40), lambda t: before_w if t < 10 else work_w if t <= 30 else after_w))
    )


def windows(found):
    return tuple(found.window(at_ns(t0_s), at_ns(t1_s)) for t0_s, t1_s in ((1, 9), (11, 29), (31, 39)))


def test_net_energy_is_without_the_mean_of_both_idle_powers():
    before, work, after = windows(account())
    idle = idle_power(before, after)
    assert (idle.before_w, idle.after_w, idle.power_w) == (
        pytest.approx(60),
        pytest.approx(62),
        pytest.approx(61),
    )
    assert idle.net_energy_j(work) == pytest.approx((300 - 61) * 18)
    assert idle.reasons == ()


def test_an_idle_power_above_that_of_the_work_gives_no_net_energy():
    before, work, after = windows(account(before_w=61.0, work_w=60.0, after_w=61.0))
    assert idle_power(before, after).net_energy_j(work) is None
    before, work, after = windows(account(before_w=60.0, work_w=60.0, after_w=60.0))
    assert idle_power(before, after).net_energy_j(work) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("after_w", "changed"), [(90.0, True), (68.0, True), (66.0, False), (54.5, False), (52.0, True)]
)
def test_an_idle_power_that_changed_by_more_than_a_tenth_gives_no_net_energy(after_w, changed):
    before, work, after = windows(account(after_w=after_w))
    idle = idle_power(before, after)
    assert (idle.net_energy_j(work) is None) == changed
    assert idle.reasons == ((f"idle power changed from 60 W to {after_w:g} W",) if changed else ())


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_missing_or_invalid_idle_window_gives_no_net_energy(lost):
    found = account()
    before, work, after = windows(found)
    short = found.window(at_ns(1), at_ns(2))
    for replacement, reason in ((None, f"no idle window {lost}"), (short, f"idle {lost}: gpu: window of 1 s is")):
        idle = idle_power(replacement, after) if lost == "before" else idle_power(before, replacement)
        assert idle.power_w is None
        assert idle.net_energy_j(work) is None
        assert idle.reasons[0].startswith(reason)


@pytest.mark.parametrize(("work_w", "net_w"), [(62.0, 1.0), (61.0, 0.0), (60.9, None), (30.0, None)])
def test_more_power_at_rest_than_at_work_gives_no_net_energy(work_w, net_w):
    before, work, after = windows(account(work_w=work_w))
    idle = idle_power(before, after)
    assert idle.power_w == pytest.approx(61)
    found = idle.net_energy_j(work)
    assert found == (None if net_w is None else pytest.approx(net_w * 18, abs=1e-6))
    told = None if net_w is not None else f"the power at rest of 61 W is above the {work_w:.3g} W of the work"
    assert idle.why_no_net(work) == told
