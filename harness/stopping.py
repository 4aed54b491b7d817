"""Signals that ask this process to end: Ctrl-C, kill, the end of a batch job's time, a terminal that is gone.

Within `catching`, each raises `Stopped` in the main thread, so that what has begun is ended in order. Within `held` it
is kept until the block is over, for what must not be cut in two; `allowed` lets it through again inside such a block.
A signal that comes again while the first is being answered changes nothing: terminals and schedulers send them twice.
"""

import contextlib
import errno
import os
import signal
import termios
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
)
"""Those that would end a process at once and that people, terminals and schedulers send to have it end."""

INSISTENCE_S = 30.0
"""A signal that comes later than this after the first one is meant."""

CAUSES = {
    signal.SIGINT: "interrupted by the user",
    signal.SIGHUP: "ended by SIGHUP: its terminal or session was closed",
    signal.SIGTERM: "ended by SIGTERM: killed, or the end of a batch job's time",
}


class Stopped(KeyboardInterrupt):
    """A signal has asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(cause_of(number))
        self.number = number


IN_A_JOB = "CROSSCAST_JOB"
"""Variable that holds the name of the scheduler's job that this process is, or is a part of."""


def cause_of(number: int) -> str:
    """A signal in words."""
    if number == signal.SIGTERM and os.environ.get(IN_A_JOB):
        return "ended by the scheduler (SIGTERM): the end of the job's wall time, or a cancelled or preempted job"
    return CAUSES.get(signal.Signals(number), f"ended by {signal.Signals(number).name}")


def number_of(error: BaseException) -> int:
    """The signal behind an interrupt, or behind what it was turned into; SIGINT where none is named."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, Stopped):
            return link.number
        link = link.__cause__ or link.__context__
    return int(signal.SIGINT)


def exit_status(error: BaseException) -> int:
    """What a shell expects of a process that a signal has ended."""
    return 128 + number_of(error)


class _Switch:
    """Which signal has come, and whether it may be raised now."""

    def __init__(self) -> None:
        self.depth = 0
        self.holds = 0
        self.received: int | None = None
        self.raised_s: float | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        if self.raised_s is not None and time.monotonic() - self.raised_s < INSISTENCE_S:
            return
        self.received, self.raised_s = number, None
        _silence_lost_terminals()
        self.raise_received()

    def raise_received(self) -> None:
        if self.received is not None and not self.holds and self.raised_s is None:
            self.raised_s = time.monotonic()
            raise Stopped(self.received)


_switch = _Switch()


@contextlib.contextmanager
def catching() -> Iterator[None]:
    """Signals raise `Stopped` within the block, but for those that this process was started to ignore."""
    with _caught():
        yield


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Signals wait until the block is over."""
    with _caught():
        _switch.holds += 1
        try:
            yield
        finally:
            _switch.holds -= 1
        _switch.raise_received()


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Signals are let through within the block, inside one that holds them."""
    holds, _switch.holds = _switch.holds, 0
    try:
        _switch.raise_received()
        yield
    finally:
        _switch.holds = holds


def check() -> None:
    """Raise `Stopped` again where a signal has come and a library has swallowed what it raised."""
    if _switch.received is not None and not _switch.holds:
        raise Stopped(_switch.received)


@contextlib.contextmanager
def _caught() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: dict[int, Any] = {}
    if _switch.depth == 0:
        _switch.received, _switch.raised_s = None, None
        for number in map(int, SIGNALS):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                previous[number] = signal.signal(number, _switch.receive)
    _switch.depth += 1
    try:
        yield
    finally:
        _switch.depth -= 1
        for number, handler in previous.items():
            signal.signal(number, handler)


def _silence_lost_terminals() -> None:
    """Have what is still written to a terminal that is gone go nowhere, so that nothing fails for it."""
    for descriptor in (0, 1, 2):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                with contextlib.suppress(OSError):
                    os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        except (OSError, ValueError):
            continue
