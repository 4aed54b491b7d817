"""Energy of windows against closed forms, and the verdict on windows that must not be trusted."""

from __future__ import annotations

import json
import math

import pytest
from power_logs import ORIGIN_NS, at_ns, counters, energy, every, log_of, readings

from collectors.accounting.energy import window_energy
from collectors.base import Sensor
from collectors.samples import Header, SampleLog

IRREGULAR_S = [0.0, 0.13, 0.2, 0.61, 0.66, 1.4, 1.401, 2.3, 3.0, 3.9, 4.7, 5.31, 6.0]


def test_constant_power_with_edges_between_samples():
    found = energy(log_of(readings(every(0.1, 10), lambda t: 250.0)), 1.234567, 8.7654321)
    assert found.energy_j == pytest.approx(250 * (8.7654321 - 1.234567), rel=1e-9)
    assert found.mean_power_w == pytest.approx(250, rel=1e-9)
    assert found.peak_power_w == pytest.approx(250, rel=1e-9)
    assert (found.n_unique, found.source, found.valid, found.reasons) == (1, "integral", True, ())
    assert found.counter_j is None
    assert found.coverage == pytest.approx(1)
    assert found.missing_fraction == 0


@pytest.mark.parametrize("times_s", [every(0.1, 6), IRREGULAR_S], ids=["regular", "irregular"])
def test_ramp_is_exact_on_any_sampling(times_s):
    found = energy(log_of(readings(times_s, lambda t: 100 + 30 * t)), 0.25, 5.5)
    assert found.integral_j == pytest.approx(100 * 5.25 + 15 * (5.5**2 - 0.25**2), rel=1e-9)
    assert found.peak_power_w == pytest.approx(100 + 30 * 5.5, rel=1e-6)
    assert found.valid


def test_step_is_known_to_half_a_sample():
    period_s, low_w, high_w, step_s = 0.1, 60.0, 400.0, 4.03
    log = log_of(readings(every(period_s, 10), lambda t: high_w if t >= step_s else low_w))
    exact_j = low_w * (step_s - 2) + high_w * (8 - step_s)
    assert abs(energy(log, 2, 8).energy_j - exact_j) <= (high_w - low_w) * period_s / 2


def test_sine_within_the_error_bound_of_the_trapezoid_rule():
    period_s, omega, t0_s, t1_s = 0.05, 2 * math.pi / 3, 0.512, 9.377
    log = log_of(readings(every(period_s, 10), lambda t: 200 + 80 * math.sin(omega * t)))
    exact_j = 200 * (t1_s - t0_s) + 80 / omega * (math.cos(omega * t0_s) - math.cos(omega * t1_s))
    bound_j = period_s**2 / 12 * 80 * omega**2 * (t1_s - t0_s)
    assert abs(energy(log, t0_s, t1_s).energy_j - exact_j) <= bound_j
    assert energy(log, t0_s, t1_s).energy_j == pytest.approx(exact_j, rel=1e-3)


def test_wall_clock_plays_no_part():
    log = log_of(readings(every(0.1, 10), lambda t: 250.0))
    jumped = SampleLog(Header("formula", log.sensors, {}, 0.1, ORIGIN_NS, 0), log.readings, (), log.end)
    assert energy(jumped, 1, 8) == energy(log, 1, 8)


def test_gap_is_never_bridged():
    times_s = [t for t in every(0.1, 20) if not 5.05 < t < 8.95]
    log = log_of(readings(times_s, lambda t: 250.0))
    across = energy(log, 2, 18)
    assert across.energy_j is None
    assert across.mean_power_w is None
    assert across.peak_power_w is None
    assert not across.valid
    assert "no sample for 4 s, at most 1 s are bridged" in across.reasons[0]
    assert across.max_gap_s == pytest.approx(4.0)
    assert across.coverage == pytest.approx(12 / 16)
    assert energy(log, 2, 6).energy_j is None
    assert energy(log, 9, 18).energy_j == pytest.approx(250 * 9)
    assert energy(log, 2, 18, max_gap_s=4.5).energy_j == pytest.approx(250 * 16)


