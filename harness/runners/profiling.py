"""A profiler around some steps of a launch, found by the name of the framework and attached through a hook."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from harness.errors import UserError, one_line

GROUP = "crosscast.profilers"

SKIPPED, KEPT = 2, 8
"""Steps before those that are recorded, which compile and warm up, and the number of those; a trace of all is huge."""


class Profiler(Protocol):
    """What the entry points of the group are: made for a device as the framework names it."""

    @property
    def file_name(self) -> str:
        """Name of the one trace file."""

    def start(self) -> None:
        """Begin to record."""

    def stop(self, path: Path) -> None:
        """End it and write the trace file; raises OSError or RuntimeError where that fails."""


class StepHook:
    """Called after every step: starts a profiler after the steps to skip and stops it after those to keep."""

    def __init__(self, profiler: Profiler, path: Path, steps: int) -> None:
        self._profiler, self._path = profiler, path
        self._first = min(SKIPPED, max(0, steps - 1))
        self._done = 0
        self._recording = False
        if self._first == 0:
            self._start()

    def __call__(self) -> None:
        """A step is done."""
        self._done += 1
        if self._recording and self._done >= self._first + KEPT:
            self.stop()
        elif self._done == self._first:
            self._start()

    def stop(self) -> None:
        """End the recording if there is one, and write its file."""
        if self._recording:
            self._recording = False
            with _told():
                self._profiler.stop(self._path)

    def _start(self) -> None:
        with _told():
            self._profiler.start()
        self._recording = True


@contextmanager
def _told() -> Iterator[None]:
    """What a profiler raises of itself, as a UserError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise UserError(f"the profiler failed: {one_line(error)}; run without --profile") from None


def profiler_for(framework: str, device: str) -> Profiler:
    """The installed profiler that is registered by the name of a framework; UserError where none can be loaded."""
    found = [entry for entry in entry_points(group=GROUP) if entry.name == framework]
    if not found:
        raise UserError(f"no profiler for {framework} is installed: none is registered in the group {GROUP}")
    try:
        profiler: Profiler = found[0].load()(device)
    except Exception as error:
        raise UserError(f"the profiler for {framework} cannot be loaded: {one_line(error)}") from None
    return profiler


@contextmanager
def profiled(framework: str, device: str, folder: Path, steps: int) -> Iterator[tuple[Callable[[], None], str]]:
    """A hook to call after each of `steps` steps, and the name of the trace file that will be in `folder`.

    An error of the profiler itself ends the launch as a UserError; what the block raises is left as it is.
    """
    profiler = profiler_for(framework, device)
    hook = StepHook(profiler, folder / profiler.file_name, steps)
    try:
        yield hook, profiler.file_name
    except BaseException:
        with suppress(UserError):
            hook.stop()
        raise
    hook.stop()
