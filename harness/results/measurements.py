"""What was measured in a launch, as its record keeps it: summaries of steps, scores, memory and definitions."""

from statistics import median
from typing import Literal

from pydantic import Field

from harness.data.reading import DataReading
from harness.frameworks.base import Compile, FrameworkDescription, Numerics
from harness.frozen import Frozen
from harness.models.domain import InputSpec
from harness.results.phases import Phase


class Fingerprints(Frozen):
    """What two records must share to be compared; SHA-256 in hex, of an archive as harness.data.fingerprints says."""

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
    low_precision_layers: tuple[str, ...] | None = Field(
        default=(), description="layers whose products ran in a lower format; None where a framework's own list decided"
    )
    operators: dict[str, str] | None = Field(
        default=None, description="what served the operators of the network, by name; None where it was not recorded"
    )


class Startup(Frozen):
    """Seconds from the start of the worker, each part apart; measuring the numerics is in none of them."""

    import_s: float
    data_ready_s: float
    model_built_s: float


class StepTimes(Frozen):
    """The times of `count` steps in seconds: sum, median and distance of the quartiles (linear between ranks)."""

    count: int
    total_s: float
    median_s: float
    iqr_s: float


class EpochSummary(Frozen):
    """One epoch. The step series are in steps.parquet; the fields are those of `harness.results.series.Epoch`.

    `mean_loss` is the mean over its steps, `last_loss` that of the last step. `compile_s` is what first calls took
    beyond the median step, None where no other step tells that or, in an old record, nobody noted which calls compiled.
    """

    steps: int
    data_total_s: float
    step_total_s: float
    mean_loss: float
    last_loss: float
    validation_loss: float | None
    validation_s: float | None
    wait_total_s: float | None = None
    window: int = 1
    first_calls: tuple[int, ...] = ()
    compile_s: float | None = 0.0

    @property
    def epoch_s(self) -> float:
        """Data and steps; validation is not part of it."""
        return self.data_total_s + self.step_total_s


class StageSummary(Frozen):
    """The epochs of a training stage; the fields are those of `harness.results.series.TrainingStage`.

    `first_step_s` holds the compilation. `steady_steps` are those from `steady_from_step` on; None where the steady
    state was never reached.
    """

    name: str
    rollout_steps: int
    dropped_samples: int
    samples_per_epoch: int
    epochs: tuple[EpochSummary, ...]
    steady_from_step: int | None
    first_step_s: float
    steady_steps: StepTimes | None
    skipped_steps: int | None = None
    loss_scale: float | None = None


class LatencySummary(Frozen):
    """Single-step inference at a fixed batch size; `timed_steps` are those from the steady state on."""

    batch_size: int
    first_step_s: float
    warmup_steps: int
    steady: bool = Field(description="False if the steady state was never reached; timed_steps are then the last ones")
    timed_steps: StepTimes | None


class SkillScore(Frozen):
    """RMSE, bias, MAE (in the variable's units), ACC and activity of a forecaster at a lead time.

    `activity` is the standard deviation of the forecast's anomalies over that of the truth's. The RMSE of a forecast
    that blew up is infinite or NaN; all others are None where they are not finite, not defined, or of an older record.
    `region` is None where all points count.
    """

    forecaster: Literal["model", "persistence", "climatology"]
    variable: str
    units: str
    lead_h: float
    samples: int
    rmse: float
    acc: float | None
    bias: float | None = None
    mae: float | None = None
    activity: float | None = None
    region: str | None = None


class Skill(Frozen):
    """Scores of the rollout on the test period, with the definitions they follow."""

    weights: str
    rmse_order: str
    acc: str
    climatology: str
    scores: tuple[SkillScore, ...]


class Memory(Frozen):
    """Peak memory in bytes from when the data are ready; None where nobody keeps that count.

    `process_rss_bytes` is the kernel's count of the worker, `device_bytes` what the framework gave to tensors, and
    `device_reserved_bytes` what it took of the device for them.
    """

    process_rss_bytes: int | None
    device_bytes: int | None
    device_reserved_bytes: int | None = None


class Communication(Frozen):
    """Seconds of training steps with and without the exchange of gradients, each that of the slowest rank.

    All are empty where `reason` says why there are none.
    """

    step_s: tuple[float, ...] = ()
    without_exchange_s: tuple[float, ...] = ()
    of_each_s: tuple[float, ...] = Field(
        default=(),
        description="median without the exchange of each rank, by its number: with it all wait for the slowest, so "
        "that no step tells which one that is; empty in older records",
    )
    reason: str | None = None

    @property
    def share(self) -> float | None:
        """The part of a median step that the exchange takes; None where that is not measured."""
        if not self.step_s or not self.without_exchange_s:
            return None
        return 1 - median(self.without_exchange_s) / median(self.step_s)

    @property
    def over_quickest(self) -> tuple[float, ...]:
        """What each rank takes without the exchange over the quickest; empty where that is not measured."""
        return tuple(each / min(self.of_each_s) for each in self.of_each_s)


class MeasuredParts(Frozen):
    """What a worker and a record say alike; parts that the worker did not reach are None."""

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
    compiles: tuple[Compile, ...] = Field(default=(), description="the calls that compiled a graph, in their order")
    no_training: str | None = Field(default=None, description="why there is no training, where none was asked for")
    skill: Skill | None = None
    memory: Memory | None = None
    phases: tuple[Phase, ...] = ()
    communication: Communication | None = Field(
        default=None, description="None with one rank, where nothing was trained, and in older records"
    )
    profile: str | None = Field(default=None, description="trace file of a profiler beside the record")


class Measurements(MeasuredParts):
    """What was measured, as a record keeps it."""

    training: tuple[StageSummary, ...] = ()
    inference: LatencySummary | None = None
