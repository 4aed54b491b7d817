"""The evidence of a window: that of the worst device, at the edges of gaps and faults, with other sensors beside it."""

from __future__ import annotations

import math

import pytest
from power_logs import at_ns, counters, energy, every, log_of, readings

from collectors.accounting.energy import EnergyAccount, QualityLimits, window_energy
from collectors.base import Sensor

COUNTER = (Sensor("zone", "cpu_package", "counter", has_counter=True, update_period_s=0.05),)
GPU = Sensor("gpu", "card", "instant", devices=(0,), update_period_s=0.1)


def counted(energy_j, times_s=None):
    return log_of(counter=counters(times_s or every(0.1, 10), energy_j, "zone"), sensors=COUNTER)


def test_what_lies_outside_the_samples_is_a_gap_up_to_the_edge():
    log = log_of(readings(every(0.1, 10), lambda t: 250.0))
    for t0_s, t1_s, gap_s, covered in ((8, 13, 3, 0.4), (-4, 4, 4, 0.5)):
        found = energy(log, t0_s, t1_s)
        assert (found.max_gap_s, found.coverage) == (pytest.approx(gap_s), pytest.approx(covered))


def test_a_gap_a_little_longer_than_may_be_bridged_is_named():
    log = log_of(readings([t for t in every(0.1, 20) if not 5.05 < t < 6.45], lambda t: 250.0))
    assert energy(log, 2, 18).reasons == ("gpu: no sample for 1.5 s, at most 1 s are bridged",)


def test_the_power_after_a_window_is_none_of_its_peak():
    log = counted(lambda t: 100 * t if t < 5 else 500 + 400 * (t - 5))
    assert energy(log, 1, 5).peak_power_w == pytest.approx(100, rel=1e-6)
    assert energy(log, 1, 5.1).peak_power_w == pytest.approx(400, rel=1e-6)


def test_a_fault_of_the_counter_touches_no_window_that_ends_or_begins_with_it():
    log = counted(lambda t: 1e5 + 65 * t if t < 5 else 65 * (t - 5))
    for t0_s, t1_s in ((1, 4.9), (5.0, 9)):
        found = energy(log, t0_s, t1_s)
        assert (found.energy_j, found.reasons) == (pytest.approx(65 * (t1_s - t0_s)), ())
    assert energy(log, 1, 4.95).reasons == ("zone: its energy counter was reset",)


def test_a_counter_that_was_hardly_read_did_not_stand_still():
    times_s = [*every(0.1, 4), 6.5, *every(0.1, 12, 9)]
    log = counted(lambda t: 100 * (t if t < 9 else t - 5) if t != 6.5 else 400, times_s)
    assert energy(log, 1, 11).reasons == ("zone: no sample for 5.1 s, at most 1 s are bridged",)


def test_readings_of_0_w_are_readings():
    found = energy(log_of(readings(every(0.1, 10), lambda t: 0.0)), 2, 8)
    assert (found.energy_j, found.missing_fraction) == (0.0, 0.0)
    assert found.reasons == ("gpu: power of 0 W, less than a powered card draws",)


@pytest.mark.parametrize(("update_s", "period_s", "gap_s"), [(None, 2.0, 10), (0.5, 0.1, 2.5), (None, None, 1)])
def test_five_periods_may_be_bridged(update_s, period_s, gap_s):
    sensor = Sensor("gpu", "card", "instant", update_period_s=update_s)
    assert QualityLimits().max_gap_of(sensor, period_s) == gap_s


def test_a_counter_is_held_against_the_power_where_both_are_known():
    log = log_of(readings(every(0.1, 5), lambda t: 250.0), counters(every(0.1, 10), lambda t: 250 * t))
    found = energy(log, 6, 9)
    assert (found.source, found.energy_j, found.valid) == ("counter", pytest.approx(750), True)


def test_a_spike_of_the_power_does_not_touch_a_counter_that_agrees():
    power = readings(every(0.1, 10), lambda t: 520.0 if math.isclose(t, 5) else 250.0)
    sensors = (Sensor("gpu", "card", "instant", devices=(0,), power_cap_w=400.0),)
    found = energy(log_of(power, counters(every(0.1, 10), lambda t: 250 * t), sensors=sensors), 2, 8)
    assert (found.source, found.over_cap, found.valid) == ("counter", True, True)
    assert not energy(log_of(power, sensors=sensors), 2, 8).valid


def test_of_several_second_opinions_the_worst_counts():
    checks = tuple(Sensor(name, "card", "instant", checks="gpu") for name in ("cli", "sysfs"))
    power = readings(every(0.1, 10), lambda t: 250.0)
    power += readings(every(1, 10), lambda t: 262.5, "cli") + readings(every(1, 10), lambda t: 80.0, "sysfs")
    found = energy(log_of(power, sensors=(GPU, *checks)), 1, 9)
    assert (found.second_opinion, found.valid) == (pytest.approx(0.32), False)


def test_the_host_belongs_to_a_job_on_some_devices():
    package = Sensor("package", "cpu_package", "instant")
    sensors = (GPU, Sensor("other", "card", "instant", devices=(1,)), package)
    power = [
        each
        for name, power_w in (("gpu", 250.0), ("other", 99.0), ("package", 40.0))
        for each in readings(every(0.1, 10), lambda t, power_w=power_w: power_w, name)
    ]
    assert window_energy(log_of(power, sensors=sensors), at_ns(2), at_ns(8), 1).energy_j == pytest.approx(6 * 290)


def test_the_evidence_is_that_of_the_worst_device():
    sensors = (GPU, Sensor("other", "card", "instant", devices=(1,)))
    power = readings(every(0.1, 10), lambda t: 250.0) + readings(every(0.5, 5), lambda t: 99.0, "other")
    found = energy(log_of(power, sensors=sensors), 1, 9)
    assert (found.n_samples, found.n_unique, found.coverage) == (9, 1, pytest.approx(0.5))
    assert (found.energy_j, found.max_gap_s) == (None, pytest.approx(4))


def test_the_cap_of_a_chip_says_nothing_of_the_host():
    log = log_of(readings(every(0.1, 10), lambda t: 300.0, "zone"), sensors=(Sensor("zone", "cpu_package", "instant"),))
    found = EnergyAccount(log, chip_cap_w=100.0).window(at_ns(2), at_ns(8))
    assert (found.energy_j, found.valid) == (pytest.approx(1800), True)
