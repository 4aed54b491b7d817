"""Energy of one sensor in a window of time: which source counts, and what speaks against it."""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from collectors.accounting.energy_curve import NS_PER_S, EnergyCurve, is_valid, midpoint_ns, peak_power_w
from collectors.accounting.plausibility import PowerBounds
from collectors.base import NOT_MEASURED, Reading, Sensor
from collectors.samples import CounterReading

ReadingT = TypeVar("ReadingT", Reading, CounterReading)

UPDATE_S = 0.1
"""Time between two moves of a counter that does not tell it."""


@dataclass(frozen=True)
class QualityLimits:
    """What a window must keep to be valid.

    `max_gap_s` None means the larger of 1 s and five periods of the sensor or the sampler. `counter_tolerance` bounds
    |counter / integral - 1|. `cap_tolerance` is the multiple of the power cap above which a sample is a spike.
    Utilisation of at least `high_use` with a mean below `low_power` of the cap is suspect. Where no cap is known, the
    bounds are those of `collectors.accounting.plausibility`. `check_tolerance` bounds |second opinion / power - 1|, and
    a second opinion must cover the part `min_checked` of a window.
    """

    min_window_s: float = 5.0
    min_updates: int = 20
    min_averaging_windows: int = 5
    max_gap_s: float | None = None
    max_missing_fraction: float = 0.1
    counter_tolerance: float = 0.1
    cap_tolerance: float = 1.25
    high_use: float = 0.5
    low_power: float = 0.15
    check_tolerance: float = 0.15
    min_checked: float = 0.5

    def min_window_of(self, sensor: Sensor) -> float:
        """Shortest window in seconds whose energy this sensor can give."""
        return max(
            self.min_window_s,
            self.min_updates * (sensor.update_period_s or 0.0),
            self.min_averaging_windows * (sensor.window_s or 0.0),
        )

    def max_gap_of(self, sensor: Sensor, period_s: float | None) -> float:
        """Longest time in seconds without a sample that may be interpolated."""
        if self.max_gap_s is not None:
            return self.max_gap_s
        return max(1.0, 5 * (sensor.update_period_s or 0.0), 5 * (period_s or 0.0))


@dataclass(frozen=True, kw_only=True)
class EnergyReading:
    """Energy in a window and the evidence for it, of one sensor or of all devices of a job.

    `energy_j` is `counter_j` or `integral_j` by `source` ("counter", "integral"); None, never 0, where it is not known.
    `counter_vs_integral` is their ratio. `n_samples` and `n_unique` count the reads and the different values among
    them. `max_gap_s` is the longest time without a sample and `coverage` the part of the window that samples cover.
    `over_cap` and `low_power_at_high_use` are None where the cap or the utilisation is not known. `second_opinion` is
    the power by a sensor that checks this one over its own, where both are known; of several the one farthest from 1.
    `reasons` say what speaks against the energy.
    """

    source: str | None
    energy_j: float | None
    mean_power_w: float | None
    peak_power_w: float | None
    counter_j: float | None
    integral_j: float | None
    n_samples: int
    n_unique: int
    max_gap_s: float | None
    coverage: float
    bracketed: bool
    missing_fraction: float | None
    counter_vs_integral: float | None
    over_cap: bool | None
    low_power_at_high_use: bool | None
    second_opinion: float | None
    shared_device: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DeviceEnergy(EnergyReading):
    """The reading of one sensor; `reasons` make the window invalid.

    `devices` are the logical devices whose power it reports, as far as it tells them.
    """

    sensor: str
    scope: str
    kind: str
    devices: tuple[int, ...] = ()


