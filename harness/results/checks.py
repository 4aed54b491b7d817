"""Numbers that no machine, launch or network has: what holds them is a damaged file, whose other numbers are no better.

Checked when a record is read, so that nothing that is made of records has to expect a lead time of 1e59 hours.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from pydantic import BaseModel

from harness.results.record import Energy, Load, Measurements, Record, StageSummary

MOST_INTEGER = 2**63 - 1
MOST_FLOAT = 1e39
"""Above the largest float32, which a diverging loss reaches before it is infinite."""

MOST_LAUNCH = 10**6
MOST_LEAD_H = 1e7
YEARS = (1970, 2200)
LEAD_H = attrgetter("lead_h")
MEMORY = ("process_rss_bytes", "device_bytes", "device_reserved_bytes")


def check_numbers(value: Any, where: str = "") -> None:
    """Raise ValueError, with the place, for an integer beyond 64 bits, and for a float beyond MOST_FLOAT or not finite.

    `value` is a model, a structure that msgspec made of one, or what JSON has, to any depth that JSON can have.
    """
    if isinstance(value, bool | str) or value is None:
        return
    if isinstance(value, int):
        if abs(value) > MOST_INTEGER:
            raise ValueError(f"{where}: an integer of {value.bit_length()} bits")
    elif isinstance(value, float):
        if not abs(value) <= MOST_FLOAT:
            raise ValueError(f"{where}: {value:g}")
    elif isinstance(value, msgspec.Struct):
        check_numbers(msgspec.structs.asdict(value), where)
    elif isinstance(value, BaseModel | Mapping):
        for name, each in value if isinstance(value, BaseModel) else value.items():
            check_numbers(each, f"{where}.{name}" if where else str(name))
    elif isinstance(value, Iterable):
        for number, each in enumerate(value):
            check_numbers(each, f"{where}.{number}" if where else str(number))


def check_record(record: Record) -> None:
    """Raise ValueError, with the field, where a number or a time of a record is none that a launch can have.

    Losses and scores may be infinite or NaN: training diverges. What tables compute of times, energies and scores is
    checked by `harness.analysis.summaries`.
    """
    _within("launch", record.launch, 0, MOST_LAUNCH)
    _within("order", record.order, 0, MOST_INTEGER)
    _within("duration_s", record.duration_s, 0, MOST_FLOAT)
    _check_started(record.started_at)
    _check_load(record.load)
    _check_once(_Same(record.scenario), "scenario")
    _check_once(_Same(record.environment), "environment")
    for rank in record.ranks:
        _check_once(_Same(rank), "ranks")
    if record.steps:
        _within("steps.rows", record.steps.rows, 1, MOST_INTEGER)
    _check_measurements(record.measurements)
    _check_energy(record.energy)


class _Same:
    """A value that is equal to itself alone, so that what thousands of records share is checked once."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@lru_cache(maxsize=2**10)
def _check_once(same: _Same, where: str) -> None:
    check_numbers(same.value, where)


def _check_load(load: Load) -> None:
    for name in ("load_average_1min", "cpu_count", "foreign_cores", "cores"):
        if not -MOST_FLOAT <= (getattr(load, name) or 0) <= MOST_FLOAT:
            raise ValueError(f"load.{name}: {_short(getattr(load, name))}")
    if load.devices or load.device_states:
        check_numbers(load, "load")


def _check_started(started_at: str) -> None:
    try:
        year = datetime.fromisoformat(started_at).year
    except ValueError:
        return
    if not YEARS[0] <= year <= YEARS[1]:
        raise ValueError(f"started_at: the year {year}")


def _check_measurements(measured: Measurements) -> None:
    _within("measurements.parameters", measured.parameters or 0, 0, MOST_INTEGER)
    if measured.framework:
        _check_once(_Same(measured.framework), "measurements.framework")
    if measured.memory:
        for name in MEMORY:
            if not 0 <= (getattr(measured.memory, name) or 0) <= MOST_INTEGER:
                raise ValueError(f"measurements.memory.{name}: {_short(getattr(measured.memory, name))}")
    if measured.compiles:
        check_numbers(measured.compiles, "measurements.compiles")
    for stage in measured.training:
        _check_stage(stage)
    if measured.inference:
        _within("inference.batch_size", measured.inference.batch_size, 0, MOST_INTEGER)
    if measured.skill:
        _check_leads(tuple(map(LEAD_H, measured.skill.scores)))
    for phase in measured.phases:
        if not 0 <= phase.t0_ns <= phase.t1_ns <= MOST_INTEGER:
            raise ValueError(f"phase {phase.name}: begins or ends at no time, or ends before it begins")
        if not (0 <= phase.steps <= MOST_INTEGER and 0 <= phase.samples <= MOST_INTEGER):
            raise ValueError(f"phase {phase.name}: {_short(phase.steps)} steps of {_short(phase.samples)} samples")


def _check_stage(stage: StageSummary) -> None:
    _within(f"{stage.name}: samples_per_epoch", stage.samples_per_epoch, 0, MOST_INTEGER)
    for epoch in stage.epochs:
        if not 1 <= epoch.steps <= MOST_INTEGER:
            raise ValueError(f"{stage.name}: {_short(epoch.steps)} steps in an epoch")
        for loss in (epoch.mean_loss, epoch.last_loss, epoch.validation_loss or 0.0):
            if MOST_FLOAT < abs(loss) < math.inf:
                raise ValueError(f"{stage.name}: a loss of {loss:g}")


@lru_cache(maxsize=2**8)
def _check_leads(leads_h: tuple[float, ...]) -> None:
    for lead_h in leads_h:
        if not 0 <= lead_h <= MOST_LEAD_H:
            raise ValueError(f"skill: a lead time of {lead_h:g} h")


def _check_energy(energy: Energy) -> None:
    for name in ("idle", "sampling", "calibrations"):
        if value := getattr(energy, name):
            check_numbers(value, f"energy.{name}")
    for use in energy.device_uses:
        of_all = (use.memory_fraction or 0, use.utilisation or 0)
        if not (0 <= use.device <= MOST_INTEGER and 0 <= (use.memory_bytes or 0) <= MOST_INTEGER):
            raise ValueError("energy.device_uses: a device or a size of memory that there is not")
        if not all(0 <= fraction <= 1 for fraction in of_all):
            raise ValueError(f"energy.device_uses: fractions of {of_all[0]:g} and {of_all[1]:g}")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name}: {_short(value)}")


def _short(value: float) -> str:
    return f"an integer of {value.bit_length()} bits" if isinstance(value, int) and abs(value) > 2**63 else f"{value:g}"
