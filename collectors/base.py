"""The contract between a power tool and the sampler: what a collector offers and what a sensor says of itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

Scope = Literal["die", "card", "module", "cpu_package", "dram", "node"]
Kind = Literal["instant", "average_window", "counter", "model", "replay"]

HOST_SCOPES: frozenset[str] = frozenset({"cpu_package", "dram", "node"})
"""Scopes that belong to the host as a whole and not to a numbered device."""

NOT_MEASURED = {
    "model": "its power is a model, not a measurement",
    "replay": "its power is a replayed trace, not a measurement",
}
"""Kinds whose windows have no energy, and why."""

STATUS_OK = "ok"
STATUS_ERROR = "error"
STATUS_NOT_PHYSICAL = "not_physical"


@dataclass(frozen=True)
class Sensor:
    """One place where power or energy can be read.

    `id` is stable over reboots and renumbering: a UUID, a PCI address, a serial number or a sysfs zone.
    `kind` says what a power value is: a momentary value, a mean over the last `window_s`, only an energy counter, a
    model or a replayed trace (never a measurement).
    `devices` are the logical numbers, as the job counts them, of the devices whose power this sensor reports. It is
    empty for host scopes and where the numbering is not known.
    `checks` names the sensor of which this one is a second opinion, through another path: its power is compared with
    that sensor's and never added.
    `shared` says why work other than the job's may be in the value; None where the device is the job's alone.
    """

    id: str
    scope: Scope
    kind: Kind
    name: str = ""
    window_s: float | None = None
    update_period_s: float | None = None
    resolution_w: float | None = None
    has_counter: bool = False
    counter_resolution_j: float | None = None
    counter_wrap_j: float | None = None
    power_cap_w: float | None = None
    devices: tuple[int, ...] = ()
    checks: str | None = None
    shared: str | None = None
    tool_version: str | None = None
    driver_version: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Sensor:
        """The sensor written by `to_dict`; fields of later versions are ignored.

        Raises KeyError where id, scope or kind is missing, ValueError where scope or kind is unknown or a field holds
        what it cannot hold.
        """
        if fields["scope"] not in get_args(Scope) or fields["kind"] not in get_args(Kind):
            raise ValueError(f"sensor {fields['id']}: unknown scope {fields['scope']!r} or kind {fields['kind']!r}")
        known = {field.name for field in dataclasses.fields(cls)}
        kept = {name: value for name, value in fields.items() if name in known}
        kept["devices"] = tuple(kept.get("devices", ()))
        for name, value in kept.items():
            if not _fits(name, value):
                raise ValueError(f"sensor {str(fields['id'])[:60]}: {name} cannot be {str(value)[:60]!r}")
        return cls(**kept)


TEXTS = frozenset({"id", "scope", "kind", "name"})
TEXTS_OR_NONE = frozenset({"checks", "shared", "tool_version", "driver_version"})


def _fits(name: str, value: object) -> bool:
    """Whether a field of a sensor can hold a value: text, a flag, device numbers, or a finite number not below 0."""
    if name in TEXTS or name in TEXTS_OR_NONE:
        return isinstance(value, str) or (value is None and name in TEXTS_OR_NONE)
    if name == "has_counter":
        return isinstance(value, bool)
    if name == "devices":
        return isinstance(value, tuple) and all(type(number) is int and number >= 0 for number in value)
    return value is None or (type(value) in (int, float) and 0 <= value < 1e18)  # type: ignore[operator]


@dataclass(frozen=True)
class Probe:
    """What a collector found: sensors, or the reason why there is none."""

    sensors: tuple[Sensor, ...] = ()
    reason: str | None = None

    @property
    def works(self) -> bool:
        """Whether there is something to read."""
        return bool(self.sensors)


@dataclass(frozen=True)
class Reading:
    """One attempt to read the power of one sensor, between `t0_ns` and `t1_ns` on the monotonic clock.

    `power_w` is None where the attempt failed; then `status` is not "ok" and `raw` holds what the tool said.
    `utilisation` is the busy fraction of the device, 0 to 1, where the tool gives it with the power; `memory_bytes` is
    what is taken of its memory, by whomever and for whatever, or `memory_fraction` where the tool tells no more.
    """

    t0_ns: int
    t1_ns: int
    sensor: str
    power_w: float | None
    status: str = STATUS_OK
    raw: str | None = None
    utilisation: float | None = None
    memory_bytes: int | None = None
    memory_fraction: float | None = None


class Collector(Protocol):
    """One power tool. A class of this shape is registered under the entry point group `crosscast.collectors`.

    It is built without arguments in the sampler process, whose environment is the job's, so that visible-devices
    variables are read from there. Calls come from one thread, in the order probe, start, sample and read_counter
    any number of times, stop. A call that runs a program bounds it by a timeout of its own.
    """

    name: str

    def probe(self) -> Probe:
        """Sensors of the job that can be read here, or the reason why none. Never raises, leaves nothing open."""
        ...

    def start(self, period_s: float) -> None:
        """Open what `sample` needs; `period_s` is how often it will be called. May raise OSError or RuntimeError."""
        ...

    def sample(self) -> Sequence[Reading]:
        """Readings since the last call, oldest first; empty where all sensors are counters or nothing arrived."""
        ...

    def read_counter(self, sensor: str) -> float | None:
        """Energy counter of `sensor` in joules as the hardware holds it (it may wrap), None where it cannot be read."""
        ...

    def stop(self) -> None:
        """Close what `start` opened. Never raises, may be called twice."""
        ...


def checked_reading(
    t0_ns: int,
    t1_ns: int,
    sensor: str,
    power_w: float,
    raw: str | None = None,
    utilisation: float | None = None,
    memory_bytes: int | None = None,
    memory_fraction: float | None = None,
) -> Reading:
    """The reading of a powered device: zero, negative, infinite or NaN watts are a failed read, kept as raw text."""
    beside = utilisation, memory_bytes, memory_fraction
    if math.isfinite(power_w) and power_w > 0:
        return Reading(t0_ns, t1_ns, sensor, power_w, STATUS_OK, None, *beside)
    return Reading(t0_ns, t1_ns, sensor, None, STATUS_NOT_PHYSICAL, raw or f"{power_w} W", *beside)
