"""How a launch ended, and how a process did, in words."""

import signal
from dataclasses import dataclass

from harness.results.record import Status


@dataclass(frozen=True)
class Ending:
    """How a worker ended. A reason beside a completed launch tells of something that cost no measurement."""

    status: Status
    reason: str | None


def end_of(returncode: int | None) -> str:
    """The exit status of a process in words."""
    if returncode is None or returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
