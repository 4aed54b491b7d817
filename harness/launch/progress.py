"""Live progress of a bench: the data that it reads first, all launches and the one that runs, with the time left."""

import time
from collections.abc import Iterator, Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.launch.energy import TRAINING
from harness.launch.plan import LaunchPlan
from harness.results.record import Record
from harness.scenario.execution import Execution

SILENCE_S = 3.0
"""What takes longer is told where there is no bar."""

LINE_EVERY_S = 60.0
"""Of a launch that runs, where there is no bar."""


class ReadingProgress:
    """A bar on a terminal while an archive is read whole; elsewhere a line where that takes long."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = _bars(console)
        self._bar = self._bars.add_task("reading data", total=1, visible=False)
        self._begun_s = time.monotonic()
        self._told = console.is_terminal

    def __enter__(self) -> "ReadingProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, fraction: float) -> None:
        """This fraction has been read."""
        self._bars.update(self._bar, completed=fraction, visible=True)
        taken_s = time.monotonic() - self._begun_s
        if not self._told and taken_s > SILENCE_S:
            self._told = True
            left_s = taken_s * (1 - fraction) / fraction
            self._console.print(f"reading data: about {left_s:.0f} s left")


class BenchProgress:
    """Two bars on a terminal; elsewhere a line for each launch that ends, and one a minute for that which runs."""

    def __init__(self, console: Console, launches: int, called: Mapping[Execution, str]) -> None:
        """`called` are the labels of all executions of the bench."""
        self._console = console
        self._bars = _bars(console)
        self._launches = launches
        self._called = called
        self._ended = 0
        self._all = self._bars.add_task(f"{launches} launches", total=launches)
        self._one = self._bars.add_task("", total=1, visible=False)
        self._label = ""
        self._begun_s = self._told_s = time.monotonic()

    def __enter__(self) -> "BenchProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, plan: LaunchPlan) -> None:
        """A launch starts."""
        cell = plan.scenario
        self._label = f"{cell.model} {cell.framework} {self._called[cell.execution]} #{plan.launch + 1}"
        self._begun_s = self._told_s = time.monotonic()
        self._bars.reset(self._one, total=1, description=self._label, visible=True)

    def update(self, text: str, fraction: float) -> None:
        """The launch got on."""
        self._bars.update(self._one, completed=fraction, description=f"{self._label}: {text}")
        self._bars.update(self._all, completed=self._ended + fraction)
        now_s = time.monotonic()
        if not self._console.is_terminal and now_s - self._told_s >= LINE_EVERY_S:
            self._told_s = now_s
            left_s = (now_s - self._begun_s) * (1 - fraction) / fraction if fraction else None
            left = "" if left_s is None else f", about {left_s:.0f} s left"
            self.say(f"{self._ended + 1}/{self._launches} {self._label}: {text} ({100 * fraction:.0f} %{left})")

    def end(self, record: Record) -> None:
        """The launch is over."""
        self._ended += 1
        self._bars.update(self._all, completed=self._ended)
        outcome = f"{record.status}: {record.reason}" if record.reason else record.status
        told = ", ".join((f"{record.duration_s:.0f} s", *_found(record)))
        self.say(f"{self._ended}/{self._launches} {self._label}: {outcome} ({told})")

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._console.print(line, markup=False, highlight=False)


def _found(record: Record) -> Iterator[str]:
    """The loss of the last epoch, and the mean power in training where its energy is valid."""
    losses = [epoch.mean_loss for stage in record.measurements.training for epoch in stage.epochs]
    if losses:
        yield f"loss {losses[-1]:.3g}"
    windows = [each.window for each in record.energy.phases if each.phase == TRAINING]
    powers = [window.mean_power_w for window in windows if window.valid and window.mean_power_w is not None]
    if powers:
        yield f"{powers[0]:.3g} W"


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
