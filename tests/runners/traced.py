"""A device that works through a queue on a clock of its own, behind the framework protocol; nothing really waits."""

from dataclasses import dataclass, field

import numpy as np

from harness.frameworks.ranks import Alone


@dataclass
class Traced:
    """Copies and steps take `copy_s` and `step_s` of the device, which begins them when it has done those before.

    `now_s` is the time of the host; `calls` holds what was asked of the device, in order.
    """

    ranks = Alone()
    skipped_steps = None
    loss_scale = None

    copy_s: float = 0.25
    step_s: float = 1.0
    now_s: float = 0.0
    free_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    batches: list[np.ndarray] = field(default_factory=list)

    def _queue(self, name: str, seconds: float) -> None:
        self.calls.append(name)
        self.free_s = max(self.free_s, self.now_s) + seconds

    def start_stage(self, optimiser, learning_rates, rollout_steps):
        self.rollout_steps = rollout_steps

    def put(self, array):
        self._queue("put", self.copy_s)
        return array

    def get(self, value):
        self.calls.append("get")
        return value

    def train_step(self, x, targets, forcings=None, extras=()):
        self._queue("step", self.step_s)
        self.batches += [x, targets, *([] if forcings is None else [forcings]), *extras]
        return np.float32(len(self.batches))

    def evaluate(self, x, target):
        self.batches += [x, target]
        return np.float32(0)

    def synchronise(self):
        self.calls.append("synchronise")
        self.now_s = max(self.now_s, self.free_s)

    def perf_counter(self):
        return self.now_s
