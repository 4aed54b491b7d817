"""The batches of a comparison, drawn from a seed, the same in every child."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.windows import Batch
from harness.porting.parity.quantities import Array
from harness.scenario.scenario import Scenario
from harness.worker.subject import Subject

SPREAD = (-3.0, 2.0)
"""Powers of ten between which rows of the inputs of a module alone are scaled."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Weights, batches and what the network takes beside x, drawn from a seed.

    The epoch is the first of the training in which the architecture gives the network anything beside x, so that what
    it does with it is compared; else the first.
    """

    subject: Subject
    scenario: Scenario
    seed: int
    batch_size: int
    steps: int

    @cached_property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Initial weights. Those that start as constants are made to differ, lest an exchange of them go unseen."""
        random = np.random.default_rng([self.seed, 0])
        weights = self.subject.initial_weights(self.seed)
        for name in sorted(weights):
            values = weights[name]
            if values.size > 1 and (values == values.flat[0]).all():
                weights[name] = (values + 0.1 * random.standard_normal(values.shape)).astype(np.float32)
        return weights

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """One batch for every training step, for the longest rollout of the first stage."""
        rollout = self.scenario.training.stages[0].rollout_steps
        found = self.subject.windows.batches("train", self.batch_size, epoch_seed=(self.seed, 0), lead=rollout)
        return tuple(islice(cycle(list(islice(found, self.steps))), self.steps))

    @property
    def first(self) -> Batch:
        """The batch on which the network is looked into."""
        return self.batches[0]

    @property
    def target(self) -> NDArray[np.float32]:
        """The state one step after `first`, (B, C, H, W)."""
        return np.ascontiguousarray(self.first.targets[0])

    @cached_property
    def epoch(self) -> int:
        """The epoch, counted from 1."""
        epochs = range(1, 1 + sum(stage.epochs for stage in self.scenario.training.stages))
        return next((epoch for epoch in epochs if self._extras(epoch, 0)), 1)

    def extras(self, step: int) -> Sequence[NDArray[Any]]:
        """What the network takes beside x in a step, counted from 0."""
        return self._extras(self.epoch, step)

    def _extras(self, epoch: int, step: int) -> Sequence[NDArray[Any]]:
        return self.subject.training_extras(self.batch_size, epoch, np.random.default_rng([self.seed, 1, step]))


def scaled_rows(values: Array, seed: int, call: int, argument: int) -> NDArray[np.float32]:
    """Inputs of a module alone: `values` with every row along the first axis scaled by another power of ten.

    Small rows show what large ones hide, such as the epsilon of a normalisation.
    """
    random = np.random.default_rng([seed, 2, call, argument])
    factors = 10.0 ** random.uniform(*SPREAD, size=(values.shape[0], *[1] * (values.ndim - 1)))
    return (values * factors).astype(np.float32)


def cotangent(shape: Sequence[int], seed: int, call: int, output: int) -> NDArray[np.float32]:
    """What an output of a module alone is multiplied with before it is summed and differentiated."""
    return np.random.default_rng([seed, 3, call, output]).standard_normal(tuple(shape)).astype(np.float32)
