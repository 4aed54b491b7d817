"""The record of one launch: the contract between measuring and everything that is made of measurements."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.data.reading import DataReading
from harness.errors import UserError
from harness.files import write_atomically
from harness.frameworks.base import FrameworkDescription, Numerics
from harness.frozen import Frozen
from harness.models.domain import InputSpec
from harness.privacy import without_folders
from harness.scenario.matrix import Scenario

SCHEMA_VERSION: Literal[2] = 2
"""2 adds idle phases, net energy, and how the sampler did. Records of 1 are read."""

FILE_NAME = "record.json"
SET_ASIDE_NAME = "record.damaged.json"
"""What a damaged record is called once another launch stands in for it."""

MOST_BYTES = 2**28
"""Of a record, and of the small files that are kept beside records; ten million steps would fit."""

Status = Literal["completed", "failed", "crashed", "out_of_memory", "timed_out", "interrupted"]


class Environment(Frozen):
    """The machine and the software around a launch; None where it could not be found out."""

    crosscast_version: str
    git_commit: str | None
    git_dirty: bool | None
    python: str
    platform: str
    host: str = Field(description="SHA-256 of the identity of the machine, 12 hex digits: see harness.machine.identity")
    host_identity: str | None = Field(
        default=None, description="what kind of identity that is; None in older records, which have the host name's"
    )
    container: str | None
    cpu_name: str
    cpu_count: int
    cpu_mhz: float | None
    cpu_mhz_max: float | None
    memory_bytes: int | None
    packages: str = Field(description="SHA-256 of the list of installed packages and versions")
    visible_devices: str | None = Field(description="value of the chip's visible-devices variable")
    threads: dict[str, str] = Field(description="thread settings found in the environment variables")
    variables: dict[str, str] | None = Field(
        default=None, description="other environment variables that change speed or numbers; None where not recorded"
    )
    accelerator: dict[str, str] = Field(description="names, clocks, caps and memory as the driver tells them")


class Fingerprints(Frozen):
    """What two records must share to be compared; SHA-256 in hex."""

    data: str
    initial_weights: str
    architecture: str


class Definitions(Frozen):
    """What was minimised and on what inputs, in words and names."""

    loss: str | None = Field(description="None where the architecture does not say")
    normalisation: str
    inputs: InputSpec
    forcings: tuple[str, ...] = Field(description="forcings among the inputs")
    statics: tuple[str, ...] = Field(description="static fields among the inputs")
    operators: dict[str, str] | None = Field(
        default=None, description="what served the operators that a network lets choose; None where it was not recorded"
    )


class Startup(Frozen):
    """Seconds from the start of the worker, each part apart; measuring the numerics is in none of them."""

    import_s: float
    data_ready_s: float
    model_built_s: float


class Epoch(Frozen):
    """One epoch: for each step the time to have the batch on the device, the time of the step, and its loss.

    Loss and time of the validation are None where the data are split without one.
    """

    data_s: tuple[float, ...]
    step_s: tuple[float, ...]
    loss: tuple[float, ...]
    validation_loss: float | None
    validation_s: float | None
    wait_s: tuple[float, ...] = Field(
        default=(), description="part of data_s: what the loop waited for the batch on the host; () in older records"
    )
    window: int = Field(
        default=1, description="steps that were timed together; above 1 step_s holds the mean of each window"
    )

    @property
    def epoch_s(self) -> float:
        """Data and steps; validation is not part of it."""
        return sum(self.data_s) + sum(self.step_s)


class TrainingStage(Frozen):
    """The epochs of a stage; the first step of the first epoch holds the compilation."""

    name: str
    rollout_steps: int
    dropped_samples: int = Field(description="samples of each epoch that fill no batch")
    samples_per_epoch: int
    epochs: tuple[Epoch, ...]
    steady_from_step: int | None = Field(description="first step of the steady state, None if it was never reached")

    @property
    def first_step_s(self) -> float:
        """The step that includes compilation."""
        return self.epochs[0].step_s[0]


class Latency(Frozen):
    """Single-step inference at a fixed batch size; `step_s` starts where the steady state does."""

    batch_size: int
    first_step_s: float
    warmup_steps: int
    steady: bool = Field(description="False if the steady state was never reached; step_s then holds the last steps")
    step_s: tuple[float, ...]


class SkillScore(Frozen):
    """RMSE (in the variable's units) and ACC of a forecaster at a lead time; acc None where it is not defined.

    The RMSE of a forecast that blew up is infinite or NaN.
    """

    forecaster: Literal["model", "persistence", "climatology"]
    variable: str
    units: str
    lead_h: float
    samples: int
    rmse: float
    acc: float | None


class Skill(Frozen):
    """Scores of the rollout on the test period, with the definitions they follow."""

    weights: str
    rmse_order: str
    acc: str
    climatology: str
    scores: tuple[SkillScore, ...]


class Memory(Frozen):
    """Peak memory in bytes from when the data are ready.

    Process None where the kernel does not count that, device None where the framework keeps no count.
    """

    process_rss_bytes: int | None
    device_bytes: int | None


class Phase(Frozen):
    """A part of the launch on the monotonic clock of its machine."""

    name: str
    t0_ns: int
    t1_ns: int
    steps: int
    samples: int = Field(description="samples that passed in all its steps")


class PhaseEnergy(Frozen):
    """Energy of a phase; the fields of `window` are those of collectors.accounting.energy.WindowEnergy.

    `net_energy_j` is what is left without the idle power; None where that is not known, and `net_reason` says why.
    """

    phase: str
    window: dict[str, Any]
    net_energy_j: float | None = None
    net_reason: str | None = None


class Idle(Frozen):
    """Power at rest with the device open; `power_w` None where `reasons` speak against it."""

    before_w: float | None
    after_w: float | None
    power_w: float | None
    reasons: tuple[str, ...]


class Sampling(Frozen):
    """How the sampler kept its pace and what it took, seconds of CPU; None where it died before it could say.

    The intervals are those between reads of the sensor that was read least evenly.
    """

    period_s: float
    interval_s: float | None
    interval_deviation_s: float | None
    max_interval_s: float | None
    ticks: int | None
    late_ticks: int | None
    max_late_s: float | None
    cpu_s: float | None


class AppliedCalibration(Frozen):
    """What a calibration found of a sensor, in seconds, and was applied before the accounting."""

    sensor: str
    file: str
    made_at: str
    delay_s: float
    window_s: float | None
    update_period_s: float | None


class Energy(Frozen):
    """Energy by phase; `reason` says why there is none."""

    collector: str | None
    reason: str | None
    idle: Idle | None = None
    calibrations: tuple[AppliedCalibration, ...] = ()
    sampling: Sampling | None = None
    phases: tuple[PhaseEnergy, ...] = ()


class OtherProcess(Frozen):
    """A process of another job on a device of the launch; `pid` None where only the number of them is known."""

    device: int | None
    pid: int | None
    processes: int
    memory_bytes: int | None
    seen: tuple[Literal["before", "during", "after"], ...]


class DeviceProcesses(Frozen):
    """Who else was on the devices of the launch; `reason` says what could not be found out."""

    tool: str | None
    looks_before: int
    looks_during: int
    looks_after: int
    others: tuple[OtherProcess, ...]
    reason: str | None


class Load(Frozen):
    """What else the machine was doing."""

    load_average_1min: float = Field(description="just before the launch; holds what the launch before left")
    cpu_count: int
    foreign_cores: float = Field(description="mean cores of the job busy during the launch with anything but it")
    foreign: bool = Field(description="foreign_cores was above the allowance: the times are suspect")
    cores: int | None = Field(default=None, description="cores on which the job may run, the only ones counted")
    devices: DeviceProcesses | None = Field(
        default=None, description="None for a chip without a tool that lists processes, and in older records"
    )


class Measurements(Frozen):
    """What the worker measured; parts it did not reach are None."""

    framework: FrameworkDescription | None = None
    numerics: Numerics | None = None
    sources: str | None = Field(
        default=None,
        description="SHA-256 of the network's code in its framework, for which parity certificates are made",
    )
    fingerprints: Fingerprints | None = None
    data: DataReading | None = Field(default=None, description="None where it was not recorded")
    definitions: Definitions | None = None
    parameters: int | None = None
    startup: Startup | None = None
    training: tuple[TrainingStage, ...] = ()
    no_training: str | None = Field(default=None, description="why there is no training, where none was asked for")
    inference: Latency | None = None
    skill: Skill | None = None
    memory: Memory | None = None
    phases: tuple[Phase, ...] = ()
    profile: str | None = Field(
        default=None, description="trace file beside the record; the times of such a launch are those under a profiler"
    )


class Record(Frozen):
    """One launch."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
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
    measurements: Measurements
    energy: Energy

    @property
    def seed(self) -> int:
        """Seed of the initial weights and the order of the samples."""
        return self.scenario.seed + self.launch


def save(record: Record, folder: Path) -> Path:
    """Write record.json into the folder of the launch, paths shortened; raises what `write_atomically` raises."""
    path = folder / FILE_NAME
    root, reason, measured = record.scenario.data_root, record.reason, record.measurements
    discreet: dict[str, Any] = {
        "scenario": record.scenario.model_copy(update={"data_root": root and without_folders(root)}),
        "reason": reason and without_folders(reason),
    }
    if measured.data is not None:
        told = {name: tuple(map(without_folders, getattr(measured.data, name))) for name in ("remarks", "cautions")}
        discreet["measurements"] = measured.model_copy(update={"data": measured.data.model_copy(update=told)})
    write_atomically(path, record.model_copy(update=discreet).model_dump_json(indent=1) + "\n")
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
        raise _damaged(path, content, error) from None


def _damaged(path: Path, text: bytes, error: ValidationError) -> UserError:
    import json

    try:
        content = json.loads(text.decode())
    except (ValueError, RecursionError) as not_json:
        return UserError(f"{path}: damaged: not JSON ({not_json}); remove it or run it again")
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        return UserError(
            f"{path}: schema version {version}, but {SCHEMA_VERSION} is the newest that is read here; upgrade crosscast"
        )
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    return UserError(f"{path}: damaged: {field or 'record'}: {first['msg']}; remove it or run it again")
