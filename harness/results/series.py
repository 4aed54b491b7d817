"""What a worker measures, step by step: the launcher keeps the steps as a table and their summaries in the record."""

from collections.abc import Sequence
from math import fsum
from statistics import median

from pydantic import Field

from harness.frozen import Frozen
from harness.results.measurements import (
    EpochSummary,
    LatencySummary,
    MeasuredParts,
    Measurements,
    StageSummary,
    StepTimes,
)


class Epoch(Frozen):
    """One epoch: for each step the time to have the batch on the device, the time of the step, and its loss.

    The clock is read once in `window` steps; where that is more than one, each step has its share of the time of its
    window. `wait_s` is the part of `data_s` in which the loop did nothing but wait for a batch, None where that is not
    told apart. Loss and time of the validation are None where the data are split without one.
    """

    data_s: tuple[float, ...]
    step_s: tuple[float, ...]
    loss: tuple[float, ...]
    validation_loss: float | None
    validation_s: float | None
    wait_s: tuple[float, ...] | None = None
    window: int = 1
    first_calls: tuple[int, ...] = Field(default=(), description="steps that compiled a graph, counted from 0")

    @property
    def compile_s(self) -> float | None:
        """What its first calls took beyond its median step; None where no step is left to tell that."""
        if not self.first_calls:
            return 0.0
        others = [s for step, s in enumerate(self.step_s) if step not in self.first_calls]
        if not others:
            return None
        return fsum(max(0.0, self.step_s[step] - median(others)) for step in self.first_calls)

    def summary(self) -> EpochSummary:
        """What the record keeps. Raises ValueError for an epoch without a step or with series of unlike lengths."""
        lengths = {len(series) for series in (self.data_s, self.step_s, self.loss, self.wait_s) if series is not None}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError("an epoch without a step, or whose times and losses are not as many")
        return EpochSummary(
            steps=len(self.step_s),
            data_total_s=fsum(self.data_s),
            step_total_s=fsum(self.step_s),
            mean_loss=mean(self.loss),
            last_loss=self.loss[-1],
            validation_loss=self.validation_loss,
            validation_s=self.validation_s,
            wait_total_s=None if self.wait_s is None else fsum(self.wait_s),
            window=self.window,
            first_calls=self.first_calls,
            compile_s=self.compile_s,
        )


class TrainingStage(Frozen):
    """The epochs of a stage; the first step of the first epoch holds the compilation.

    `skipped_steps` counts those whose gradients overflowed and that changed nothing, `loss_scale` is the scale at the
    end; both None without loss scaling.
    """

    name: str
    rollout_steps: int
    dropped_samples: int = Field(description="samples of each epoch that fill no batch or lie beyond its steps")
    samples_per_epoch: int
    epochs: tuple[Epoch, ...]
    steady_from_step: int | None = Field(description="first step of the steady state, None if it was never reached")
    skipped_steps: int | None = None
    loss_scale: float | None = None

    def summary(self) -> StageSummary:
        """What the record keeps. Raises ValueError for a stage without an epoch, and what `Epoch.summary` raises."""
        if not self.epochs:
            raise ValueError(f"stage {self.name!r} has no epoch")
        steps = [(s, step in epoch.first_calls) for epoch in self.epochs for step, s in enumerate(epoch.step_s)]
        begin = len(steps) if self.steady_from_step is None else self.steady_from_step
        steady = [s for s, compiles in steps[begin:] if not compiles]
        return StageSummary(
            name=self.name,
            rollout_steps=self.rollout_steps,
            dropped_samples=self.dropped_samples,
            samples_per_epoch=self.samples_per_epoch,
            epochs=tuple(epoch.summary() for epoch in self.epochs),
            steady_from_step=self.steady_from_step,
            first_step_s=steps[0][0],
            steady_steps=step_times(steady),
            skipped_steps=self.skipped_steps,
            loss_scale=self.loss_scale,
        )


class Latency(Frozen):
    """Single-step inference at a fixed batch size; `step_s` starts where the steady state does."""

    batch_size: int
    first_step_s: float
    warmup_steps: int
    steady: bool = Field(description="False if the steady state was never reached; step_s then holds the last steps")
    step_s: tuple[float, ...]

    def summary(self) -> LatencySummary:
        """What the record keeps."""
        return LatencySummary(
            batch_size=self.batch_size,
            first_step_s=self.first_step_s,
            warmup_steps=self.warmup_steps,
            steady=self.steady,
            timed_steps=step_times(self.step_s),
        )


class WorkerMeasurements(MeasuredParts):
    """What a worker leaves in measurements.json, with every step."""

    training: tuple[TrainingStage, ...] = ()
    inference: Latency | None = None

    def summary(self) -> Measurements:
        """What the record keeps. Raises ValueError where a stage or an epoch holds nothing."""
        parts = {name: getattr(self, name) for name in MeasuredParts.model_fields}
        return Measurements(
            **parts,
            training=tuple(stage.summary() for stage in self.training),
            inference=self.inference.summary() if self.inference else None,
        )


def step_times(step_s: Sequence[float]) -> StepTimes | None:
    """Sum, median and distance of the quartiles of times in seconds; None where there is none."""
    if not step_s:
        return None
    ordered = sorted(step_s)
    return StepTimes(
        count=len(ordered),
        total_s=fsum(ordered),
        median_s=median(ordered),
        iqr_s=_quantile(ordered, 0.75) - _quantile(ordered, 0.25),
    )


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value; infinite or NaN where one of them is."""
    try:
        return fsum(values) / len(values)
    except (OverflowError, ValueError):
        return sum(values) / len(values)


def _quantile(ordered: Sequence[float], fraction: float) -> float:
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