@pytest.mark.parametrize(("t0_s", "t1_s"), [(-0.01, 5), (5, 10.01), (-3, -1), (12, 13), (-5, 30)])
def test_nothing_is_extrapolated(t0_s, t1_s):
    found = energy(log_of(readings(every(0.1, 10), lambda t: 250.0)), t0_s, t1_s)
    assert found.energy_j is None
    assert not found.bracketed
    assert "no samples on both sides of the window" in found.reasons[0]


def test_window_on_the_first_and_last_sample_is_bracketed():
    assert energy(log_of(readings(every(0.1, 10), lambda t: 250.0)), 0, 10).energy_j == pytest.approx(2500)


def test_failed_reads_are_left_out_and_counted():
    log = log_of(readings(every(0.1, 10), lambda t: None if round(t * 10) % 4 == 0 else 100 + 30 * t))
    found = energy(log, 1.05, 9.05)
    assert found.energy_j == pytest.approx(100 * 8 + 15 * (9.05**2 - 1.05**2))
    assert found.missing_fraction == pytest.approx(0.25)
    assert not found.valid
    assert "25% of the reads failed" in found.reasons[0]


@pytest.mark.parametrize("bad_w", [None, math.nan, math.inf, -5.0])
def test_no_usable_reading_is_none_and_not_zero(bad_w):
    found = energy(log_of(readings(every(0.1, 10), lambda t: bad_w)), 2, 8)
    assert found.energy_j is None
    assert found.n_samples == 0
    assert found.missing_fraction == 1
    assert not found.valid


def test_counter_that_agrees_is_preferred():
    log = log_of(readings(every(0.1, 10), lambda t: 240.0), counters(every(0.1, 10), lambda t: 1e6 + 250 * t))
    found = energy(log, 1.25, 8.75)
    assert (found.source, found.valid) == ("counter", True)
    assert found.energy_j == found.counter_j == pytest.approx(250 * 7.5, rel=1e-8)
    assert found.integral_j == pytest.approx(240 * 7.5, rel=1e-9)
    assert found.counter_vs_integral == pytest.approx(250 / 240)
    assert found.peak_power_w == pytest.approx(240)


def test_counter_that_moves_slower_than_it_is_read_has_no_steps():
    stale = counters(every(0.02, 10), lambda t: 250 * 0.1 * math.floor(t / 0.1 + 1e-9))
    assert energy(log_of(counter=stale), 1.23, 8.77).energy_j == pytest.approx(250 * (8.77 - 1.23), rel=1e-6)


def test_counter_that_disagrees_is_not_used_and_the_window_is_not_valid():
    log = log_of(readings(every(0.1, 10), lambda t: 200.0), counters(every(0.1, 10), lambda t: 250 * t))
    found = energy(log, 1, 9)
    assert (found.source, found.valid) == ("integral", False)
    assert found.energy_j == pytest.approx(1600)
    assert found.counter_j == pytest.approx(2000)
    assert "disagree (ratio 1.25)" in found.reasons[0]


def test_counter_that_stands_still_leaves_the_integral():
    log = log_of(readings(every(0.1, 10), lambda t: 200.0), counters(every(0.1, 10), lambda t: 42.0))
    found = energy(log, 1, 9)
    assert (found.source, found.counter_j, found.valid) == ("integral", None, True)
    assert found.energy_j == pytest.approx(1600)


def test_counter_alone_that_stands_still_is_no_energy():
    found = energy(log_of(counter=counters(every(0.1, 10), lambda t: 42.0)), 1, 9)
    assert found.energy_j is None
    assert "counter does not move" in found.reasons[0]


RAPL = (Sensor("intel-rapl:0", "cpu_package", "counter", has_counter=True, counter_wrap_j=262.144),)


def test_counter_wrap_is_unwrapped():
    log = log_of(
        counter=counters(every(0.1, 10), lambda t: (100 + 65 * t) % 262.144, "intel-rapl:0"),
        sensors=RAPL,
    )
    found = energy(log, 0.45, 9.55)
    assert (found.source, found.valid) == ("counter", True)
    assert found.energy_j == pytest.approx(65 * 9.1, rel=1e-8)
    assert found.peak_power_w == pytest.approx(65, rel=1e-6)


