"""What a power tool tells of a job's devices beside their power: memory that is taken, and how busy they are."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from collectors.accounting.energy_curve import NS_PER_S, midpoint_ns
from collectors.base import HOST_SCOPES, NOT_MEASURED, Reading, Sensor
from collectors.samples import SampleLog

LEAST_S = 5.0
LEAST_READINGS = 5
"""What a median utilisation must be taken over: tools renew theirs once a second at worst."""

Span = tuple[int, int]
NumberT = TypeVar("NumberT", int, float)


@dataclass(frozen=True, kw_only=True)
class DeviceUse:
    """What a tool told of the logical device `device` of a job, None where it told nothing.

    `memory_bytes` is the most of its memory that was taken at a reading, by whomever and for whatever, and
    `memory_fraction` stands in its place where the tool tells a percentage alone. `utilisation` is the median busy
    fraction of the device, 0 to 1, by the tool's own definition.
    """

    device: int
    memory_bytes: int | None = None
    memory_fraction: float | None = None
    utilisation: float | None = None


def device_uses(log: SampleLog, device_count: int, whole: Span, busy: Sequence[Span]) -> tuple[DeviceUse, ...]:
    """The use of each of the devices 0 to `device_count` - 1 of which something was told.

    Memory counts from the beginning to the end of `whole`, and utilisation within the spans `busy`, all on the clock of
    the log in nanoseconds. A sensor of several devices, or of a device that is shared, tells nothing of a job's own.
    """
    readings: dict[str, list[Reading]] = {}
    for reading in log.readings:
        readings.setdefault(reading.sensor, []).append(reading)
    uses = []
    for device in range(device_count):
        sources = [readings.get(sensor.id, []) for sensor in _sensors_of(log, device, device_count)]
        memory = [[each for each in source if _is_in(each, [whole])] for source in sources]
        memory_bytes = _most([each.memory_bytes for source in memory for each in source])
        fraction = None if memory_bytes else _most([each.memory_fraction for source in memory for each in source])
        medians = (_median([each for each in source if _is_in(each, busy)], busy) for source in sources)
        utilisation = next((each for each in medians if each is not None), None)
        if memory_bytes or fraction or utilisation is not None:
            uses.append(
                DeviceUse(device=device, memory_bytes=memory_bytes, memory_fraction=fraction, utilisation=utilisation)
            )
    return tuple(uses)


def _sensors_of(log: SampleLog, device: int, device_count: int) -> Iterator[Sensor]:
    """The sensors of a device alone: the one that counts, and then those that check it."""
    boards = [each for each in log.sensors if each.scope not in HOST_SCOPES and each.kind not in NOT_MEASURED]
    is_only = device_count == 1 and sum(each.checks is None for each in boards) == 1
    for sensor in sorted(boards, key=lambda each: each.checks is not None):
        if sensor.shared is None and (sensor.devices == (device,) or (is_only and not sensor.devices)):
            yield sensor


def _is_in(reading: Reading, spans: Sequence[Span]) -> bool:
    return any(t0_ns <= midpoint_ns(reading) <= t1_ns for t0_ns, t1_ns in spans)


def _most(values: Sequence[NumberT | None]) -> NumberT | None:
    return max((value for value in values if value is not None), default=None)


def _median(readings: Sequence[Reading], spans: Sequence[Span]) -> float | None:
    values = [reading.utilisation for reading in readings if reading.utilisation is not None]
    lasted_s = sum(t1_ns - t0_ns for t0_ns, t1_ns in spans) / NS_PER_S
    return statistics.median(values) if len(values) >= LEAST_READINGS and lasted_s >= LEAST_S else None
