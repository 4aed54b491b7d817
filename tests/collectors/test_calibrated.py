"""A delayed, averaging sensor gives the energy of the load once its readings are moved back."""

from __future__ import annotations

import pytest
from power_logs import at_ns, counters, energy, every, log_of, readings

from collectors.base import Sensor
from collectors.calibration.calibrated import Correction, corrected

DELAY_S, WINDOW_S = 0.6, 1.0


def seen_w(t_s: float) -> float:
    """A load of 300 W from 10 s to 20 s over 100 W, averaged over a window that ended DELAY_S before."""
    end_s = t_s - DELAY_S
    busy_s = max(0.0, min(end_s, 20.0) - max(end_s - WINDOW_S, 10.0))
    return 100 + 200 * busy_s / WINDOW_S


def test_the_energy_of_a_window_is_that_of_the_load():
    log = log_of(readings(every(0.02, 30), seen_w))
    found = corrected(log, {"gpu": Correction(DELAY_S, WINDOW_S, 0.02)})
    raw_j, moved_j = (energy(each, 10, 20).energy_j for each in (log, found))
    lost_j = 200 * (DELAY_S + WINDOW_S / 2)
    assert raw_j == pytest.approx(3000 - lost_j, abs=5)
    # What the average carries over each edge is lost: a triangle of half a window and half the step.
    assert moved_j == pytest.approx(3000 - 2 * 200 * WINDOW_S / 8, abs=5)
    assert (found.sensors[0].window_s, found.sensors[0].update_period_s) == (WINDOW_S, 0.02)


def test_counters_and_other_sensors_stay():
    sensors = (Sensor("gpu", "card", "instant"), Sensor("other", "card", "instant"))
    power = readings([0, 1], lambda t: 5.0) + readings([0, 1], lambda t: 5.0, sensor="other")
    log = log_of(power, counters([0, 1], lambda t: 5 * t), sensors)
    found = corrected(log, {"gpu": Correction(0.25)})
    assert [reading.t0_ns for reading in found.readings] == [
        reading.t0_ns - (250_000_000 if reading.sensor == "gpu" else 0) for reading in log.readings
    ]
    assert found.counters == log.counters
    assert found.sensors == log.sensors
    assert corrected(log, {}) is log
    assert at_ns(0) - found.readings[0].t1_ns == pytest.approx(250_000_000, abs=50_000)
