"""The clock of a training loop: every step by itself, or windows of steps with one synchronisation each."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from harness.frameworks.base import Framework


@dataclass
class EpochTimes:
    """Of the steps of an epoch, each a list with one entry a step; seconds.

    `wait_s` is what the loop waited for the batch on the host and is part of `data_s`, which ends when the batch is on
    the device; `step_s` is the rest until the device has finished.
    """

    wait_s: list[float] = field(default_factory=list)
    data_s: list[float] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)


class StepClock:
    """Takes the times of the steps of one epoch: `asking`, `waited`, `copied`, `stepped` for each, `ended` after all.

    With a window of 1 the device is waited for when a batch has been copied to it and when its step is done, so that
    no step holds the copy of its data. With a window of n it is waited for once in n steps, whose losses are fetched
    then: copies and steps may overlap. The time of a window is measured; within it `data_s` are the seconds that the
    loop itself spent on its batches, and `step_s` of each of its steps is the mean of what is left, so that their sum
    is the time of the window. A window ends early with the epoch and, where `first_apart`, after the first step.
    """

    def __init__(self, framework: Framework, window: int = 1, *, first_apart: bool = False) -> None:
        self.times = EpochTimes()
        self._framework = framework
        self._window = window
        self._room = 1 if first_apart else window
        self._losses: list[Any] = []

    def asking(self) -> None:
        """The loop is about to ask for its next batch; the device is idle before the first of a window."""
        self._before_s = perf_counter()
        if not self._losses:
            self._window_began_s = self._before_s

    def waited(self) -> None:
        """The next batch is on the host."""
        self.times.wait_s.append(perf_counter() - self._before_s)

    def copied(self) -> None:
        """The batch was handed to the device."""
        if self._window == 1:
            self._framework.synchronise()
        self._copied_s = perf_counter()
        self.times.data_s.append(self._copied_s - self._before_s)

    def stepped(self, loss: Any) -> None:
        """The step was handed to the device; `loss` is its value there."""
        self._losses.append(loss)
        if len(self._losses) == self._room:
            self._close()

    def ended(self) -> None:
        """There are no more steps."""
        if self._losses:
            self._close()

    def _close(self) -> None:
        self._framework.synchronise()
        done_s = perf_counter()
        count = len(self._losses)
        if self._window == 1:
            self.times.step_s.append(done_s - self._copied_s)
        else:
            within_s = done_s - self._window_began_s - sum(self.times.data_s[-count:])
            self.times.step_s += [within_s / count] * count
        self.times.loss += [float(self._framework.get(loss)) for loss in self._losses]
        self._losses, self._room = [], self._window
