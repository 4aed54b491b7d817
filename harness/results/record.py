"""The record of one launch: the contract between measuring and everything that is made of measurements.

The types of its parts are in the modules beside this one and may be imported from here.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.privacy import without_folders
from harness.results.devices import (
    Accelerator,
    Device,
    DeviceProcesses,
    DeviceState,
    Load,
    OtherProcess,
    Rank,
    RankTimes,
)
from harness.results.environment import Environment
from harness.results.measurements import (
    Communication,
    Compile,
    Definitions,
    EpochSummary,
    Fingerprints,
    LatencySummary,
    MeasuredParts,
    Measurements,
    Memory,
    Skill,
    SkillScore,
    StageSummary,
    Startup,
    StepTimes,
)
from harness.results.nodes import Node
from harness.results.phases import AppliedCalibration, Energy, Idle, Phase, PhaseEnergy, Sampling, ScopeEnergy
from harness.results.series import Epoch, Latency, TrainingStage, WorkerMeasurements
from harness.results.steps import StepsFile
from harness.results.upgrade import upgrade
from harness.scenario.scenario import Scenario

__all__ = [
    "Accelerator",
    "AppliedCalibration",
    "Communication",
    "Compile",
    "Definitions",
    "Device",
    "DeviceProcesses",
    "DeviceState",
    "Energy",
    "Environment",
    "Epoch",
    "EpochSummary",
    "Fingerprints",
    "Idle",
    "Latency",
    "LatencySummary",
    "Load",
    "MeasuredParts",
    "Measurements",
    "Memory",
    "Node",
    "OtherProcess",
    "Phase",
    "PhaseEnergy",
    "Rank",
    "RankTimes",
    "Record",
    "Sampling",
    "ScopeEnergy",
    "Skill",
    "SkillScore",
    "StageSummary",
    "Startup",
    "StepTimes",
    "StepsFile",
    "TrainingStage",
    "WorkerMeasurements",
]

SCHEMA_VERSION: Literal[3] = 3
"""3 keeps steps in a table beside the record, and every part by type. Records of 1 and 2 are read: see `upgrade`."""

FILE_NAME = "record.json"
SET_ASIDE_NAME = "record.damaged.json"
"""What a damaged record is called once another launch stands in for it."""

MOST_BYTES = 2**28
"""Of a record, and of the small files that are kept beside records; an old one of ten million steps would fit."""

Status = Literal["completed", "failed", "crashed", "out_of_memory", "timed_out", "interrupted"]
Purpose = Literal["measurement", "profile", "rehearsal"]


class Record(Frozen):
    """One launch."""

    schema_version: Literal[3] = SCHEMA_VERSION
    purpose: Purpose = Field(default="measurement", description="only measurements stand in tables and count as made")
    scenario: Scenario
    cell: str
    launch: int = Field(description="number of the launch in its cell; its seed is scenario.seed + launch")
    attempt: str
    bench: str = Field(description="identifier of the bench command that made the launch")
    order: int = Field(description="position of the launch in that bench")
    started_at: str = Field(description="UTC, ISO 8601")
    duration_s: float
    status: Status
    reason: str | None
    environment: Environment
    load: Load
    ranks: tuple[Rank, ...] = Field(default=(), description="in order; a launch on one device has one")
    nodes: tuple[Node, ...] = Field(default=(), description="in order, where several nodes made the launch")
    measurements: Measurements
    steps: StepsFile | None = Field(default=None, description="the steps in steps.parquet; None where there is no file")
    energy: Energy

    @property
    def seed(self) -> int:
        """Seed of the initial weights and the order of the samples."""
        return self.scenario.seed + self.launch


def save(record: Record, folder: Path) -> Path:
    """Write record.json, in one line, into the folder of the launch, paths shortened.

    Raises what `write_atomically` raises.
    """
    path = folder / FILE_NAME
    root, reason, measured = record.scenario.data_root, record.reason, record.measurements
    files = {kind: without_folders(name) for kind, name in record.scenario.files.items()}
    discreet: dict[str, Any] = {
        "scenario": record.scenario.model_copy(update={"data_root": root and without_folders(root), "files": files}),
        "reason": reason and without_folders(reason),
    }
    if measured.data is not None:
        told = {name: tuple(map(without_folders, getattr(measured.data, name))) for name in ("remarks", "cautions")}
        discreet["measurements"] = measured.model_copy(update={"data": measured.data.model_copy(update=told)})
    content = msgspec.json.format(record.model_copy(update=discreet).model_dump_json().encode(), indent=0)
    write_atomically(path, content + b"\n")
    return path


def load(path: Path) -> Record:
    """Read a record.

    Raises UserError where the file cannot be read, is damaged or of a newer schema.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        return _older(path, content, error)


def _older(path: Path, text: bytes, error: ValidationError) -> Record:
    """The record of an older schema; raises UserError for what `text` is otherwise."""
    import json

    try:
        content = json.loads(text.decode())
    except (ValueError, RecursionError) as not_json:
        raise _damaged(path, f"not JSON ({not_json})") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema version {version}, but {SCHEMA_VERSION} is the newest that is read here; upgrade crosscast"
        )
    if version not in (1, 2):
        raise _damaged(path, _first(error)) from None
    try:
        return Record.model_validate(upgrade(content))
    except ValidationError as wrong:
        raise _damaged(path, _first(wrong)) from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as wrong:
        raise _damaged(path, str(wrong)) from None


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'record'}: {first['msg']}"


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path}: damaged: {why}; remove it or run it again")