def test_counter_reset_is_not_taken_for_a_wrap():
    log = log_of(
        counter=counters(every(0.1, 10), lambda t: 1e5 + 65 * t if t < 5 else 65 * (t - 5), "intel-rapl:0"),
        sensors=(Sensor("intel-rapl:0", "cpu_package", "counter", has_counter=True, counter_wrap_j=262143.0),),
    )
    assert energy(log, 1, 9).energy_j is None
    assert "counter was reset" in energy(log, 1, 9).reasons[0]
    assert energy(log, 1, 4.5).energy_j == pytest.approx(65 * 3.5)
    assert energy(log, 5.5, 9).energy_j == pytest.approx(65 * 3.5)


def test_counter_reset_leaves_the_integral_for_the_whole_log():
    reset = counters(every(0.1, 10), lambda t: 1e5 + 250 * t if t < 5 else 250 * (t - 5))
    log = log_of(readings(every(0.1, 10), lambda t: 250.0), reset)
    for t0_s, t1_s in [(1, 9), (1, 4)]:
        found = energy(log, t0_s, t1_s)
        assert (found.source, found.valid) == ("integral", True)
        assert found.energy_j == pytest.approx(250 * (t1_s - t0_s))


def test_peak_of_the_sum_is_not_the_sum_of_the_peaks():
    sensors = (Sensor("a", "card", "instant", devices=(0,)), Sensor("b", "card", "instant", devices=(1,)))
    log = log_of(
        [
            *readings(every(0.1, 10), lambda t: 100 + 20 * t, "a"),
            *readings(every(0.07, 10.01), lambda t: 300 - 20 * t, "b"),
        ],
        sensors=sensors,
    )
    found = energy(log, 0, 9.8)
    assert found.energy_j == pytest.approx(400 * 9.8)
    assert found.peak_power_w == pytest.approx(400)
    assert [device.sensor for device in found.devices] == ["a", "b"]


def test_one_device_without_energy_leaves_no_sum():
    sensors = (Sensor("a", "card", "instant", devices=(0,)), Sensor("b", "card", "instant", devices=(1,)))
    log = log_of(readings(every(0.1, 10), lambda t: 100.0, "a"), sensors=sensors)
    found = energy(log, 1, 9)
    assert found.energy_j is None
    assert found.devices[0].energy_j == pytest.approx(800)
    assert found.reasons[0].startswith("b: ")


def test_only_the_devices_of_the_job_are_added():
    sensors = tuple(Sensor(str(k), "card", "instant", devices=(k,)) for k in range(3))
    log = log_of(
        [reading for k in range(3) for reading in readings(every(0.1, 10), lambda t, k=k: 100.0 + k, str(k))],
        sensors=sensors,
    )
    two = window_energy(log, at_ns(2), at_ns(8), device_count=2)
    assert two.energy_j == pytest.approx(6 * 201)
    assert two.valid
    four = window_energy(log, at_ns(2), at_ns(8), device_count=4)
    assert four.energy_j is None
    assert four.scope_partial
    assert "no sensor for device 3 of the job" in four.reasons


def test_devices_that_cannot_be_told_apart_are_not_guessed():
    sensors = (Sensor("a", "card", "instant"), Sensor("b", "card", "instant"))
    log = log_of([*readings(every(0.1, 10), lambda t: 100.0, "a"), *readings(every(0.1, 10), lambda t: 9.0, "b")])
    log = SampleLog(Header("formula", sensors, {}, 0.1, 0, 0), log.readings, (), log.end)
    one = window_energy(log, at_ns(2), at_ns(8), device_count=1)
    assert one.energy_j is None
    assert "2 devices are visible, the job uses 1" in one.reasons[0]
    assert window_energy(log, at_ns(2), at_ns(8), device_count=2).energy_j == pytest.approx(6 * 109)


