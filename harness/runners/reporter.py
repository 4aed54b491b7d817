"""What a worker tells its launcher while it runs: phases and progress, one JSON line each."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from harness.results.record import Phase, Status

INTERVAL_S = 0.2


@dataclass
class Work:
    """What was done in a phase."""

    steps: int = 0
    samples: int = 0

    def count(self, steps: int, batch_size: int) -> None:
        """Add `steps` of `batch_size` samples each."""
        self.steps += steps
        self.samples += steps * batch_size


class Reporter:
    """Collects phases on the monotonic clock and writes progress, at most five lines a second."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.phases: list[Phase] = []
        self._stream = stream
        self._done = 0
        self._total = 1
        self._told_s = 0.0

    def expect(self, steps: int) -> None:
        """Steps that the whole launch will take."""
        self._total = max(1, steps)

    def tell(self, text: str, *, steps: int = 0) -> None:
        """Say what goes on, with `steps` more done."""
        self._done += steps
        now_s = time.monotonic()
        if self._stream is None or (steps and now_s - self._told_s < INTERVAL_S):
            return
        self._told_s = now_s
        fraction = min(1.0, self._done / self._total)
        self._stream.write(json.dumps({"text": text, "fraction": fraction}) + "\n")
        self._stream.flush()

    def end(self, status: Status, reason: str | None = None) -> None:
        """Say how the launch ends, and why here where it failed."""
        if self._stream is not None:
            self._stream.write(json.dumps({"status": status, "reason": reason}) + "\n")
            self._stream.flush()

    @contextmanager
    def phase(self, name: str) -> Iterator[Work]:
        """Mark a phase around a block that begins and ends with the device idle and counts its own work."""
        work = Work()
        t0_ns = time.monotonic_ns()
        yield work
        t1_ns = time.monotonic_ns()
        self.phases.append(Phase(name=name, t0_ns=t0_ns, t1_ns=t1_ns, steps=work.steps, samples=work.samples))
