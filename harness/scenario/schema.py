"""What the files in scenarios/models and scenarios/suites may say."""

import math
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, field_validator, model_validator

from harness.frozen import Frozen, PositiveInt
from harness.scenario.axes import setting
from harness.scenario.changes import NOTHING, ExecutionChange
from harness.scenario.limits import MOST_LAUNCHES, VERSIONS
from harness.scenario.regions import Region

FrameworkName = Literal["pytorch", "mindspore"]
Scaling = Literal["weak", "strong"]
Design = Literal["one_at_a_time", "full", "ladder"]
PresetName = Annotated[str, Field(pattern=r"^\w[\w.+ -]*$")]
"""It becomes part of a folder's name."""

PackageName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Without a dot: to find a module in a package, the package must be imported."""

Versions = Annotated[str, Field(pattern=VERSIONS)]
"""Bounds of a version, as in >=2.4,<2.14."""

MOST_VARIANTS = 1_000
"""Executions that axes make of one model in one framework."""

NetworkT = TypeVar("NetworkT", bound=BaseModel)


class OptimiserConfig(Frozen):
    """Adam (weight_decay 0) or AdamW with decoupled decay, as in torch.optim."""

    name: Literal["adam", "adamw"] = "adam"
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float | None = Field(
        default=None, gt=0, description="norm over all gradients above which they are scaled down to it"
    )

    @model_validator(mode="after")
    def _adam_has_no_decay(self) -> "OptimiserConfig":
        if self.name == "adam" and self.weight_decay:
            raise ValueError("adam takes no weight_decay (the coupled form is not offered): use adamw")
        return self


class Stage(Frozen):
    """A part of the training with its own schedule and a fresh optimiser."""

    name: str
    epochs: int = Field(
        ge=0, description="0: the stage is left out; in every stage: the weights are scored as they are"
    )
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine", "cosine_steps"] = Field(
        default="cosine", description="cosine falls once an epoch, cosine_steps with every step after the warm-up"
    )
    warmup_steps: int = Field(default=0, ge=0, description="steps in which the rate rises from 0, linearly")
    rollout_steps: PositiveInt = Field(default=1, description="autoregressive steps whose losses are added")


class TrainingConfig(Frozen):
    """How the model is trained."""

    batch_size: PositiveInt = Field(description="samples of a step on each device")
    optimiser: OptimiserConfig = OptimiserConfig()
    stages: tuple[Stage, ...] = Field(min_length=1)
    max_steps_per_epoch: PositiveInt | None = Field(
        default=None, description="steps of an epoch, and of its validation, at most; the rest of the split is left out"
    )

    def steps_of(self, batches: int) -> int:
        """Steps of an epoch, or of its validation, over a split of this number of batches."""
        return batches if self.max_steps_per_epoch is None else min(batches, self.max_steps_per_epoch)

    @property
    def epochs(self) -> int:
        """Epochs of all stages; 0 where nothing is trained."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def trained_stages(self) -> tuple[Stage, ...]:
        """The stages that have epochs."""
        return tuple(stage for stage in self.stages if stage.epochs)


class InferenceConfig(Frozen):
    """How single-step latency is measured and which lead times are scored."""

    batch_size: PositiveInt = 1
    min_steps: PositiveInt = Field(default=20, description="timed steps after the steady state is reached")
    max_steps: PositiveInt = Field(default=200, description="steps after which it counts as never reached")
    lead_steps: tuple[PositiveInt, ...] = Field(default=(1, 2, 4), min_length=1)
    rollout_batch_size: PositiveInt = 4
    skill: Literal["masked", "published", "none"] = Field(
        default="masked",
        description="published: scores as released code computes them, land filled with 0 and scored, for comparison "
        "with published tables only; none: nothing is forecast beyond a step and nothing scored",
    )

    regions: tuple[str | Region, ...] = Field(
        default=(), description="regions that are scored beside all points: names in scenarios/regions.yaml, or bounds"
    )

    @property
    def bounded_regions(self) -> tuple[Region, ...]:
        """The regions whose bounds are known: in a scenario all of them."""
        return tuple(region for region in self.regions if isinstance(region, Region))

    @property
    def longest_lead(self) -> int:
        """The longest lead time that is forecast, in steps."""
        return 1 if self.skill == "none" else self.lead_steps[-1]

    @model_validator(mode="after")
    def _ordered(self) -> "InferenceConfig":
        if list(self.lead_steps) != sorted(set(self.lead_steps)):
            raise ValueError("lead_steps must rise")
        if self.max_steps < self.min_steps:
            raise ValueError("max_steps must be at least min_steps")
        if self.regions and self.skill == "published":
            raise ValueError("the published way of scoring knows no regions")
        names = [region if isinstance(region, str) else region.name for region in self.regions]
        if len(set(names)) < len(names):
            raise ValueError("regions: a name stands there twice")
        return self


class Preset(Frozen, Generic[NetworkT]):
    """One size of a model: grid, network, training and inference."""

    description: str = ""
    grid: tuple[PositiveInt, PositiveInt] = Field(description="latitude rows, longitude columns")
    network: NetworkT
    training: TrainingConfig
    inference: InferenceConfig = InferenceConfig()


class ModelConfig(Frozen, Generic[NetworkT]):
    """A model's presets; `architecture` names the entry point in the group crosscast.models."""

    title: str
    architecture: str
    source: str = Field(description="paper and code that the network follows")
    presets: dict[PresetName, Preset[NetworkT]] = Field(min_length=1)


