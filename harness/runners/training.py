"""Training: every epoch of every stage, with the time of every step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.windows import Windows
from harness.errors import UserError
from harness.frameworks.base import Framework
from harness.results.record import Epoch, TrainingStage
from harness.runners.reporter import Reporter
from harness.runners.schedule import learning_rates
from harness.runners.steady import steady_from
from harness.scenario.schema import Stage, TrainingConfig

Extras = Callable[[int, np.random.Generator], Sequence[NDArray[Any]]]
"""`training_extras` of an architecture for an epoch, counted from 1 over the training, and a generator."""


def train(
    framework: Framework, windows: Windows, config: TrainingConfig, extras: Extras, seed: int, reporter: Reporter
) -> tuple[TrainingStage, ...]:
    """Run all stages that have epochs; the order of the samples follows from `seed`, the stage and the epoch.

    Raises UserError where a split is smaller than a batch or the loss is no longer finite.
    """
    if not config.epochs:
        return ()
    run = _Run(framework, windows, config, extras, seed, reporter)
    with reporter.phase("training") as work:
        stages = tuple(_train_stage(run, stage, index) for index, stage in enumerate(config.stages) if stage.epochs)
        work.count(total_steps(windows, config), config.batch_size)
    return stages


def total_steps(windows: Windows, config: TrainingConfig) -> int:
    """Training steps of all stages."""
    return sum(
        stage.epochs * windows.batch_count("train", config.batch_size, lead=stage.rollout_steps)
        for stage in config.trained_stages
    )


@dataclass(frozen=True)
class _Run:
    """What all steps of a training share."""

    framework: Framework
    windows: Windows
    config: TrainingConfig
    extras: Extras
    seed: int
    reporter: Reporter


def _train_stage(run: _Run, stage: Stage, index: int) -> TrainingStage:
    windows, batch_size = run.windows, run.config.batch_size
    steps = windows.batch_count("train", batch_size, lead=stage.rollout_steps)
    run.framework.start_stage(run.config.optimiser, learning_rates(stage, steps), stage.rollout_steps)
    epochs = []
    for number in range(stage.epochs):
        name = f"{stage.name} epoch {number + 1}/{stage.epochs}"
        with run.reporter.phase(f"train {stage.name} {number}") as work:
            data_s, step_s, losses = _train_epoch(run, stage.rollout_steps, index, number, name)
            work.count(steps, batch_size)
        validation_loss, validation_s = _validation(run.framework, windows, batch_size)
        epochs.append(
            Epoch(
                data_s=tuple(data_s),
                step_s=tuple(step_s),
                loss=tuple(losses),
                validation_loss=validation_loss,
                validation_s=validation_s,
            )
        )
        if not math.isfinite(losses[-1]):
            raise UserError(f"{name}: the loss is {losses[-1]}: lower the learning rate of stage {stage.name!r}")
    return TrainingStage(
        name=stage.name,
        rollout_steps=stage.rollout_steps,
        dropped_samples=windows.dropped("train", batch_size, lead=stage.rollout_steps),
        samples_per_epoch=steps * batch_size,
        epochs=tuple(epochs),
        steady_from_step=steady_from([s for epoch in epochs for s in epoch.step_s], start=1),
    )


def _train_epoch(
    run: _Run, rollout_steps: int, stage: int, epoch: int, name: str
) -> tuple[list[float], list[float], list[float]]:
    """Epoch `epoch` of a stage, both counted from 0: seconds for the data and of each step, and the losses."""
    framework = run.framework
    epoch_of_training = sum(earlier.epochs for earlier in run.config.stages[:stage]) + epoch + 1
    data_s, step_s, losses = [], [], []
    seed = (run.seed, stage, epoch)
    batches = run.windows.batches("train", run.config.batch_size, epoch_seed=seed, lead=rollout_steps)
    before_s = perf_counter()
    for step, (inputs, targets, forcings) in enumerate(batches):
        drawn = run.extras(epoch_of_training, np.random.default_rng((run.seed, stage, epoch_of_training, step)))
        x, y = framework.put(inputs), framework.put(targets)
        known = None if forcings is None else framework.put(forcings)
        extras = tuple(framework.put(array) for array in drawn)
        framework.synchronise()
        begun_s = perf_counter()
        loss = framework.train_step(x, y, known, extras)
        framework.synchronise()
        done_s = perf_counter()
        data_s.append(begun_s - before_s)
        step_s.append(done_s - begun_s)
        losses.append(float(framework.get(loss)))
        run.reporter.tell(name, steps=1)
        before_s = perf_counter()
    return data_s, step_s, losses


def _validation(framework: Framework, windows: Windows, batch_size: int) -> tuple[float, float] | tuple[None, None]:
    """Mean loss over the full batches of the validation split and the seconds that they took; None without a split.

    A split that is smaller than a batch is one batch.
    """
    if not windows.validates:
        return None, None
    begun_s = perf_counter()
    batch_size = min(batch_size, len(windows.starts("validation")))
    losses = [
        float(framework.get(framework.evaluate(framework.put(inputs), framework.put(np.ascontiguousarray(targets[0])))))
        for inputs, targets, _ in windows.batches("validation", batch_size)
    ]
    return float(np.mean(losses)), perf_counter() - begun_s
