"""Learning rates, the same numbers for every framework."""

import numpy as np
from numpy.typing import NDArray

from harness.scenario.schema import Stage


def learning_rates(stage: Stage, steps_per_epoch: int) -> NDArray[np.float64]:
    """(epochs * steps_per_epoch,): the rate of every step.

    `cosine` falls from the stage's rate towards 0 once an epoch, as CosineAnnealingLR in FourCastNet's train.py:
    rate * (1 + cos(pi epoch / epochs)) / 2.
    """
    epochs = np.arange(stage.epochs)
    factor = (1 + np.cos(np.pi * epochs / stage.epochs)) / 2 if stage.schedule == "cosine" else np.ones(stage.epochs)
    return np.repeat(stage.learning_rate * factor, steps_per_epoch)
