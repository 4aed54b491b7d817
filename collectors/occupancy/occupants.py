"""Processes on the devices of a job: what a tool lists, and which of them are another job's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

Whose = Literal["own", "other", "unknown"]
When = Literal["before", "during", "after"]
WHENS: tuple[When, ...] = ("before", "during", "after")
MAX_NS = 2**63 - 1

OWN_PROCESSES = 1
"""Processes that a launch has on one device: its worker."""


class LookError(Exception):
    """The tool did not list the processes; the message is what it said."""


@dataclass(frozen=True)
class DeviceProcess:
    """A process that holds a device, by the number that the tool gives it.

    `whose` is "own" for one of the launch's, "other" for one that runs beside it and "unknown" for one that is not
    to be found here: it has ended since, or its number is that of another process namespace.
    """

    pid: int
    memory_bytes: int | None = None
    whose: Whose = "unknown"


@dataclass(frozen=True)
class DeviceOccupants:
    """The processes on one device. `device` is its number in the job, None where that cannot be told."""

    device: int | None
    id: str
    processes: tuple[DeviceProcess, ...] = ()


@dataclass(frozen=True)
class Look:
    """One question, asked between `t0_ns` and `t1_ns` on the monotonic clock.

    `problem` says why there is no answer. `unplaced` counts processes of others of which the tool does not tell the
    device. `repeats` is how many looks in a row saw the same, of which this is the last.
    """

    t0_ns: int
    t1_ns: int
    devices: tuple[DeviceOccupants, ...] = ()
    problem: str | None = None
    unplaced: int = 0
    repeats: int = 1

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Look:
        """The look written by `to_dict`. Raises KeyError or TypeError for anything else."""
        devices = [
            DeviceOccupants(each["device"], each["id"], tuple(DeviceProcess(**one) for one in each["processes"]))
            for each in fields["devices"]
        ]
        return cls(
            fields["t0_ns"],
            fields["t1_ns"],
            tuple(devices),
            fields["problem"],
            fields["unplaced"],
            fields["repeats"],
        )

    @property
    def content(self) -> tuple[object, ...]:
        """What was seen, without when and how much memory was held."""
        held = tuple(
            (each.device, each.id, tuple((one.pid, one.whose) for one in each.processes)) for each in self.devices
        )
        return held, self.problem, self.unplaced


class Lister(Protocol):
    """A tool that lists the processes on the devices of a job. Built without arguments in the job's environment."""

    name: str
    period_s: float

    def find(self) -> str | None:
        """Finds the devices of the job; returns why there are none. Never raises."""
        ...

    def look(self) -> tuple[list[DeviceOccupants], list[DeviceProcess]]:
        """Processes on each of these devices, and those whose device is not told. Raises LookError."""
        ...


@dataclass(frozen=True)
class Stranger:
    """A process of another job on a device of the launch, or `processes` that are told by their count alone.

    It was there at some time between `t0_ns` and `t1_ns`: from the last look that did not show it to the first that did
    not show it any more. `pid` None: the numbers are those of another process namespace.
    """

    device: int | None
    pid: int | None
    processes: int
    memory_bytes: int | None
    t0_ns: int
    t1_ns: int
    seen: tuple[When, ...]

    @property
    def told(self) -> str:
        """In words: "process 4242 of another job (before, during)"."""
        which = f"process {self.pid}" if self.pid is not None else f"{self.processes} process(es)"
        return f"{which} of another job ({', '.join(self.seen)})"


