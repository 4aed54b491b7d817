"""Starts and stops the sampler beside a worker, and says what became of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors import children
from collectors.samples import Header, SampleLog, read_samples, to_parquet
from collectors.sampling.log_lines import told

__all__ = ["SamplerOutcome", "SamplerProcess", "to_parquet"]

READY_S = 30.0
"""What the tools of all preferred collectors may take together until the first reading."""

POLL_S = 0.01


@dataclass(frozen=True)
class SamplerOutcome:
    """How a sampler ended.

    `reason` says why there is no power, or not all of it; None where the sampler worked to the end. `sampler_died`
    is true where it ended before it was asked to, or had to be killed. `returncode` is None where it never started.
    """

    path: Path
    collector: str | None
    reason: str | None
    sampler_died: bool
    returncode: int | None


class SamplerProcess:
    """The sampler as a child process in a session of its own. Trouble with it is told in the outcome, never raised."""

    def __init__(self, path: Path, process: children.Child | None, problem: str | None = None) -> None:
        self._path = path
        self._process = process
        self._problem = problem
        self._late: str | None = None
        self._outcome: SamplerOutcome | None = None

    @classmethod
    def start(
        cls,
        out: Path,
        preferences: Sequence[str],
        env: Mapping[str, str] | None = None,
        period_s: float | None = None,
    ) -> SamplerProcess:
        """Starts sampling to `out` (JSON lines) with the first of the preferred collectors that works.

        `env` is the worker's environment, so that the sampler sees the same devices; None means this process's.
        `period_s` None means the sensor's own update period. What the sampler and its tools print goes to `out` with
        the suffix .log.
        """
        path = out.absolute()
        command = children.python_module("collectors.sampling.sampler", "--out", path)
        command += ["--collectors", ",".join(preferences), "--parent-pid", str(os.getpid())]
        if period_s is not None:
            command += ["--period-ms", str(period_s * 1000)]
        environment = {**(os.environ if env is None else env), "LC_ALL": "C"}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            with path.with_suffix(".log").open("wb") as log:
                process = children.start(
                    command, env=environment, cwd=path.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
        except (OSError, ValueError) as error:
            return cls(path, None, f"sampler could not be started: {error}")
        return cls(path, process)

    @property
    def pid(self) -> int | None:
        """Process id of the sampler, also its process group; None where it could not be started."""
        return None if self._process is None else self._process.pid

    def wait_ready(self, timeout_s: float = READY_S) -> bool:
        """Waits until first readings are written or it is known that there will be none. False on a timeout.

        The outcome tells of a timeout, after which sensors are not known and the first windows not bracketed.

        A sensor that checks another is waited for too, since a window that it does not see is unproven. Call it before
        the worker starts, so that the worker's first window is bracketed.
        """
        deadline_s = time.monotonic() + timeout_s
        while self._process is not None and not self._process.has_ended():
            with contextlib.suppress(OSError):
                if self._path.read_bytes().count(b"\n") >= 2 and self._checks_answered():
                    return True
            if time.monotonic() > deadline_s:
                self._late = f"not all of its sensors were read in {timeout_s:g} s, and the work began"
                return False
            time.sleep(POLL_S)
        return True

    def _checks_answered(self) -> bool:
        log = read_samples(self._path)
        answered = {read.sensor for reads in (log.readings, log.counters) for read in reads}
        return all(sensor.id in answered for sensor in log.sensors if sensor.checks is not None)

    @property
    def header(self) -> Header | None:
        """What the sampler found, None where it has not said so yet."""
        return read_samples(self._path).header

    def stop(self, timeout_s: float = 10.0) -> SamplerOutcome:
        """Lets the sampler drain and end; after `timeout_s` kills it and all that it started. May be called twice."""
        if self._outcome is None:
            self._outcome = self._stop(timeout_s)
        return self._outcome

    def _stop(self, timeout_s: float) -> SamplerOutcome:
        if self._process is None:
            return SamplerOutcome(self._path, None, self._problem, sampler_died=True, returncode=None)
        in_time = self._process.ends_when_asked(timeout_s)
        trouble = None if in_time else f"did not end within {timeout_s:g} s and was killed"
        self._process.end()
        return self._judge(read_samples(self._path), self._process.returncode, trouble)

    def _judge(self, log: SampleLog, returncode: int | None, trouble: str | None) -> SamplerOutcome:
        """The outcome from what the process left; a log without its end line is that of a sampler that died."""
        collector = log.header.collector if log.header else None
        died = log.end is None or returncode != 0
        doubts = [self._late, log.no_sensor_reason, told(log.bad_lines, log.n_bad_lines)]
        reason = "; ".join(filter(None, doubts)) or None
        if died:
            trouble = trouble or _ending(returncode)
            reason = "; ".join(filter(None, [f"sampler died: {trouble}", self._last_words(), reason]))
        return SamplerOutcome(self._path, collector, reason, died, returncode)

    def _last_words(self) -> str | None:
        try:
            lines = self._path.with_suffix(".log").read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return None
        return next((line.strip() for line in reversed(lines) if line.strip()), None)


def _ending(returncode: int | None) -> str:
    if returncode is None:
        return "cannot be killed"
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit status {returncode}"
