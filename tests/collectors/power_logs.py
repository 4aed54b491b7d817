"""Sampler logs made from formulas, so that the energy in them is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from collectors.accounting.energy import QualityLimits, WindowEnergy, window_energy
from collectors.base import Reading, Sensor
from collectors.samples import CounterReading, Header, SampleLog

ORIGIN_NS = 7_000_000_000_000_000
"""Start of all logs on the monotonic clock: months of uptime, so that a loss of precision would show."""

READ_NS = 40_000
ENDED = {"type": "end", "reason": "SIGTERM"}
ANY_LENGTH = QualityLimits(min_window_s=0.0, min_updates=0, min_averaging_windows=0)


def at_ns(t_s: float) -> int:
    return ORIGIN_NS + round(t_s * 1e9)


def every(period_s: float, end_s: float, start_s: float = 0.0) -> list[float]:
    return [start_s + k * period_s for k in range(round((end_s - start_s) / period_s) + 1)]


def readings(times_s: Iterable[float], power_w: Callable[[float], float | None], sensor: str = "gpu") -> list[Reading]:
    """Readings whose midpoints are the given times."""
    return [Reading(at_ns(t_s) - READ_NS, at_ns(t_s) + READ_NS, sensor, power_w(t_s), "ok", None) for t_s in times_s]


def counters(
    times_s: Iterable[float], energy_j: Callable[[float], float | None], sensor: str = "gpu"
) -> list[CounterReading]:
    return [CounterReading(at_ns(t_s) - READ_NS, at_ns(t_s) + READ_NS, sensor, energy_j(t_s)) for t_s in times_s]


def log_of(
    power: Iterable[Reading] = (),
    counter: Iterable[CounterReading] = (),
    sensors: tuple[Sensor, ...] = (Sensor("gpu", "card", "instant", devices=(0,), update_period_s=0.1),),
    end: dict[str, object] | None = ENDED,
) -> SampleLog:
    header = Header("formula", sensors, {}, 0.1, ORIGIN_NS, 1_700_000_000_000_000_000)
    return SampleLog(header, tuple(power), tuple(counter), end)


def energy(log: SampleLog, t0_s: float, t1_s: float, **limits: float) -> WindowEnergy:
    """The energy of a window without a minimum length."""
    return window_energy(log, at_ns(t0_s), at_ns(t1_s), limits=QualityLimits(**{**vars(ANY_LENGTH), **limits}))
