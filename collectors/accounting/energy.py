"""Energy of a job in a window of time from the log of a sampler, with the evidence for it and a verdict."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from collectors.accounting.device_energy import (
    DeviceEnergy,
    EnergyReading,
    QualityLimits,
    ReadingT,
    SensorAccount,
    ratio,
)
from collectors.accounting.energy_curve import NS_PER_S, peak_power_w
from collectors.base import HOST_SCOPES, Sensor
from collectors.occupancy.occupants import Stranger
from collectors.samples import SampleLog
from collectors.sampling.log_lines import told

WorstT = TypeVar("WorstT", float, bool)


@dataclass(frozen=True, kw_only=True)
class WindowEnergy(EnergyReading):
    """Gross energy of the job's devices between `t0_ns` and `t1_ns` on the monotonic clock.

    Energies are summed over devices, None where any device has none; `source` is "mixed" where theirs differ.
    `peak_power_w` is the peak of the sum. Evidence is that of the worst device: fewest samples, longest gap, lowest
    coverage. `valid` is the verdict and `reasons` say why not.
    """

    t0_ns: int
    t1_ns: int
    duration_s: float
    collector: str | None
    scope_partial: bool
    sampler_died: bool
    valid: bool
    devices: tuple[DeviceEnergy, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values."""
        return dataclasses.asdict(self)


class EnergyAccount:
    """Energies of windows from one log, for a job on `device_count` devices.

    The job uses logical devices 0 to `device_count` - 1; None means every device that the sampler sees. Sensors of
    host scope always belong to it. `chip_cap_w` is the power cap of a board in watts by the chip file, for boards that
    tell none, `strangers` are processes of other jobs on its devices. Read the log after the sampler has ended: a log
    without its end line is that of a sampler that died.
    """

    def __init__(
        self,
        log: SampleLog,
        device_count: int | None = None,
        limits: QualityLimits | None = None,
        chip_cap_w: float | None = None,
        strangers: Sequence[Stranger] = (),
    ) -> None:
        self._log = log
        self._strangers = strangers
        self._bad_lines = told(log.bad_lines, log.n_bad_lines)
        self._chip_cap_w = chip_cap_w
        self._limits = limits or QualityLimits()
        self._sensors, self._problem, self._partial = job_sensors(log, device_count)
        self._job_devices = None if device_count is None else set(range(device_count))
        self._period_s = log.header.period_s if log.header else None
        self._readings, self._counters = _by_sensor(log.readings), _by_sensor(log.counters)
        self._accounts = [
            self._account_of(
                sensor, checks=[self._account_of(check) for check in log.sensors if check.checks == sensor.id]
            )
            for sensor in self._sensors
        ]

    def _account_of(self, sensor: Sensor, checks: Sequence[SensorAccount] = ()) -> SensorAccount:
        return SensorAccount(
            sensor,
            self._readings[sensor.id],
            self._counters[sensor.id],
            self._limits.max_gap_of(sensor, self._period_s),
            self._limits,
            shared=self._shared(sensor),
            checks=checks,
            chip_cap_w=self._chip_cap_w,
        )

    def _shared(self, sensor: Sensor) -> str | None:
        others = set(sensor.devices) - (self._job_devices or set(sensor.devices))
        return sensor.shared or (f"it also holds device {min(others)}, which is not the job's" if others else None)

    def window(self, t0_ns: int, t1_ns: int) -> WindowEnergy:
        """Energy of a window. Raises ValueError where it does not end after it starts."""
        if t1_ns <= t0_ns:
            raise ValueError(f"window of {(t1_ns - t0_ns) / NS_PER_S} s: it must end after it starts")
        devices = tuple(account.window(t0_ns, t1_ns) for account in self._accounts)
        duration_s = (t1_ns - t0_ns) / NS_PER_S
        bracketed = bool(devices) and all(device.bracketed for device in devices)
        died = self._log.end is None
        reasons = [self._problem] if self._problem else []
        reasons += ["the sampler died"] if died and devices and not bracketed else []
        reasons += [f"{device.sensor}: {reason}" for device in devices for reason in device.reasons]
        shared = [each.told for each in self._strangers if each.t0_ns < t1_ns and each.t1_ns > t0_ns]
        reasons += [f"shared device: {who}" for who in shared]
        reasons += [self._bad_lines] if reasons and self._bad_lines else []
        energy_j = None if self._problem else total(device.energy_j for device in devices)
        counter_j = None if self._problem else total(device.counter_j for device in devices)
        integral_j = None if self._problem else total(device.integral_j for device in devices)
        sources = {device.source for device in devices}
        return WindowEnergy(
            t0_ns=t0_ns,
            t1_ns=t1_ns,
            duration_s=duration_s,
            collector=self._log.header.collector if self._log.header else None,
            source=None if energy_j is None else sources.pop() if len(sources) == 1 else "mixed",
            energy_j=energy_j,
            mean_power_w=None if energy_j is None else energy_j / duration_s,
            peak_power_w=None if energy_j is None else self._peak_power_w(t0_ns, t1_ns),
            counter_j=counter_j,
            integral_j=integral_j,
            n_samples=min((device.n_samples for device in devices), default=0),
            n_unique=min((device.n_unique for device in devices), default=0),
            max_gap_s=worst([device.max_gap_s for device in devices]),
            coverage=min((device.coverage for device in devices), default=0.0),
            bracketed=bracketed,
            missing_fraction=worst([device.missing_fraction for device in devices]),
            counter_vs_integral=ratio(counter_j, integral_j),
            over_cap=worst([device.over_cap for device in devices]),
            low_power_at_high_use=worst([device.low_power_at_high_use for device in devices]),
            second_opinion=farthest_from_1([device.second_opinion for device in devices]),
            shared_device=bool(shared) or any(device.shared_device for device in devices),
            scope_partial=self._partial,
            sampler_died=died,
            valid=energy_j is not None and not reasons,
            reasons=tuple(reasons),
            devices=devices,
        )

    def _peak_power_w(self, t0_ns: int, t1_ns: int) -> float:
        return peak_power_w([account.power_curve(t0_ns, t1_ns) for account in self._accounts], t0_ns, t1_ns)