class SuiteModel(Frozen):
    """A model, the preset at which the suite runs it, its data and execution where they are not the suite's."""

    model: str
    preset: str
    data: str | None = Field(default=None, description="a mapping of scenarios/data; the suite's where it is not given")
    execution: ExecutionChange = Field(default=NOTHING, description="laid over the suite's")


class SuiteFramework(Frozen):
    """A framework and how it executes; eager and plain where nothing is said of it."""

    framework: FrameworkName
    execution: ExecutionChange = Field(default=NOTHING, description="laid over the model's and the suite's")


class LadderStep(Frozen):
    """A step of a ladder: what it adds to the one before."""

    name: str = Field(min_length=1)
    framework: FrameworkName | None = Field(default=None, description="that of the step before where it is not given")
    execution: ExecutionChange = Field(default=NOTHING, description="laid over that of the step before")


class Bounds(Frozen):
    """Limits of what the presets say, for a suite that measures times: its skill says nothing."""

    epochs: PositiveInt | None = Field(
        default=None, description="epochs of a stage at most; its learning rate is then constant, without warm-up"
    )
    max_steps_per_epoch: PositiveInt | None = Field(
        default=None, description="steps of an epoch at most; the learning rate is then constant, without warm-up"
    )
    lead_steps: PositiveInt | None = Field(default=None, description="lead times of the rollout, in steps, at most")
    skill: bool = Field(default=True, description="false: nothing is forecast beyond a step and nothing is scored")

    def training(self, config: TrainingConfig) -> TrainingConfig:
        """A preset's training within the limits."""
        if self.epochs is None and self.max_steps_per_epoch is None:
            return config
        same_rate: dict[str, Any] = {"schedule": "constant", "warmup_steps": 0}
        stages = tuple(
            stage.model_copy(update={**same_rate, "epochs": _least(stage.epochs, self.epochs)})
            for stage in config.stages
        )
        most = _least(config.max_steps_per_epoch, self.max_steps_per_epoch)
        return config.model_copy(update={"stages": stages, "max_steps_per_epoch": most})

    def inference(self, config: InferenceConfig) -> InferenceConfig:
        """A preset's inference within the limits; its first lead time stays."""
        first, *later = config.lead_steps
        kept = (first, *(step for step in later if self.lead_steps is None or step <= self.lead_steps))
        return config.model_copy(update={"lead_steps": kept, "skill": config.skill if self.skill else "none"})


def _least(preset: int | None, bound: int | None) -> int | None:
    """The smaller of the two; None where there is neither."""
    return min((each for each in (preset, bound) if each is not None), default=None)


class SuiteConfig(Frozen):
    """The cells of a bench: every model in every framework, on one chip, in every execution of the axes."""

    description: str = ""
    models: tuple[SuiteModel, ...] = Field(min_length=1)
    frameworks: tuple[SuiteFramework, ...] = ()
    execution: ExecutionChange = Field(default=NOTHING, description="of all models and frameworks")
    axes: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict,
        description="values of settings such as precision.autocast, or of a group such as compilation, each in turn",
    )
    design: Design = Field(
        default="one_at_a_time",
        description="one_at_a_time: each value of each axis alone, beside the execution without any; full: all values "
        "of all axes with one another; ladder: the steps of `ladder`, each added to those before it",
    )
    ladder: tuple[LadderStep, ...] = Field(default=(), description="in the place of frameworks and axes")
    devices: tuple[PositiveInt, ...] = Field(
        default=(), description="numbers of devices on which every execution runs, in the place of its own"
    )
    scaling: tuple[Scaling, ...] = Field(
        default=("weak",),
        min_length=1,
        description="what stays the same with more devices: weak, the batch of each; strong, that of all together",
    )
    bounds: Bounds = Field(default=Bounds(), description="limits of what the presets say")
    data: str = "rossby"
    launches: int = Field(
        default=5, gt=0, le=MOST_LAUNCHES, description="process launches a cell; 3 are needed for an interval"
    )
    seed: int = Field(default=0, ge=0, description="launch k draws weights and sample order from seed + k")
    idle_s: float = Field(
        default=10,
        ge=0,
        description="rest before and after the work, where power is read; 0: no net energy",
    )
    time_limit_s: float = Field(
        default=900,
        gt=0,
        description="a launch that takes longer is ended; on a chip with device files it may take 1800 s at least",
    )

    @field_validator("axes")
    @classmethod
    def _are_settings(cls, axes: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for axis, values in axes.items():
            if not values:
                raise ValueError(f"{axis} has no values")
            for value in values:
                setting(axis, value)
        return axes

    @model_validator(mode="after")
    def _one_design(self) -> "SuiteConfig":
        if self.design != "ladder":
            if self.ladder:
                raise ValueError("a ladder needs design: ladder")
            if not self.frameworks:
                raise ValueError("frameworks: required, but missing")
            if self.design == "full" and math.prod(map(len, self.axes.values())) > MOST_VARIANTS:
                raise ValueError(f"the axes have more than {MOST_VARIANTS:,} combinations: use design: one_at_a_time")
            return self
        if not self.ladder:
            raise ValueError("design: ladder needs the steps of a ladder")
        if self.axes or self.frameworks:
            raise ValueError("a ladder takes no axes and no frameworks: its steps name theirs")
        if self.ladder[0].framework is None:
            raise ValueError("the first step of the ladder needs a framework")
        if len({step.name for step in self.ladder}) < len(self.ladder):
            raise ValueError("two steps of the ladder have the same name")
        return self

    @property
    def framework_names(self) -> tuple[FrameworkName, ...]:
        """The frameworks of all its cells, each once."""
        of_steps = (step.framework for step in self.ladder if step.framework)
        return tuple(dict.fromkeys((*(entry.framework for entry in self.frameworks), *of_steps)))
