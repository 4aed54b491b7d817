"""Learning rates, the same numbers for every framework."""

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.scenario.schema import Stage


def learning_rates(stage: Stage, steps_per_epoch: int) -> NDArray[np.float64]:
    """(epochs * steps_per_epoch,): the rate of every step.

    Over n epochs or, after w steps of warm-up, n - w steps, `cosine` and `cosine_steps` fall towards 0 as
    rate * (1 + cos(pi k / n)) / 2: `cosine` once an epoch, as CosineAnnealingLR in FourCastNet's train.py, and
    `cosine_steps` with every step, as in GraphCast. The warm-up multiplies step k < w by k / w.
    Raises UserError where the warm-up is as long as the stage.
    """
    steps, warmup = stage.epochs * steps_per_epoch, stage.warmup_steps
    if warmup >= steps:
        raise UserError(f"stage {stage.name!r} has {steps} steps, too few for warmup_steps {warmup}")
    step = np.arange(steps)
    if stage.schedule == "cosine":
        factor = (1 + np.cos(np.pi * (step // steps_per_epoch) / stage.epochs)) / 2
    elif stage.schedule == "cosine_steps":
        factor = (1 + np.cos(np.pi * np.maximum(step - warmup, 0) / (steps - warmup))) / 2
    else:
        factor = np.ones(steps)
    return stage.learning_rate * factor * np.minimum(step / warmup if warmup else 1.0, 1.0)
