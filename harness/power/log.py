"""A power log with its phases, from a recording or from the folder of a launch."""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict, TypeVar

from collectors.accounting.energy_curve import EnergyCurve, midpoint_ns
from collectors.samples import SampleLog, read_notes, read_parquet
from collectors.sampling.log_checks import checked
from harness.errors import UserError
from harness.results import file_names, record
from harness.results.checks import check_record

Content = TypeVar("Content")


@dataclass(frozen=True)
class LoggedPhase:
    """A phase on the monotonic clock of the machine that was measured."""

    name: str
    t0_ns: int
    t1_ns: int


class _Notes(TypedDict):
    """Types of what a recording keeps beside its samples."""

    title: str
    phases: list[LoggedPhase]


@dataclass(frozen=True)
class PowerLog:
    """What was sampled, in which phases, and what to call it."""

    title: str
    log: SampleLog
    phases: tuple[LoggedPhase, ...]

    @property
    def origin_ns(self) -> int:
        """The moment that counts as 0 s: the first phase or reading."""
        return min([phase.t0_ns for phase in self.phases] + self._times_ns(), default=0)

    @property
    def windows(self) -> tuple[LoggedPhase, ...]:
        """The phases that take time, or the whole log as one where there are none.

        Sensors are read one after the other: the whole log is what they share, as no energy is known before the first
        value of a sensor or after its last. Where they share nothing, it is all of it.
        """
        whole = LoggedPhase("whole log", *(self._shared_ns() or self._outer_ns()))
        return tuple(phase for phase in self.phases or (whole,) if phase.t0_ns < phase.t1_ns)

    def _shared_ns(self) -> tuple[int, int] | None:
        """When the last series has begun and the first ends, of power and of counters; None where that is no time."""
        curves = [
            curve
            for sensor in self.log.sensors
            for curve in (
                EnergyCurve.from_power([each for each in self.log.readings if each.sensor == sensor.id], math.inf),
                EnergyCurve.from_counter(
                    [each for each in self.log.counters if each.sensor == sensor.id], math.inf, sensor.counter_wrap_j
                ),
            )
            if curve.moves
        ]
        begin_ns = max((int(curve.t_ns[0]) for curve in curves), default=0)
        end_ns = min((int(curve.t_ns[-1]) for curve in curves), default=0)
        return (begin_ns, end_ns) if begin_ns < end_ns else None

    def _outer_ns(self) -> tuple[int, int]:
        times_ns = self._times_ns()
        return min(times_ns, default=0), max(times_ns, default=0)

    def _times_ns(self) -> list[int]:
        return [midpoint_ns(read) for reads in (self.log.readings, self.log.counters) for read in reads]


def notes_of(title: str, phases: Sequence[LoggedPhase]) -> dict[str, object]:
    """What a recording keeps beside its samples."""
    return {"title": title, "phases": [asdict(phase) for phase in phases]}


def load(path: Path) -> PowerLog:
    """Read a recording or the log in the folder of a launch, its phases from the record beside it.

    Raises UserError where there is no log, or no log that can be read.
    """
    if os.path.isdir(path):  # noqa: PTH112 (False where the name is too long)
        return _load_launch(path)
    if not os.path.lexists(path):
        raise UserError(f"{path}: cannot be read: no such file or folder")
    beside = path.with_name(record.FILE_NAME)
    if path.name == file_names.POWER and beside.exists():
        return _load_launch(path.parent)
    log, notes = _read(path, read_parquet), _read(path, read_notes)
    try:
        kept = checked({"title": path.name, "phases": [], **notes}, _Notes)
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    if backwards := [phase.name for phase in kept["phases"] if phase.t0_ns > phase.t1_ns]:
        raise UserError(f"{path}: damaged: the phase {backwards[0]} ends before it begins")
    return PowerLog(kept["title"], log, tuple(kept["phases"]))


def _load_launch(folder: Path) -> PowerLog:
    if not (folder / record.FILE_NAME).exists():
        raise UserError(f"{folder}: no launch: it has no {record.FILE_NAME}")
    kept = record.load(folder / record.FILE_NAME)
    try:
        check_record(kept)
    except ValueError as error:
        raise UserError(f"{folder / record.FILE_NAME}: damaged: {error}; remove it or run it again") from None
    path = folder / file_names.POWER
    if not os.path.lexists(path):
        raise UserError(f"{folder}: no power was sampled: {kept.energy.reason}")
    phases = tuple(LoggedPhase(phase.name, phase.t0_ns, phase.t1_ns) for phase in kept.measurements.phases)
    return PowerLog(f"{kept.cell}, launch {kept.launch}", _read(path, read_parquet), phases)


def _read(path: Path, read: Callable[[Path], Content]) -> Content:
    import pyarrow as pa

    try:
        return read(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (pa.ArrowException, KeyError, RecursionError, json.JSONDecodeError):
        raise UserError(f"{path}: no power log of crosscast") from None
    except ValueError as error:
        raise UserError(f"{path}: no power log of crosscast: {error}") from None