class SensorAccount:
    """Energies of windows from the readings and counters of one sensor.

    Which source counts is decided once for the whole log, so that the energies of adjoining windows add up: the
    counter, where it moves, never leaps, stands still or is reset, and agrees with the integral of the power over all
    that both cover (or there is no power); else the integral. `chip_cap_w` is the cap of the chip file in watts, for a
    board that tells none itself.
    """

    def __init__(
        self,
        sensor: Sensor,
        readings: Sequence[Reading],
        counters: Sequence[CounterReading],
        max_gap_s: float,
        limits: QualityLimits,
        shared: str | None = None,
        checks: Sequence[SensorAccount] = (),
        chip_cap_w: float | None = None,
    ) -> None:
        self._sensor = sensor
        self._readings = sorted(readings, key=midpoint_ns)
        self._counters = sorted(counters, key=midpoint_ns)
        self._max_gap_s = max_gap_s
        self._limits = limits
        self._shared = shared
        self._checks = checks
        self._integral = EnergyCurve.from_power(readings, max_gap_s)
        self._bounds = PowerBounds.of(sensor, chip_cap_w, limits.cap_tolerance, limits.low_power)
        self._counter = EnergyCurve.from_counter(
            counters, max_gap_s, sensor.counter_wrap_j, self._bounds.highest_w, sensor.update_period_s or UPDATE_S
        )

    @property
    def name(self) -> str:
        """Identity of the sensor."""
        return self._sensor.id

    @cached_property
    def source(self) -> str:
        """ "counter" or "integral"."""
        if not self._integral.moves and self._counters:
            return "counter"
        if not self._counter.moves or self._counter.faults:
            return "integral"
        starts_ns, ends_ns = self._counter.t_ns[:-1], self._counter.t_ns[1:]
        counter_j = self._counter.between_each(starts_ns, ends_ns)
        integral_j = self._integral.between_each(starts_ns, ends_ns)
        both = ~np.isnan(counter_j) & ~np.isnan(integral_j)
        over_log = ratio(float(counter_j[both].sum()), float(integral_j[both].sum()))
        return "counter" if self._agrees(over_log) else "integral"

    def power_curve(self, t0_ns: int, t1_ns: int) -> EnergyCurve:
        """The curve that shows the power in a window: the readings where they span it, else the source's."""
        if self._integral.between(t0_ns, t1_ns) is not None:
            return self._integral
        return self._power_source

    def window(self, t0_ns: int, t1_ns: int) -> DeviceEnergy:
        """Energy and evidence of a window that ends after it starts."""
        curve = self._power_source
        duration_s = (t1_ns - t0_ns) / NS_PER_S
        counter_j, integral_j = self._counter.between(t0_ns, t1_ns), self._integral.between(t0_ns, t1_ns)
        energy_j = self.energy_j(t0_ns, t1_ns)
        if self._sensor.kind in NOT_MEASURED:
            energy_j = None
        mean_power_w = None if energy_j is None else energy_j / duration_s
        values, n_missing = self._values(t0_ns, t1_ns)
        n_attempts = len(values) + n_missing
        longest_s, coverage = curve.gaps(t0_ns, t1_ns)
        evidence = DeviceEnergy(
            sensor=self._sensor.id,
            scope=self._sensor.scope,
            kind=self._sensor.kind,
            devices=self._sensor.devices,
            source=None if energy_j is None else self.source,
            energy_j=energy_j,
            mean_power_w=mean_power_w,
            peak_power_w=None if energy_j is None else peak_power_w([self.power_curve(t0_ns, t1_ns)], t0_ns, t1_ns),
            counter_j=counter_j,
            integral_j=integral_j,
            n_samples=len(values),
            n_unique=len(set(values)),
            max_gap_s=longest_s,
            coverage=coverage,
            bracketed=curve.brackets(t0_ns, t1_ns),
            missing_fraction=n_missing / n_attempts if n_attempts else None,
            counter_vs_integral=ratio(counter_j, integral_j),
            over_cap=self._over_cap(t0_ns, t1_ns),
            low_power_at_high_use=self._low_power_at_high_use(t0_ns, t1_ns, mean_power_w),
            second_opinion=self._second_opinion(t0_ns, t1_ns),
            shared_device=self._shared is not None,
            reasons=(),
        )
        return replace(evidence, reasons=tuple(self._objections(evidence, t0_ns, t1_ns)))

    def energy_j(self, t0_ns: int, t1_ns: int) -> float | None:
        """Energy of a window in joules by the source that counts, None where it cannot be told."""
        return self._power_source.between(t0_ns, t1_ns)

    @property
    def _power_source(self) -> EnergyCurve:
        return self._counter if self.source == "counter" else self._integral

    def _second_opinion(self, t0_ns: int, t1_ns: int) -> float | None:
        opinions = [check.compared_with(self, t0_ns, t1_ns) for check in self._checks]
        return max((each for each in opinions if each is not None), key=lambda each: abs(each - 1), default=None)

    def compared_with(self, other: SensorAccount, t0_ns: int, t1_ns: int) -> float | None:
        """Power of this sensor over that of another in the part of a window that this one covers.

        None where that is too small a part of it, or where either is not known there.
        """
        known_ns = self._power_source.t_ns
        if not len(known_ns):
            return None
        from_ns, to_ns = max(t0_ns, int(known_ns[0])), min(t1_ns, int(known_ns[-1]))
        if to_ns <= from_ns or to_ns - from_ns < self._limits.min_checked * (t1_ns - t0_ns):
            return None
        return ratio(self.energy_j(from_ns, to_ns), other.energy_j(from_ns, to_ns))

    def _values(self, t0_ns: int, t1_ns: int) -> tuple[list[float], int]:
        """Valid values of the source read in a window, and the number of reads that failed."""
        values: list[float | None]
        if self.source == "counter":
            values = [counter.counter_j for counter in within(self._counters, t0_ns, t1_ns)]
        else:
            values = [
                reading.power_w if is_valid(reading) else None for reading in within(self._readings, t0_ns, t1_ns)
            ]
        valid = [value for value in values if value is not None]
        return valid, len(values) - len(valid)

    def _over_cap(self, t0_ns: int, t1_ns: int) -> bool | None:
        powers_w = self._integral.samples_w(t0_ns, t1_ns)
        over = bool((powers_w > self._bounds.highest_w).any())
        return over if over or (self._bounds.cap_w and len(powers_w)) else None

    def _low_power_at_high_use(self, t0_ns: int, t1_ns: int, mean_power_w: float | None) -> bool | None:
        busy_w = self._bounds.busy_w
        uses = [
            reading.utilisation for reading in within(self._readings, t0_ns, t1_ns) if reading.utilisation is not None
        ]
        if busy_w is None or mean_power_w is None or not uses:
            return None
        return statistics.median(uses) >= self._limits.high_use and mean_power_w < busy_w

    def _lowest_power_w(self, t0_ns: int, t1_ns: int, mean_power_w: float | None) -> float | None:
        """The lowest power in a window: of its samples, or the mean over a second where a counter is the source."""
        if mean_power_w is None:
            return None
        if self.source == "counter":
            lowest_w = self._counter.lowest_mean_w(t0_ns, t1_ns)
            return mean_power_w if lowest_w is None else min(lowest_w, mean_power_w)
        return float(self._integral.samples_w(t0_ns, t1_ns).min())

    def _agrees(self, counter_vs_integral: float | None) -> bool:
        return counter_vs_integral is not None and abs(counter_vs_integral - 1) <= self._limits.counter_tolerance

    def _is_confirmed(self, evidence: DeviceEnergy) -> bool:
        """Whether the counter is the source and the power readings of the window agree with it."""
        return evidence.source == "counter" and self._agrees(evidence.counter_vs_integral)

    def _objections(self, evidence: DeviceEnergy, t0_ns: int, t1_ns: int) -> Iterator[str]:
        """Why the energy of a window does not stand. Doubts about power readings do not touch an agreeing counter."""
        limits, confirmed = self._limits, self._is_confirmed(evidence)
        duration_s = (t1_ns - t0_ns) / NS_PER_S
        if self._sensor.kind in NOT_MEASURED:
            yield NOT_MEASURED[self._sensor.kind]
        fault = self._counter.fault_in(t0_ns, t1_ns) if self.source == "counter" else None
        if self.source == "counter" and not self._counter.moves:
            yield "its energy counter does not move"
        elif fault is not None:
            yield f"its energy counter {fault}"
        elif not evidence.bracketed:
            yield "no samples on both sides of the window"
        if fault is None and (evidence.max_gap_s or 0.0) > self._max_gap_s:
            yield f"no sample for {evidence.max_gap_s:.3g} s, at most {self._max_gap_s:g} s are bridged"
        if (least_s := limits.min_window_of(self._sensor)) > duration_s:
            yield f"window of {duration_s:.3g} s is shorter than {least_s:g} s"
        if (evidence.missing_fraction or 0.0) > limits.max_missing_fraction:
            yield f"{evidence.missing_fraction:.0%} of the reads failed{self.first_failure(t0_ns, t1_ns)}"
        if evidence.counter_vs_integral is not None and not self._agrees(evidence.counter_vs_integral):
            yield f"counter and integral of power disagree (ratio {evidence.counter_vs_integral:.3g})"
        if not confirmed and evidence.over_cap:
            yield f"power above {self._bounds.highest_told}"
        lowest_w = self._lowest_power_w(t0_ns, t1_ns, evidence.mean_power_w)
        if lowest_w is not None and lowest_w < self._bounds.lowest_w:
            yield f"power of {lowest_w:.3g} W, less than a powered {self._sensor.scope} draws"
        if not confirmed and evidence.low_power_at_high_use:
            yield f"mean power of {evidence.mean_power_w:.3g} W while the device was busy"
        others = " and ".join(check.name for check in self._checks)
        if self._checks and evidence.energy_j is not None and evidence.second_opinion is None:
            yield f"unproven: {others} gave no second opinion{self._checks[0].first_failure(t0_ns, t1_ns)}"
        elif evidence.second_opinion is not None and abs(evidence.second_opinion - 1) > limits.check_tolerance:
            yield f"{others} gives {evidence.second_opinion:.3g} times its power"
        if self._shared:
            yield f"shared device: {self._shared}"

    def first_failure(self, t0_ns: int, t1_ns: int) -> str:
        """What the tool said at the first failed read of a window, ready to append."""
        inside = within(self._readings, t0_ns, t1_ns)
        raw = next((reading.raw for reading in inside if reading.power_w is None and reading.raw), None)
        return f" ({raw})" if raw else ""


def within(ordered: Sequence[ReadingT], t0_ns: int, t1_ns: int) -> Sequence[ReadingT]:
    """Readings whose midpoint lies in the window, edges included, from readings in order of midpoint."""
    first = bisect_left(ordered, t0_ns, key=midpoint_ns)
    return ordered[first : bisect_right(ordered, t1_ns, key=midpoint_ns)]


def ratio(counter_j: float | None, integral_j: float | None) -> float | None:
    """Counter over integral, None where either is not known or the integral is zero."""
    return counter_j / integral_j if counter_j is not None and integral_j else None