def window_energy(
    log: SampleLog,
    t0_ns: int,
    t1_ns: int,
    device_count: int | None = None,
    limits: QualityLimits | None = None,
) -> WindowEnergy:
    """Energy of one window; for many windows of a log make one `EnergyAccount`. Raises ValueError for an empty one."""
    return EnergyAccount(log, device_count, limits).window(t0_ns, t1_ns)


def job_sensors(log: SampleLog, device_count: int | None) -> tuple[tuple[Sensor, ...], str | None, bool]:
    """Sensors of a job on logical devices 0 to `device_count` - 1, why they are not known, and whether some lack one.

    Sensors of host scope are included, those that check others are not. None means all sensors. A node contains all
    that the other sensors measure: it counts only where it is alone.
    """
    if log.no_sensor_reason:
        return (), log.no_sensor_reason, False
    main = tuple(sensor for sensor in log.sensors if sensor.checks is None)
    sensors = tuple(sensor for sensor in main if sensor.scope != "node") or main
    host = tuple(sensor for sensor in sensors if sensor.scope in HOST_SCOPES)
    boards = tuple(sensor for sensor in sensors if sensor.scope not in HOST_SCOPES)
    if device_count is None or not boards:
        return sensors, None, False
    if all(sensor.devices for sensor in boards):
        wanted = set(range(device_count))
        missing = wanted - {device for sensor in boards for device in sensor.devices}
        chosen = tuple(sensor for sensor in boards if wanted & set(sensor.devices))
        problem = f"no sensor for device {', '.join(map(str, sorted(missing)))} of the job" if missing else None
        return (*host, *chosen), problem, bool(missing)
    if len(boards) == device_count:
        return sensors, None, False
    problem = f"{len(boards)} devices are visible, the job uses {device_count}, and which ones cannot be told"
    return host, problem, len(boards) < device_count


def _by_sensor(readings: Iterable[ReadingT]) -> dict[str, list[ReadingT]]:
    groups: dict[str, list[ReadingT]] = defaultdict(list)
    for reading in readings:
        groups[reading.sensor].append(reading)
    return groups


def total(values: Iterable[float | None]) -> float | None:
    """The sum, None where a value is None or there is none."""
    values = list(values)
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def farthest_from_1(ratios: Iterable[float | None]) -> float | None:
    """The ratio that is farthest from 1, None where none is known."""
    known = [each for each in ratios if each is not None]
    return max(known, key=lambda each: abs(each - 1), default=None)


def worst(values: Sequence[WorstT | None]) -> WorstT | None:
    """The largest value, None where none is known."""
    return max((value for value in values if value is not None), default=None)
