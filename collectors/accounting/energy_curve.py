"""Energy of one sensor as a function of time, known between its samples and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.base import Reading
from collectors.samples import CounterReading

NS_PER_S = 1e9
MAX_COUNTER_POWER_W = 10_000.0
"""Power that no counter exceeds where nothing is known of its device."""


@dataclass(frozen=True)
class CounterFault:
    """What an energy counter did between two times in nanoseconds that it should not do."""

    t0_ns: int
    t1_ns: int
    told: str


@dataclass(frozen=True)
class EnergyCurve:
    """Cumulative energy at sample times, with the intervals that must not be bridged.

    `t_ns` int64 (n,) strictly increasing; `energy_j` float64 (n,) from 0; `power_w` float64 (n,) is the power at the
    samples, or the mean power of each interval (n - 1,) where `linear`; `broken` bool (n - 1,) marks intervals longer
    than the maximum gap or with a fault of the counter. `faults` are the latter, as (start, end, what happened).
    """

    t_ns: NDArray[np.int64]
    energy_j: NDArray[np.float64]
    power_w: NDArray[np.float64]
    broken: NDArray[np.bool_]
    linear: bool
    faults: tuple[CounterFault, ...] = ()

    @classmethod
    def from_power(cls, readings: Sequence[Reading], max_gap_s: float) -> EnergyCurve:
        """Trapezoid rule over the midpoints of valid readings. Watts below zero, NaN or infinite are not valid."""
        valid = [reading for reading in readings if is_valid(reading)]
        t_ns, first = _midpoints_ns(valid)
        power_w = np.array([reading.power_w for reading in valid], dtype=np.float64)[first]
        step_s = np.diff(t_ns) / NS_PER_S
        steps_j = 0.5 * (power_w[1:] + power_w[:-1]) * step_s
        return cls(t_ns, _cumulative(steps_j, t_ns), power_w, step_s > max_gap_s, linear=False)

    @classmethod
    def from_counter(
        cls,
        readings: Sequence[CounterReading],
        max_gap_s: float,
        wrap_j: float | None,
        max_power_w: float = MAX_COUNTER_POWER_W,
        update_s: float = 0.0,
    ) -> EnergyCurve:
        """Differences between the moments at which the counter moved, unwrapped at `wrap_j` where it is known.

        A counter that falls has wrapped only if the energy since then is at most `max_power_w` over the time; else it
        was reset. One that rises by more has leapt. One that stays the same for longer than `max_gap_s` although it was
        read stood still. A move that is seen late may hold the energy of `update_s` more than the time since the last.
        """
        valid = [reading for reading in readings if reading.counter_j is not None and np.isfinite(reading.counter_j)]
        read_ns, first = _midpoints_ns(valid)
        read_j = np.array([reading.counter_j for reading in valid], dtype=np.float64)[first]
        moved = np.append(True, np.diff(read_j) != 0)[: len(read_j)]
        t_ns, counter_j = read_ns[moved], read_j[moved]
        step_s = np.diff(t_ns) / NS_PER_S
        steps_j = np.diff(counter_j)
        most_j = max_power_w * (step_s + update_s)
        if wrap_j:
            unwrapped_j = steps_j + wrap_j
            wrapped = (steps_j < 0) & (unwrapped_j >= 0) & (unwrapped_j <= most_j)
            steps_j = np.where(wrapped, unwrapped_j, steps_j)
        reset, leapt = steps_j < 0, steps_j > most_j
        faults = [CounterFault(int(t_ns[k]), int(t_ns[k + 1]), "was reset") for k in np.flatnonzero(reset)]
        faults += [
            CounterFault(int(t_ns[k]), int(t_ns[k + 1]), f"leapt by {steps_j[k]:.3g} J in {step_s[k]:.3g} s")
            for k in np.flatnonzero(leapt)
        ]
        faults += _standstills(read_ns, moved, max_gap_s)
        steps_j = np.where(reset | leapt, 0.0, steps_j)
        broken = (step_s > max_gap_s) | reset | leapt
        return cls(t_ns, _cumulative(steps_j, t_ns), steps_j / step_s, broken, linear=True, faults=tuple(faults))

    @property
    def moves(self) -> bool:
        """Whether there is at least one interval to measure over."""
        return len(self.t_ns) > 1

    def brackets(self, t0_ns: int, t1_ns: int) -> bool:
        """Whether there are samples at or before `t0_ns` and at or after `t1_ns`."""
        return self.moves and bool(self.t_ns[0] <= t0_ns and self.t_ns[-1] >= t1_ns)

    def between(self, t0_ns: int, t1_ns: int) -> float | None:
        """Energy in joules from `t0_ns` to `t1_ns`; None outside the samples or across a broken interval."""
        energy_j = self.between_each(np.array([t0_ns]), np.array([t1_ns]))[0]
        return None if np.isnan(energy_j) else float(energy_j)

    def between_each(self, t0_ns: NDArray[np.int64], t1_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """`between` for arrays (m,) of times, NaN for None."""
        if not self.moves:
            return np.full(len(t0_ns), np.nan)
        n_broken = np.concatenate([[0], np.cumsum(self.broken)])
        first = np.searchsorted(self.t_ns, t0_ns, side="right") - 1
        last = np.searchsorted(self.t_ns, t1_ns, side="left")
        known = (first >= 0) & (last < len(self.t_ns))
        known &= n_broken[np.where(known, last, 0)] == n_broken[np.where(known, first, 0)]
        return np.where(known, self.energy_at(t1_ns) - self.energy_at(t0_ns), np.nan)

    def energy_at(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Energy in joules since the first sample at times (m,) within the samples."""
        left = np.clip(np.searchsorted(self.t_ns, t_ns, side="right") - 1, 0, len(self.t_ns) - 2)
        mean_w = self.power_w[left] if self.linear else 0.5 * (self.power_w[left] + self.power_at(t_ns))
        return self.energy_j[left] + mean_w * (t_ns - self.t_ns[left]) / NS_PER_S

    def power_at(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Power in watts at times (m,) within the samples: interpolated, or the mean of the interval if `linear`."""
        if self.linear:
            return self.power_w[np.clip(np.searchsorted(self.t_ns, t_ns, side="right") - 1, 0, len(self.power_w) - 1)]
        origin_ns = self.t_ns[0]
        return np.interp(
            (t_ns - origin_ns).astype(np.float64), (self.t_ns - origin_ns).astype(np.float64), self.power_w
        )

    def samples_w(self, t0_ns: int, t1_ns: int) -> NDArray[np.float64]:
        """Power at the samples of a window, with those on both sides from which its edges are interpolated."""
        first = max(0, int(np.searchsorted(self.t_ns, t0_ns, side="right")) - 1)
        return self.power_w[first : int(np.searchsorted(self.t_ns, t1_ns, side="left")) + 1]

    def lowest_mean_w(self, t0_ns: int, t1_ns: int, over_s: float = 1.0) -> float | None:
        """Lowest mean power in watts over `over_s` or a little more between samples of a window, None without any."""
        inside = (self.t_ns >= t0_ns) & (self.t_ns <= t1_ns)
        t_ns, energy_j = self.t_ns[inside], self.energy_j[inside]
        ends = np.searchsorted(t_ns, t_ns + round(over_s * NS_PER_S))
        starts = np.flatnonzero(ends < len(t_ns))
        ends = ends[starts]
        if not len(starts):
            return None
        return float(((energy_j[ends] - energy_j[starts]) / (t_ns[ends] - t_ns[starts]) * NS_PER_S).min())

    def fault_in(self, t0_ns: int, t1_ns: int) -> str | None:
        """What the counter did wrong in a window, the first if there are several; None where nothing."""
        return next((fault.told for fault in self.faults if fault.t0_ns < t1_ns and fault.t1_ns > t0_ns), None)

    def gaps(self, t0_ns: int, t1_ns: int) -> tuple[float, float]:
        """Longest time in seconds without a sample, and the covered fraction of the window.

        An interval that reaches over an edge counts in full for the first; what lies outside the samples counts up
        to the edge. Broken intervals and what lies outside the samples are not covered.
        """
        window_s = (t1_ns - t0_ns) / NS_PER_S
        if not self.moves or self.t_ns[-1] <= t0_ns or self.t_ns[0] >= t1_ns:
            return window_s, 0.0
        starts_ns, ends_ns = self.t_ns[:-1], self.t_ns[1:]
        inside = (starts_ns < t1_ns) & (ends_ns > t0_ns)
        longest_ns = max((ends_ns - starts_ns)[inside].max(), self.t_ns[0] - t0_ns, t1_ns - self.t_ns[-1])
        covered_ns = (np.minimum(ends_ns, t1_ns) - np.maximum(starts_ns, t0_ns))[inside & ~self.broken].sum()
        return float(longest_ns) / NS_PER_S, float(covered_ns) / NS_PER_S / window_s


def is_valid(reading: Reading) -> bool:
    """Whether a reading is a measurement: finite and not negative."""
    return reading.power_w is not None and bool(np.isfinite(reading.power_w)) and reading.power_w >= 0


def midpoint_ns(reading: Reading | CounterReading) -> int:
    """The time a reading stands for: the middle between before and after."""
    return (reading.t0_ns + reading.t1_ns) // 2


def peak_power_w(curves: Sequence[EnergyCurve], t0_ns: int, t1_ns: int) -> float:
    """Largest sum of the powers of curves that span a window, at its edges and at any of their samples, in watts."""
    samples_ns = np.concatenate([curve.t_ns for curve in curves])
    inside_ns = samples_ns[(samples_ns > t0_ns) & (samples_ns < t1_ns)]
    times_ns = np.concatenate([[t0_ns], inside_ns, [t1_ns - 1]]).astype(np.int64)
    return float(np.sum([curve.power_at(times_ns) for curve in curves], axis=0).max())


def _standstills(read_ns: NDArray[np.int64], moved: NDArray[np.bool_], max_gap_s: float) -> list[CounterFault]:
    """Stretches longer than `max_gap_s` in which a counter was read and stayed the same."""
    groups = np.split(read_ns, np.flatnonzero(moved)[1:])
    faults = []
    for here, after in zip(groups, [*groups[1:], np.empty(0, dtype=np.int64)], strict=True):
        times_ns = np.append(here, after[:1])
        if (
            len(times_ns) > 2
            and (times_ns[-1] - times_ns[0]) / NS_PER_S > max_gap_s >= np.diff(times_ns).max() / NS_PER_S
        ):
            duration_s = (times_ns[-1] - times_ns[0]) / NS_PER_S
            faults.append(CounterFault(int(times_ns[0]), int(times_ns[-1]), f"stood still for {duration_s:.3g} s"))
    return faults


def _midpoints_ns(readings: Sequence[Reading | CounterReading]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Midpoints of the reads in ascending order without repeats, and the index of the reading behind each."""
    midpoints = [midpoint_ns(reading) for reading in readings]
    return np.unique(np.array(midpoints, dtype=np.int64), return_index=True)


def _cumulative(steps_j: NDArray[np.float64], t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(min(1, len(t_ns))), np.cumsum(steps_j)])
