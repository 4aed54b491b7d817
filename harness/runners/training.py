"""Training: every epoch of every stage, with the time of every step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.windows import Batch, Windows
from harness.errors import UserError
from harness.frameworks.base import Framework, Sinks
from harness.results.record import Epoch, TrainingStage
from harness.runners.clock import StepClock, StepTimes
from harness.runners.prefetch import prefetched
from harness.runners.reporter import Reporter
from harness.runners.schedule import learning_rates
from harness.runners.steady import steady_from
from harness.scenario.execution import EAGER, Execution
from harness.scenario.schema import Stage, TrainingConfig

Extras = Callable[[int, np.random.Generator], Sequence[NDArray[Any]]]
"""`training_extras` of an architecture for an epoch, counted from 1 over the training, and a generator."""


def train(
    framework: Framework,
    windows: Windows,
    config: TrainingConfig,
    extras: Extras,
    seed: int,
    reporter: Reporter,
    execution: Execution = EAGER,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[TrainingStage, ...]:
    """Run all stages that have epochs; the order of the samples follows from `seed`, the stage and the epoch.

    Of `execution` the loop takes how batches are loaded and steps timed. `on_step` is called after every step, once the
    clock of the step has been read. Raises UserError where a split is smaller than a batch or the loss is no longer
    finite.
    """
    if not config.epochs:
        return ()
    run = _Run(framework, windows, config, extras, seed, reporter, execution, on_step)
    with reporter.phase("training") as work:
        stages = tuple(_train_stage(run, stage, index) for index, stage in enumerate(config.stages) if stage.epochs)
        work.count(total_steps(windows, config), config.batch_size)
    return stages


def total_steps(windows: Windows, config: TrainingConfig) -> int:
    """Training steps of all stages."""
    return sum(
        stage.epochs * config.steps_of(windows.batch_count("train", config.batch_size, lead=stage.rollout_steps))
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
    execution: Execution = EAGER
    on_step: Callable[[], None] = lambda: None


def _train_stage(run: _Run, stage: Stage, index: int) -> TrainingStage:
    windows, batch_size = run.windows, run.config.batch_size
    skipped_before = run.framework.skipped_steps
    batches = windows.batch_count("train", batch_size, lead=stage.rollout_steps)
    steps = run.config.steps_of(batches)
    run.framework.start_stage(run.config.optimiser, learning_rates(stage, steps), stage.rollout_steps)
    epochs = []
    for number in range(stage.epochs):
        name = f"{stage.name} epoch {number + 1}/{stage.epochs}"
        with run.reporter.phase(f"train {stage.name} {number}") as work:
            times = _train_epoch(run, stage.rollout_steps, index, number, name)
            work.count(steps, batch_size)
        validation_loss, validation_s = _validation(run, batch_size)
        epochs.append(
            Epoch(
                data_s=tuple(times.data_s),
                step_s=tuple(times.step_s),
                loss=tuple(times.loss),
                validation_loss=validation_loss,
                validation_s=validation_s,
                wait_s=None if run.execution.loading.sink else tuple(times.wait_s),
                window=run.execution.clock.window,
            )
        )
        if not math.isfinite(times.loss[-1]):
            raise UserError(f"{name}: the loss is {times.loss[-1]}: lower the learning rate of stage {stage.name!r}")
    return TrainingStage(
        name=stage.name,
        rollout_steps=stage.rollout_steps,
        dropped_samples=windows.dropped("train", batch_size, lead=stage.rollout_steps) + (batches - steps) * batch_size,
        samples_per_epoch=steps * batch_size,
        epochs=tuple(epochs),
        steady_from_step=steady_from([s for epoch in epochs for s in epoch.step_s], start=1),
        skipped_steps=_less(run.framework.skipped_steps, skipped_before),
        loss_scale=run.framework.loss_scale,
    )


def _train_epoch(run: _Run, rollout_steps: int, stage: int, epoch: int, name: str) -> StepTimes:
    """Epoch `epoch` of a stage, both counted from 0: the times of its steps and their losses."""
    framework = run.framework
    epoch_of_training = sum(earlier.epochs for earlier in run.config.stages[:stage]) + epoch + 1
    seed = (run.seed, stage, epoch)
    batches = run.windows.batch_tasks("train", run.config.batch_size, epoch_seed=seed, lead=rollout_steps)
    tasks = [
        partial(_with_extras, make, run.extras, epoch_of_training, (run.seed, stage, epoch_of_training, step))
        for step, make in enumerate(batches[: run.config.steps_of(len(batches))])
    ]
    clock = StepClock(framework, run.execution.clock.window, first_apart=epoch == 0 or run.execution.is_graph)
    if run.execution.loading.sink:
        return _sink_epoch(run, tasks, clock, name)
    with prefetched(tasks, run.execution.loading) as ready:
        clock.asking()
        for (inputs, targets, forcings), drawn in ready:
            clock.waited()
            x, y = framework.put(inputs), framework.put(targets)
            known = None if forcings is None else framework.put(forcings)
            extras = tuple(framework.put(array) for array in drawn)
            clock.copied()
            clock.stepped(framework.train_step(x, y, known, extras))
            run.on_step()
            run.reporter.tell(name, steps=1)
            clock.asking()
        clock.ended()
    return clock.times


def _sink_epoch(
    run: _Run, tasks: Sequence[Callable[[], tuple[Batch, Sequence[NDArray[Any]]]]], clock: StepClock, name: str
) -> StepTimes:
    """An epoch whose batches the device takes from a queue of its own: waiting and copying are part of the steps."""
    framework = run.framework
    if not isinstance(framework, Sinks):
        raise UserError(f"{framework.describe().name} has no dataset sink: leave loading.sink out")
    inputs = [partial(_flat, task) for task in tasks]
    steps = framework.sunk_steps(inputs, run.execution.loading.workers)
    for _ in tasks:
        clock.asking()
        clock.waited()
        clock.copied()
        clock.stepped(next(steps))
        run.on_step()
        run.reporter.tell(name, steps=1)
    clock.ended()
    return clock.times


def _less(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before


def _flat(make: Callable[[], tuple[Batch, Sequence[NDArray[Any]]]]) -> tuple[NDArray[Any], ...]:
    """What a step takes, in its order."""
    (inputs, targets, forcings), drawn = make()
    return (inputs, targets, *(() if forcings is None else (forcings,)), *drawn)


def _with_extras(
    make: Callable[[], Batch], extras: Extras, epoch: int, seed: tuple[int, ...]
) -> tuple[Batch, Sequence[NDArray[Any]]]:
    """A batch and what the architecture's `training_extras` draw for it."""
    return make(), extras(epoch, np.random.default_rng(seed))


def _validation(run: _Run, batch_size: int) -> tuple[float, float] | tuple[None, None]:
    """Mean loss over the full batches of the validation split and the seconds that they took; None without a split.

    They are as many as an epoch has steps at most.

    A split that is smaller than a batch is one batch.
    """
    framework, windows = run.framework, run.windows
    if not windows.validates:
        return None, None
    begun_s = perf_counter()
    batch_size = min(batch_size, len(windows.starts("validation")))
    tasks = windows.batch_tasks("validation", batch_size)
    with prefetched(tasks[: run.config.steps_of(len(tasks))], run.execution.loading) as ready:
        losses = [
            float(
                framework.get(
                    framework.evaluate(framework.put(inputs), framework.put(np.ascontiguousarray(targets[0])))
                )
            )
            for inputs, targets, _ in ready
        ]
    return float(np.mean(losses)), perf_counter() - begun_s
