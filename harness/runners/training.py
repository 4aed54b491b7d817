"""Training: every epoch of every stage, with the time of every step."""

import math
from time import perf_counter

import numpy as np

from harness.data.windows import Windows
from harness.errors import UserError
from harness.frameworks.base import Framework
from harness.record import Epoch, TrainingStage
from harness.runners.reporter import Reporter
from harness.runners.schedule import learning_rates
from harness.runners.steady import steady_from
from harness.scenario.schema import Stage, TrainingConfig


def train(
    framework: Framework, windows: Windows, config: TrainingConfig, seed: int, reporter: Reporter
) -> tuple[TrainingStage, ...]:
    """Run all stages; the order of the samples follows from `seed`, the stage and the epoch.

    Raises UserError where a split is smaller than a batch or the loss is no longer finite.
    """
    with reporter.phase("training") as work:
        stages = tuple(
            _train_stage(framework, windows, config, stage, (seed, index), reporter)
            for index, stage in enumerate(config.stages)
        )
        work.count(total_steps(windows, config), config.batch_size)
    return stages


def total_steps(windows: Windows, config: TrainingConfig) -> int:
    """Training steps of all stages."""
    return sum(
        stage.epochs * windows.batch_count("train", config.batch_size, lead=stage.rollout_steps)
        for stage in config.stages
    )


def _train_stage(
    framework: Framework,
    windows: Windows,
    config: TrainingConfig,
    stage: Stage,
    seed: tuple[int, int],
    reporter: Reporter,
) -> TrainingStage:
    steps = windows.batch_count("train", config.batch_size, lead=stage.rollout_steps)
    framework.start_stage(config.optimiser, learning_rates(stage, steps), stage.rollout_steps)
    epochs = []
    for number in range(stage.epochs):
        name = f"{stage.name} epoch {number + 1}/{stage.epochs}"
        with reporter.phase(f"train {stage.name} {number}") as work:
            data_s, step_s, losses = _train_epoch(
                framework, windows, config.batch_size, stage.rollout_steps, (*seed, number), reporter, name
            )
            work.count(steps, config.batch_size)
        begun_s = perf_counter()
        validation_loss = _validation_loss(framework, windows, config.batch_size)
        epochs.append(
            Epoch(
                data_s=tuple(data_s),
                step_s=tuple(step_s),
                loss=tuple(losses),
                validation_loss=validation_loss,
                validation_s=perf_counter() - begun_s,
            )
        )
        if not math.isfinite(losses[-1]):
            raise UserError(f"{name}: the loss is {losses[-1]}: lower the learning rate of stage {stage.name!r}")
    return TrainingStage(
        name=stage.name,
        rollout_steps=stage.rollout_steps,
        dropped_samples=windows.dropped("train", config.batch_size, lead=stage.rollout_steps),
        samples_per_epoch=steps * config.batch_size,
        epochs=tuple(epochs),
        steady_from_step=steady_from([s for epoch in epochs for s in epoch.step_s], start=1),
    )


def _train_epoch(
    framework: Framework,
    windows: Windows,
    batch_size: int,
    rollout_steps: int,
    epoch_seed: tuple[int, ...],
    reporter: Reporter,
    name: str,
) -> tuple[list[float], list[float], list[float]]:
    data_s, step_s, losses = [], [], []
    batches = windows.batches("train", batch_size, epoch_seed=epoch_seed, lead=rollout_steps)
    before_s = perf_counter()
    for inputs, targets in batches:
        x, y = framework.put(inputs), framework.put(targets)
        framework.synchronise()
        begun_s = perf_counter()
        loss = framework.train_step(x, y)
        framework.synchronise()
        done_s = perf_counter()
        data_s.append(begun_s - before_s)
        step_s.append(done_s - begun_s)
        losses.append(float(framework.get(loss)))
        reporter.tell(name, steps=1)
        before_s = perf_counter()
    return data_s, step_s, losses


def _validation_loss(framework: Framework, windows: Windows, batch_size: int) -> float:
    losses = [
        float(framework.get(framework.evaluate(framework.put(inputs), framework.put(np.ascontiguousarray(targets[0])))))
        for inputs, targets in windows.batches("validation", batch_size)
    ]
    return float(np.mean(losses))