def test_card_that_holds_a_foreign_die_is_shared():
    log = log_of(
        readings(every(0.1, 10), lambda t: 100.0, "card"), sensors=(Sensor("card", "card", "instant", devices=(0, 1)),)
    )
    one = window_energy(log, at_ns(2), at_ns(8), device_count=1)
    assert one.shared_device
    assert not one.valid
    assert window_energy(log, at_ns(2), at_ns(8), device_count=2).valid


def test_a_model_is_no_measurement():
    log = log_of(
        readings(every(0.1, 10), lambda t: 100.0, "tdp"), sensors=(Sensor("tdp", "card", "model", devices=(0,)),)
    )
    found = energy(log, 2, 8)
    assert found.energy_j is None
    assert "model, not a measurement" in found.reasons[0]


@pytest.mark.parametrize(
    ("sensor", "least_s"),
    [
        (Sensor("gpu", "card", "instant", update_period_s=0.1, window_s=0.025), 5),
        (Sensor("gpu", "card", "instant", update_period_s=1.0), 20),
        (Sensor("gpu", "card", "average_window", update_period_s=0.1, window_s=3.0), 15),
    ],
)
def test_window_must_be_long_enough_for_the_sensor(sensor, least_s):
    log = log_of(readings(every(0.1, 40), lambda t: 100.0), sensors=(sensor,))
    short = window_energy(log, at_ns(1), at_ns(0.99 + least_s))
    assert not short.valid
    assert short.energy_j == pytest.approx(100 * (least_s - 0.01))
    assert f"shorter than {least_s} s" in short.reasons[0]
    assert window_energy(log, at_ns(1), at_ns(1 + least_s)).valid


def capped(power_w, counter=(), **reading_fields):
    power = readings(every(0.1, 10), power_w)
    power = [type(reading)(**{**vars(reading), **reading_fields}) for reading in power]
    return log_of(power, counter, sensors=(Sensor("gpu", "card", "instant", devices=(0,), power_cap_w=400.0),))


def test_impossible_spike_is_over_the_cap():
    found = energy(capped(lambda t: 6553.5 if round(t * 10) == 50 else 250.0), 2, 8)
    assert found.over_cap
    assert not found.valid
    assert energy(capped(lambda t: 420.0), 2, 8).valid
    assert energy(log_of(readings(every(0.1, 10), lambda t: 250.0)), 2, 8).over_cap is None


@pytest.mark.parametrize("spike_s", [1.9, 2.0, 5.0, 8.0, 8.1])
@pytest.mark.parametrize(("scope", "spike_w"), [("die", 6553.5), ("card", 65535.0), ("node", 65535.0)])
def test_impossible_spike_without_a_cap_is_above_what_a_device_can_draw(scope, spike_w, spike_s):
    sensors = (Sensor("gpu", scope, "instant"),)
    log = log_of(readings(every(0.1, 10), lambda t: spike_w if abs(t - spike_s) < 0.01 else 250.0), sensors=sensors)
    found = energy(log, 1.95, 8.05)
    assert found.over_cap
    assert not found.valid
    assert f"power above what a {scope} can draw" in found.reasons[0]
    assert energy(log, 2.2, 4.8).valid


def test_node_counts_only_where_it_is_alone():
    node, card = Sensor("bmc", "node", "instant"), Sensor("gpu", "card", "instant", devices=(0,))
    power = [*readings(every(0.1, 10), lambda t: 900.0, "bmc"), *readings(every(0.1, 10), lambda t: 250.0, "gpu")]
    for device_count in (None, 1):
        both = window_energy(log_of(power, sensors=(node, card)), at_ns(2), at_ns(8), device_count)
        assert (both.valid, both.energy_j) == (True, pytest.approx(1500))
    alone = window_energy(log_of(power, sensors=(node,)), at_ns(2), at_ns(8), device_count=1)
    assert (alone.valid, alone.energy_j) == (True, pytest.approx(5400))


def test_a_replay_is_no_measurement():
    log = log_of(readings(every(0.1, 10), lambda t: 100.0), sensors=(Sensor("gpu", "card", "replay", devices=(0,)),))
    found = energy(log, 2, 8)
    assert (found.energy_j, found.peak_power_w, found.valid) == (None, None, False)
    assert found.integral_j == pytest.approx(600)
    assert found.reasons == ("gpu: its power is a replayed trace, not a measurement",)