@dataclass(frozen=True)
class Occupancy:
    """Whether others were on the devices of a launch.

    `strangers` are those that were seen. `reason` says what could not be found out; None where all was. `looks` counts
    the answers, before, during and after the work.
    """

    tool: str | None
    looks: tuple[int, int, int] = (0, 0, 0)
    strangers: tuple[Stranger, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class OccupantLog:
    """All looks of a launch, or `reason` why there is none. `same_namespace`: the tool numbers processes as here."""

    tool: str | None
    looks: tuple[Look, ...] = ()
    same_namespace: bool = True
    reason: str | None = None


@dataclass
class _Sighting:
    looks: list[int] = field(default_factory=list)
    memory_bytes: int | None = None
    processes: int = 1


def judge(log: OccupantLog, begun_ns: int, ended_ns: int, device_count: int) -> Occupancy:
    """Which processes on devices 0 to `device_count` - 1 were another job's while work ran from begun to ended.

    Before the work nothing on a device is the launch's. During it, a process that is not to be found here is another's
    where the tool numbers processes as here, or where more of them hold the device than the launch has. One that is not
    to be found and shows only afterwards may be what is left of the launch.
    """
    if log.reason is not None and not log.looks:
        return Occupancy(log.tool, reason=log.reason)
    looks = [_of_devices(look, device_count) for look in log.looks]
    answered = [look for look in looks if look.problem is None]
    whens = [_when(look, begun_ns, ended_ns) for look in looks]
    numbered_here = log.same_namespace or any(
        one.whose == "own" for look in answered for each in look.devices for one in each.processes
    )
    sightings: dict[tuple[int | None, int | None], _Sighting] = {}
    hidden, guessed = True, False
    for number, (look, when) in enumerate(zip(looks, whens, strict=True)):
        for each in look.devices:
            doubtful = []
            for one in each.processes:
                known = (each.device, one.pid) in sightings
                if one.whose == "own" and when != "before":
                    hidden = hidden and when != "during"
                elif when == "before" or known or (one.whose == "other" and numbered_here):
                    _see(sightings, (each.device, one.pid), number, one.memory_bytes)
                else:
                    doubtful.append(one)
            if doubtful and when == "during":
                hidden = False
                if numbered_here:
                    for one in doubtful:
                        _see(sightings, (each.device, one.pid), number, one.memory_bytes)
                else:
                    guessed = True
                    if len(doubtful) > OWN_PROCESSES:
                        _see(sightings, (each.device, None), number, None, len(doubtful) - OWN_PROCESSES)
    strangers = [_stranger(key, seen, looks, whens) for key, seen in sightings.items()]
    counts = [
        sum(look.repeats for look, when in zip(looks, whens, strict=True) if when == each and look.problem is None)
        for each in WHENS
    ]
    reasons = list(_unknowns(log, looks, whens, begun_ns, ended_ns, hidden, guessed))
    return Occupancy(
        tool=log.tool,
        looks=(counts[0], counts[1], counts[2]),
        strangers=tuple(strangers),
        reason="; ".join(reasons) or None,
    )


def _when(look: Look, begun_ns: int, ended_ns: int) -> When:
    if look.t1_ns <= begun_ns:
        return "before"
    return "after" if look.t0_ns >= ended_ns else "during"


def _of_devices(look: Look, device_count: int) -> Look:
    kept = (each for each in look.devices if each.device is None or each.device < device_count)
    return replace(look, devices=tuple(kept))


def _see(
    sightings: dict[tuple[int | None, int | None], _Sighting],
    key: tuple[int | None, int | None],
    number: int,
    memory_bytes: int | None,
    processes: int = 1,
) -> None:
    seen = sightings.setdefault(key, _Sighting())
    if number not in seen.looks:
        seen.looks.append(number)
    seen.processes = max(seen.processes, processes)
    if memory_bytes is not None:
        seen.memory_bytes = max(memory_bytes, seen.memory_bytes or 0)


def _stranger(
    key: tuple[int | None, int | None],
    seen: _Sighting,
    looks: Sequence[Look],
    whens: Sequence[When],
) -> Stranger:
    answered = [number for number, look in enumerate(looks) if look.problem is None]
    before = max((number for number in answered if number < seen.looks[0]), default=seen.looks[0])
    after = min((number for number in answered if number > seen.looks[-1]), default=seen.looks[-1])
    last = after == seen.looks[-1]
    return Stranger(
        device=key[0],
        pid=key[1],
        processes=seen.processes,
        memory_bytes=seen.memory_bytes,
        t0_ns=looks[before].t0_ns,
        t1_ns=MAX_NS if last else looks[after].t1_ns,
        seen=tuple(dict.fromkeys(whens[number] for number in seen.looks)),
    )


def _unknowns(
    log: OccupantLog,
    looks: Sequence[Look],
    whens: Sequence[str],
    begun_ns: int,
    ended_ns: int,
    hidden: bool,
    guessed: bool,
) -> Iterable[str]:
    """What could not be found out."""
    if log.reason is not None:
        yield log.reason
    failed = [look for look in looks if look.problem is not None]
    if failed:
        n_failed, n_looks = sum(look.repeats for look in failed), sum(look.repeats for look in looks)
        yield f"{log.tool} did not answer at {n_failed} of {n_looks} looks ({failed[0].problem})"
    answered = {when for look, when in zip(looks, whens, strict=True) if look.problem is None}
    for when in ("before", "after"):
        if when not in answered and not failed:
            yield f"the devices were not looked at {when} the work"
    halfway_ns = begun_ns + (ended_ns - begun_ns) // 2
    late = any(
        when == "during" and look.problem is None and look.t0_ns >= halfway_ns
        for look, when in zip(looks, whens, strict=True)
    )
    if late and hidden:
        yield f"{log.tool} did not list the launch's own process, so that others may not be listed either"
    if guessed:
        yield (f"{log.tool} numbers processes of another namespace: one on each device was taken for the launch's own")
    if unplaced := max((look.unplaced for look in looks), default=0):
        yield f"{log.tool} does not tell on which device {unplaced} process(es) of others are"
