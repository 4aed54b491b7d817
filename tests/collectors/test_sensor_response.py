"""Delay, window, update period and noise recovered from made sensors whose truth is known, and from recorded ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from power_logs import at_ns, counters, every, log_of, readings

from collectors.base import Reading, Sensor
from collectors.calibration.behaviour import measuring_period, noise, power_series, update_period
from collectors.calibration.step_response import Response, SquareWave, step_response
from collectors.sampling.jitter import jitter
from tests.shared import shared_path

IDLE_W, LOADED_W = 60.0, 240.0
HALF_S, CYCLES = 2.017, 8


def wave_of(half_s: float = HALF_S, cycles: int = CYCLES) -> SquareWave:
    starts_s = [2 * half_s * k for k in range(cycles)]
    return SquareWave(tuple(map(at_ns, starts_s)), tuple(at_ns(t_s + half_s) for t_s in starts_s))


def mean_power(end_s: float, window_s: float, half_s: float = HALF_S, cycles: int = CYCLES) -> float:
    """Closed form: the mean of the square wave over the window before `end_s`, by overlap with each pulse."""
    if window_s == 0:
        on = 0 <= end_s < 2 * half_s * cycles and (end_s % (2 * half_s)) < half_s
        return LOADED_W if on else IDLE_W
    start_s = end_s - window_s
    overlap_s = sum(max(0.0, min(end_s, 2 * half_s * k + half_s) - max(start_s, 2 * half_s * k)) for k in range(cycles))
    return IDLE_W + (LOADED_W - IDLE_W) * overlap_s / window_s


def made(delay_s=0.0, window_s=0.0, update_s=0.1, step_w=0.01, noise_w=0.0, read_s=0.02, phase_s=0.037, loaded=True):
    """Values of a sensor that renews every `update_s`, rounds to `step_w` and scatters by `noise_w`."""
    random, held = np.random.default_rng(5), {}

    def value(t_s: float) -> float:
        number = int(np.floor((t_s - phase_s) / update_s))
        if number not in held:
            power_w = mean_power(number * update_s + phase_s - delay_s, window_s) if loaded else IDLE_W
            held[number] = max(step_w, round((power_w + noise_w * random.normal()) / step_w) * step_w)
        return held[number]

    sensor = Sensor("gpu", "card", "instant")
    return power_series(
        log_of(readings(every(read_s, 2 * HALF_S * CYCLES + 1, -1.0), value), sensors=(sensor,)), sensor
    )


DELAYS_S, WINDOWS_S = (0.0, 0.15, 0.6), (0.0, 0.3, 1.0)
RENEWALS = ((0.1, 0.01, 0.0), (0.1, 1.0, 3.0), (0.25, 0.1, 5.0))
SENSORS = [(DELAYS_S[row], WINDOWS_S[column], *RENEWALS[(row + column) % 3]) for row in range(3) for column in range(3)]
"""A Latin square: each delay meets each window and each way to renew, and each window each way."""


@pytest.mark.parametrize(("delay_s", "window_s", "update_s", "step_w", "noise_w"), SENSORS)
def test_delay_and_window_of_a_made_sensor(delay_s, window_s, update_s, step_w, noise_w):
    """To 40 % of an update for the delay, 60 % for the window, 80 % for the rise; four standard errors for the levels.

    A sensor without noise or window moves with the load alone: then its renewals cannot be seen.
    """
    found = step_response(made(delay_s, window_s, update_s, step_w, noise_w), wave_of())
    assert isinstance(found, Response), found
    if noise_w == 0 and window_s == 0:
        assert found.update_period_s is None
        assert found.delay_s == pytest.approx(delay_s + update_s / 2, abs=0.4 * update_s + 0.03)
    else:
        assert found.update_period_s == pytest.approx(update_s, rel=0.03)
        assert found.delay_s == pytest.approx(delay_s, abs=0.4 * update_s + 0.03)
    if window_s == 0:
        assert found.window_s is None or found.window_s < update_s
        assert found.rise_s is not None
        assert found.rise_s <= update_s
    else:
        assert found.window_s == pytest.approx(window_s, abs=0.6 * update_s)
        assert found.rise_s == pytest.approx(0.8 * window_s, abs=0.8 * update_s)
    assert found.loaded_w == pytest.approx(LOADED_W, abs=4 * found.loaded_error_w + step_w + 0.01)
    assert found.idle_w == pytest.approx(IDLE_W, abs=4 * found.idle_error_w + step_w + 0.01)
    assert found.explained > 0.95


def test_the_error_of_a_level_is_that_of_its_mean_over_all_cycles():
    """Some 19 values of 5 W scatter in each of 8 half periods; the error of their mean is known to a third."""
    found = step_response(made(noise_w=5.0), wave_of())
    assert found.loaded_error_w == pytest.approx(5 / np.sqrt(8 * 19), rel=0.5)


@pytest.mark.parametrize("noise_w", [0.0, 0.3, 20.0])
def test_sensor_that_does_not_see_the_load_gives_no_numbers(noise_w):
    found = step_response(made(noise_w=noise_w, loaded=False), wave_of())
    assert isinstance(found, str)
    assert "does not show" in found


def test_sensor_that_falls_under_load_does_not_respond():
    series = made()
    wave = wave_of()
    shifted = SquareWave(wave.off_ns, tuple(t_ns + round(HALF_S * 1e9) for t_ns in wave.off_ns))
    found = step_response(series, shifted)
    assert isinstance(found, str)


def test_window_longer_than_half_a_period_asks_for_a_longer_one():
    found = step_response(made(delay_s=0.6, window_s=1.9), wave_of())
    assert isinstance(found, str)
    assert "longer --period" in found


def test_response_of_an_energy_counter():
    """A counter that moves every 50 ms has no delay and averages over nothing longer than its moves."""
    times_s = every(0.05, 2 * HALF_S * CYCLES + 1, -1.0)
    powers_w = [mean_power(t_s, 0.05) for t_s in times_s]
    energies_j = dict(zip(times_s, 1000 + 0.05 * np.cumsum(powers_w), strict=True))
    sensor = Sensor("package", "cpu_package", "counter", has_counter=True)
    log = log_of(counter=counters(times_s, energies_j.get, sensor="package"), sensors=(sensor,))
    found = step_response(power_series(log, sensor), wave_of())
    assert isinstance(found, Response), found
    assert found.delay_s == pytest.approx(0.0, abs=0.03)
    assert (found.window_s or 0.0) <= 0.08
    assert found.loaded_w == pytest.approx(LOADED_W, rel=1e-6)


def test_update_period_where_most_renewals_repeat_the_value():
    """At idle, in whole watts, the value of nine renewals in ten may be that of the one before."""
    values = {k: 60.0 + (np.random.default_rng(3).random(600) < 0.3)[k] for k in range(600)}
    sensor = Sensor("gpu", "card", "instant")
    log = log_of(readings(every(0.02, 59), lambda t_s: values[int((t_s + 0.011) / 0.1)]), sensors=(sensor,))
    assert update_period(power_series(log, sensor)).period_s == pytest.approx(0.1, rel=0.05)


def test_update_period_that_the_reads_cannot_show_and_too_few_changes():
    random, sensor = np.random.default_rng(1), Sensor("gpu", "card", "instant")
    always_new = power_series(
        log_of(readings(every(0.02, 5), lambda t_s: random.normal(60)), sensors=(sensor,)), sensor
    )
    found = update_period(always_new)
    assert (found.period_s, "at most 0.02 s" in str(found.reason)) == (None, True)
    steady = update_period(power_series(log_of(readings(every(0.02, 5), lambda t_s: 60.0), sensors=(sensor,)), sensor))
    assert (steady.period_s, steady.n_changes) == (None, 0)


def test_noise_counts_failed_reads_apart():
    sensor = Sensor("gpu", "card", "instant")
    log = log_of(
        readings([0, 1, 2, 3, 4], lambda t_s: {0: 10.0, 1: 12.0, 2: 14.0, 4: 12.0}.get(t_s)), sensors=(sensor,)
    )
    series = power_series(log, sensor)
    found = noise(series)
    assert (found.n_samples, found.n_unique, found.mean_w) == (4, 3, 12.0)
    assert found.deviation_w == pytest.approx((8 / 3) ** 0.5)
    assert list(series.failed_ns) == [at_ns(3)]


def test_jitter_of_known_intervals():
    sensor = Sensor("gpu", "card", "instant")
    (found,) = jitter(log_of(readings([0.0, 0.1, 0.2, 0.5], lambda t_s: 1.0), sensors=(sensor,)))
    assert (found.n_intervals, found.mean_s, found.max_s) == (3, pytest.approx(0.5 / 3), pytest.approx(0.3))
    assert found.deviation_s == pytest.approx(np.std([0.1, 0.1, 0.3], ddof=1))


@pytest.mark.parametrize(("update_s", "period_s"), [(0.1, 0.02), (0.001, 0.01), (60.0, 1.0), (None, 0.02)])
def test_reads_are_several_times_as_frequent_as_updates_within_bounds(update_s, period_s):
    sensor = Sensor("gpu", "card", "instant", update_period_s=update_s)
    assert measuring_period([sensor]) == pytest.approx(period_s)


def recorded(name: str, column: str):
    """A column of a recorded nvidia-smi log as a series, and its seconds from the start."""
    table = pd.read_csv(shared_path(f"power-samples/{name}"), skipinitialspace=True)
    moments = pd.to_datetime(table["timestamp"])
    t_s = (moments - moments[0]).dt.total_seconds()
    rows = [Reading(at_ns(t), at_ns(t), "gpu", float(w)) for t, w in zip(t_s, table[column], strict=True)]
    sensor = Sensor("gpu", "card", "instant")
    return power_series(log_of(rows, sensors=(sensor,)), sensor)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("nvidia-smi_lms_5050load_A100.csv", "power.draw [W]"),
        ("nvidia-smi_lms_5050load_3090.csv", "power.draw.instant [W]"),
        ("nvidia-smi_lms_5050load_3090.csv", "power.draw.average [W]"),
    ],
)
def test_recorded_sensors_renew_every_100_ms(name, column):
    assert update_period(recorded(name, column)).period_s == pytest.approx(0.1, rel=0.06)


def test_average_of_the_recorded_3090_is_a_ramp_of_one_second():
    """The instantaneous column jumps at 1.55 and 9.30 s; the average must rise and fall over a second after it."""
    series = recorded("nvidia-smi_lms_5050load_3090.csv", "power.draw.average [W]")
    t_s = (series.t_ns - series.t_ns[0]) / 1e9
    instant = recorded("nvidia-smi_lms_5050load_3090.csv", "power.draw.instant [W]")
    for window_s in (0.5, 1.0, 1.5):
        assert _misfit(instant, t_s, series.power_w, 1.0) <= _misfit(instant, t_s, series.power_w, window_s)


def _misfit(instant, t_s, average_w, window_s: float) -> float:
    """Mean squared distance of an average from the moving mean of the instantaneous power, before 10 s."""
    own_s = (instant.t_ns - instant.t_ns[0]) / 1e9
    energy_j = np.concatenate([[0.0], np.cumsum(instant.power_w[:-1] * np.diff(own_s))])
    chosen = (t_s > window_s) & (t_s < 10)
    moving_w = [
        (np.interp(t, own_s, energy_j) - np.interp(t - window_s, own_s, energy_j)) / window_s for t in t_s[chosen]
    ]
    return float(np.mean((average_w[chosen] - moving_w) ** 2))
