"""Training: every epoch of every stage, with the time of every step."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.dealing import Share
from harness.data.tasks import Tasks
from harness.data.windows import Batch, Windows
from harness.errors import UserError
from harness.frameworks.base import Framework, Sinks
from harness.results.record import Epoch, TrainingStage
from harness.runners.clock import EpochTimes, StepClock
from harness.runners.prefetch import prefetched
from harness.runners.reporter import Reporter
from harness.runners.schedule import learning_rates
from harness.runners.steady import steady_from
from harness.scenario.execution import EAGER, Execution
from harness.scenario.schema import Stage, TrainingConfig

Extras = Callable[[int, np.random.Generator], Sequence[NDArray[Any]]]
"""`training_extras` of an architecture for the batch of all ranks, in an epoch, counted from 1 over the training."""


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

    Each rank of the framework trains on its share of every batch, of which `config.batch_size` is the size; times are
    its own, losses those of all ranks together.

    Of `execution` the loop takes how batches are loaded and steps timed. `on_step` is called after every step, once the
    clock of the step has been read. Raises UserError where a split is smaller than a batch or the loss is no longer
    finite.
    """
    if not config.epochs:
        return ()
    run = _Run(framework, windows, config, extras, seed, reporter, execution, on_step)
    with reporter.phase("training") as work:
        stages = tuple(_train_stage(run, stage, index) for index, stage in enumerate(config.stages) if stage.epochs)
        work.count(total_steps(windows, config, run.share.size), config.batch_size * run.share.size)
    return stages


def total_steps(windows: Windows, config: TrainingConfig, ranks: int = 1) -> int:
    """Training steps of all stages."""
    whole = config.batch_size * ranks
    return sum(
        stage.epochs * config.steps_of(windows.batch_count("train", whole, lead=stage.rollout_steps))
        for stage in config.trained_stages
    )


def order_of_samples(windows: Windows, config: TrainingConfig, seed: int, ranks: int) -> str:
    """SHA-256 (hex) of all batches of a training in their order, which must be the same for all ranks."""
    digest = hashlib.sha256()
    for index, stage in enumerate(config.stages):
        for epoch in range(stage.epochs):
            starts = windows.batch_starts(
                "train", config.batch_size * ranks, epoch_seed=(seed, index, epoch), lead=stage.rollout_steps
            )
            digest.update(repr(starts.shape).encode() + starts.tobytes())
    return digest.hexdigest()


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

    @property
    def share(self) -> Share:
        """What of every batch is this rank's."""
        rank = self.framework.ranks.rank
        return Share(rank.number, rank.size)


def _train_stage(run: _Run, stage: Stage, index: int) -> TrainingStage:
    windows, batch_size = run.windows, run.config.batch_size * run.share.size
    skipped_before = run.framework.skipped_steps
    batches = windows.batch_count("train", batch_size, lead=stage.rollout_steps)
    steps = run.config.steps_of(batches)
    run.framework.start_stage(run.config.optimiser, learning_rates(stage, steps), stage.rollout_steps)
    epochs: list[Epoch] = []
    for number in range(stage.epochs):
        name = f"{stage.name} epoch {number + 1}/{stage.epochs}"
        with run.reporter.phase(f"train {stage.name} {number}") as work:
            told = f"{name}, loss {epochs[-1].loss[-1]:.3g}" if epochs else name
            times = _train_epoch(run, stage.rollout_steps, index, number, told)
            work.count(steps, batch_size)
        losses = _over_ranks(run, times.loss)
        validation_loss, validation_s = _validation(run, batch_size)
        epochs.append(
            Epoch(
                data_s=tuple(times.data_s),
                step_s=tuple(times.step_s),
                loss=losses,
                validation_loss=validation_loss,
                validation_s=validation_s,
                wait_s=None if run.execution.loading.sink else tuple(times.wait_s),
                window=run.execution.clock.window,
            )
        )
        if not math.isfinite(losses[-1]):
            raise UserError(f"{name}: the loss is {losses[-1]}: lower the learning rate of stage {stage.name!r}")
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


def _train_epoch(run: _Run, rollout_steps: int, stage: int, epoch: int, told: str) -> EpochTimes:
    """Epoch `epoch` of a stage, both counted from 0, `told` meanwhile: the times of its steps and their losses."""
    framework = run.framework
    epoch_of_training = sum(earlier.epochs for earlier in run.config.stages[:stage]) + epoch + 1
    seed = (run.seed, stage, epoch)
    whole = run.config.batch_size * run.share.size
    batches = run.windows.batch_tasks("train", whole, epoch_seed=seed, lead=rollout_steps, share=run.share)
    draws = partial(_own_extras, run.extras, run.share)
    tasks = Tasks(
        range(run.config.steps_of(len(batches))),
        lambda step: partial(
            _with_extras, batches[step], draws, epoch_of_training, (run.seed, stage, epoch_of_training, step)
        ),
    )
    clock = StepClock(framework, run.execution.clock.window, first_apart=epoch == 0 or run.execution.is_graph)
    if run.execution.loading.sink:
        return _sink_epoch(run, tasks, clock, told)
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
            run.reporter.tell(told, steps=1)
            clock.asking()
        clock.ended()
    return clock.times


def _sink_epoch(
    run: _Run, tasks: Sequence[Callable[[], tuple[Batch, Sequence[NDArray[Any]]]]], clock: StepClock, told: str
) -> EpochTimes:
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
        run.reporter.tell(told, steps=1)
    clock.ended()
    return clock.times


def _over_ranks(run: _Run, losses: Sequence[float]) -> tuple[float, ...]:
    """The losses of whole batches, from those of the equal shares of the ranks."""
    size = run.share.size
    return tuple(losses) if size == 1 else tuple((run.framework.ranks.sum(np.array(losses)) / size).tolist())


def _own_extras(extras: Extras, share: Share, epoch: int, random: np.random.Generator) -> Sequence[NDArray[Any]]:
    """A rank's part, by the first axis, of what is drawn for the batch of all."""
    return [drawn[share.of_batch(len(drawn))] for drawn in extras(epoch, random)]


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

    They are as many as an epoch has steps at most. A split that is smaller than a batch is one batch. Where a batch has
    fewer samples than there are ranks, each rank takes all of it.
    """
    framework, windows, ranks = run.framework, run.windows, run.framework.ranks
    if not windows.validates:
        return None, None
    begun_s = perf_counter()
    batch_size = min(batch_size, len(windows.starts("validation")))
    share = run.share if batch_size >= run.share.size else Share()
    own = share.of_batch(batch_size)
    tasks = windows.batch_tasks("validation", batch_size, share=share)
    with prefetched(tasks[: run.config.steps_of(len(tasks))], run.execution.loading) as ready:
        losses = [
            float(
                framework.get(
                    framework.evaluate(framework.put(inputs), framework.put(np.ascontiguousarray(targets[0])))
                )
            )
            for inputs, targets, _ in ready
        ]
    if run.share.size > 1:
        weight = (own.stop - own.start) / batch_size if share.size > 1 else 1 / run.share.size
        losses = ranks.sum(np.array(losses) * weight).tolist()
    return float(np.mean(losses)), perf_counter() - begun_s