def test_busy_device_that_reports_hardly_any_power():
    found = energy(capped(lambda t: 8.0, utilisation=0.74), 2, 8)
    assert found.low_power_at_high_use
    assert not found.valid
    idle = energy(capped(lambda t: 8.0, utilisation=0.01), 2, 8)
    assert idle.valid
    assert idle.low_power_at_high_use is False
    confirmed = energy(capped(lambda t: 30.0, counters(every(0.1, 10), lambda t: 30 * t), utilisation=1.0), 2, 8)
    assert confirmed.low_power_at_high_use
    assert confirmed.valid


def test_sampler_that_died_spoils_only_what_it_did_not_see():
    log = log_of(readings(every(0.1, 10), lambda t: 100.0), end=None)
    before, across = energy(log, 1, 9), energy(log, 5, 15)
    assert before.valid
    assert before.sampler_died
    assert across.energy_j is None
    assert across.reasons[0] == "the sampler died"


def test_no_sensor_says_why():
    reasons = {"nvml": "NVML library not found", "rapl": "/sys/class/powercap has no intel-rapl domain"}
    log = SampleLog(Header(None, (), reasons, None, 0, 0), end={"reason": "no sensor"})
    found = energy(log, 0, 10)
    assert found.reasons == (
        "no sensor: nvml: NVML library not found; rapl: /sys/class/powercap has no intel-rapl domain",
    )
    assert (found.energy_j, found.mean_power_w, found.valid, found.sampler_died) == (None, None, False, False)


def test_window_must_not_be_empty():
    with pytest.raises(ValueError, match="end after it starts"):
        window_energy(log_of(), at_ns(1), at_ns(1))


def test_record_of_a_window_is_json():
    record = json.loads(
        json.dumps(energy(log_of(readings(every(0.1, 10), lambda t: 250.0)), 1, 9).to_dict(), allow_nan=False)
    )
    assert record["energy_j"] == pytest.approx(2000)
    assert record["devices"][0]["sensor"] == "gpu"


@pytest.mark.parametrize(
    ("check_w", "reason"),
    [
        (252.0, None),
        (80.0, "gpu: gpu cli gives 0.32 times its power"),
        (800.0, "gpu: gpu cli gives 3.2 times its power"),
        (None, "gpu: unproven: gpu cli gave no second opinion"),
    ],
)
def test_a_second_opinion_is_compared_and_never_added(check_w, reason):
    sensors = (Sensor("gpu", "card", "instant", devices=(0,)), Sensor("gpu cli", "card", "instant", checks="gpu"))
    power = readings(every(0.1, 10), lambda t: 250.0) + readings(every(1, 10), lambda t: check_w, sensor="gpu cli")
    found = energy(log_of(power, sensors=sensors), 1, 9)
    assert found.energy_j == pytest.approx(2000)
    assert [device.sensor for device in found.devices] == ["gpu"]
    assert found.second_opinion == (None if check_w is None else pytest.approx(check_w / 250))
    assert found.valid == (reason is None)
    assert found.reasons == (() if reason is None else (reason,))


@pytest.mark.parametrize(("first_s", "last_s", "valid"), [(3, 12, True), (6, 12, False), (0, 6, True), (0, 4, False)])
def test_a_second_opinion_is_compared_where_it_was_heard_and_must_cover_half_of_a_window(first_s, last_s, valid):
    """The power rises throughout, so that only means over the same stretch agree."""
    sensors = (Sensor("gpu", "card", "instant", devices=(0,)), Sensor("gpu cli", "card", "instant", checks="gpu"))

    def ramp(t_s):
        return 100.0 + 20 * t_s

    power = readings(every(0.1, 12), ramp) + readings(every(0.5, last_s, first_s), ramp, sensor="gpu cli")
    found = energy(log_of(power, sensors=sensors), 1, 9)
    assert found.valid == valid, found.reasons
    assert found.second_opinion == (pytest.approx(1) if valid else None)
    assert valid or found.reasons == ("gpu: unproven: gpu cli gave no second opinion",)
