"""How evenly a sampler read its sensors."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from collectors.accounting.energy_curve import NS_PER_S, midpoint_ns
from collectors.samples import SampleLog


@dataclass(frozen=True)
class Jitter:
    """Intervals in seconds between successive reads of one sensor, valid or not: mean, standard deviation, maximum."""

    sensor: str
    n_intervals: int
    mean_s: float
    deviation_s: float
    max_s: float


def jitter(log: SampleLog) -> tuple[Jitter, ...]:
    """Jitter of every sensor that was read at least three times, its counter's reads where it has no power."""
    found = []
    for sensor in log.sensors:
        reads = [reading for reading in log.readings if reading.sensor == sensor.id]
        counters = [counter for counter in log.counters if counter.sensor == sensor.id]
        times_ns = sorted({midpoint_ns(read) for read in (reads or counters)})
        steps_s = intervals_s(times_ns)
        if len(steps_s) >= 2:
            mean_s, deviation_s = statistics.fmean(steps_s), statistics.stdev(steps_s)
            found.append(Jitter(sensor.id, len(steps_s), mean_s, deviation_s, max(steps_s)))
    return tuple(found)


def intervals_s(times_ns: Sequence[int]) -> list[float]:
    """Seconds between successive times."""
    return [(later - earlier) / NS_PER_S for earlier, later in pairwise(times_ns)]
