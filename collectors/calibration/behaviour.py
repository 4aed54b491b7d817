"""What a sensor does of itself, from its readings: how often its value is renewed and how much it scatters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.accounting.device_energy import QualityLimits
from collectors.accounting.energy_curve import NS_PER_S, EnergyCurve, is_valid, midpoint_ns
from collectors.base import Sensor
from collectors.samples import SampleLog

MIN_CHANGES = 5
ALWAYS_NEW = 0.8
"""Share of reads that find a new value above which the reads are too rare to show the updates."""

OVERSAMPLING = 5
MEASURING_PERIOD_BOUNDS_S = (0.01, 1.0)
ASSUMED_UPDATE_S = 0.1
"""Update period to look for where a sensor names none."""


@dataclass(frozen=True)
class PowerSeries:
    """Power of one sensor as it was read, for drawing and for looking at the sensor itself.

    `t_ns` int64 (n,) ascending and `power_w` float64 (n,): valid readings, or the mean power between two moves of the
    counter at the later one where the sensor gives no power. `failed_ns` int64 (m,): reads without a value.
    """

    sensor: Sensor
    t_ns: NDArray[np.int64]
    power_w: NDArray[np.float64]
    failed_ns: NDArray[np.int64]
    from_counter: bool
    max_gap_s: float

    @property
    def cuts(self) -> NDArray[np.intp]:
        """Where a new stretch begins, after a gap that is too long to be bridged."""
        return np.flatnonzero(np.diff(self.t_ns) / NS_PER_S > self.max_gap_s) + 1


@dataclass(frozen=True)
class UpdatePeriod:
    """Seconds between two renewals of a value. `period_s` None: not measured, and `reason` says why."""

    period_s: float | None
    n_changes: int
    reason: str | None = None


@dataclass(frozen=True)
class Noise:
    """Scatter of a sensor's power: mean and standard deviation in watts, and how many values differ."""

    n_samples: int
    n_unique: int
    mean_w: float | None
    deviation_w: float | None


def power_series(log: SampleLog, sensor: Sensor) -> PowerSeries:
    """The power of a sensor of the log."""
    max_gap_s = QualityLimits().max_gap_of(sensor, log.header.period_s if log.header else None)
    readings = sorted((reading for reading in log.readings if reading.sensor == sensor.id), key=midpoint_ns)
    failed_ns = np.array([midpoint_ns(reading) for reading in readings if not is_valid(reading)], dtype=np.int64)
    valid = [reading for reading in readings if is_valid(reading)]
    if valid or not sensor.has_counter:
        t_ns = np.array([midpoint_ns(reading) for reading in valid], dtype=np.int64)
        power_w = np.array([reading.power_w for reading in valid], dtype=np.float64)
        return PowerSeries(sensor, t_ns, power_w, failed_ns, False, max_gap_s)
    counters = [counter for counter in log.counters if counter.sensor == sensor.id]
    failed_ns = np.array([midpoint_ns(c) for c in counters if c.counter_j is None], dtype=np.int64)
    curve = EnergyCurve.from_counter(counters, max_gap_s, sensor.counter_wrap_j)
    whole = ~curve.broken
    return PowerSeries(sensor, curve.t_ns[1:][whole], curve.power_w[whole], failed_ns, True, max_gap_s)


def measuring_period(sensors: Sequence[Sensor]) -> float:
    """Sampling period in seconds that shows when the values of these sensors change."""
    fastest_s = min((sensor.update_period_s or ASSUMED_UPDATE_S for sensor in sensors), default=ASSUMED_UPDATE_S)
    low_s, high_s = MEASURING_PERIOD_BOUNDS_S
    return min(max(fastest_s / OVERSAMPLING, low_s), high_s)


def update_period(series: PowerSeries) -> UpdatePeriod:
    """Update period from the times at which the value changes.

    A renewal that gives the same value again does not show, so that the intervals are multiples of the period: it is
    fitted to all of them. It cannot be told where every read finds a new value.
    """
    t_s = (series.t_ns - series.t_ns[0]) / NS_PER_S if len(series.t_ns) else np.empty(0)
    changed = np.ones(max(0, len(t_s) - 1), dtype=bool) if series.from_counter else np.diff(series.power_w) != 0
    n_changes = int(changed.sum())
    if n_changes < MIN_CHANGES:
        return UpdatePeriod(None, n_changes, f"its value changed {n_changes} times, at least {MIN_CHANGES} are needed")
    read_s = float(np.median(np.diff(t_s)))
    changes_s = t_s[1:][changed] - (0.0 if series.from_counter else 0.5) * np.diff(t_s)[changed]
    steps_s = np.diff(changes_s)
    period_s = float(np.quantile(steps_s, 0.25))
    if not series.from_counter and changed.mean() > ALWAYS_NEW:
        return UpdatePeriod(None, n_changes, f"its value is new at every read: at most {read_s:.3g} s")
    for _ in range(5):
        multiples = np.maximum(1, np.round(steps_s / period_s))
        near = multiples <= 3
        period_s = float(steps_s[near].sum() / multiples[near].sum()) if near.any() else period_s
    return UpdatePeriod(period_s, n_changes)


def noise(series: PowerSeries) -> Noise:
    """Scatter of all valid values."""
    power_w = series.power_w
    return Noise(
        n_samples=len(power_w),
        n_unique=len(np.unique(power_w)),
        mean_w=float(power_w.mean()) if len(power_w) else None,
        deviation_w=float(power_w.std(ddof=1)) if len(power_w) > 1 else None,
    )
