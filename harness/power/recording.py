"""Records the power of this machine, alone or beside a command."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors import children
from collectors.sampling.process import SamplerOutcome, SamplerProcess, to_parquet
from harness import stopping
from harness.errors import UserError
from harness.files import prefix_beside
from harness.power.log import LoggedPhase, PowerLog, notes_of
from harness.privacy import command_title
from harness.processes import environment_beside, worker_environment
from harness.results.file_names import POWER, POWER_LOG

COMMAND_GRACE_S = 5.0
LEAST_BYTES = 2**16


@dataclass(frozen=True)
class Recording:
    """What was recorded.

    `returncode` is the command's, 0 where there was none, and the negative number of a signal, other than Ctrl-C, that
    ended the recording.
    """

    power: PowerLog
    returncode: int
    interrupted: bool
    reason: str | None


def record(
    out: Path,
    preferences: Sequence[str],
    *,
    seconds: float | None = None,
    period_s: float | None = None,
    idle_s: float = 0.0,
    command: Sequence[str] = (),
) -> Recording:
    """Sample to a Parquet file until a command, the time or the user ends it.

    With a command, `idle_s` seconds before and after it are phases of their own and `seconds` bounds the command. A
    signal ends the command and the recording, and keeps it. Raises UserError where there is no sensor, the file cannot
    be written or the command cannot be started; then nothing is left.
    """
    check_writable(out)
    with stopping.held(), _folder_beside(out) as folder:
        jsonl = Path(folder, POWER_LOG)
        environment = environment_beside(os.environ) if command else worker_environment(os.environ)
        sampler = SamplerProcess.start(jsonl, preferences, environment, period_s)
        stage = _Stage()
        try:
            with stopping.allowed():
                sampler.wait_ready()
                if has_sensor(jsonl):
                    stage.run(seconds, idle_s, command)
        except KeyboardInterrupt as error:
            stage.stopped_by = stopping.number_of(error)
        finally:
            stage.end_command()
            outcome = sampler.stop()
        return _keep(out, jsonl, stage, outcome, command)


def _folder_beside(out: Path) -> "tempfile.TemporaryDirectory[str]":
    """A folder for the log while it grows, where there is room for the recording too."""
    prefix = prefix_beside(out.name)
    return tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=prefix, ignore_cleanup_errors=True)


def has_sensor(jsonl: Path) -> bool:
    """Whether a sampler that is ready has a sensor, from the first line of its log."""
    from collectors.samples import read_samples

    return bool(read_samples(jsonl).sensors)


def check_writable(out: Path) -> None:
    """Raise UserError where a file cannot be made, or not even its beginning has room."""
    if out.is_dir():
        raise UserError(f"{out}: is a folder; name a file")
    try:
        with tempfile.TemporaryFile(dir=out.absolute().parent) as file:
            file.write(bytes(LEAST_BYTES))
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None


class _Stage:
    """What happens while the sampler runs: the phases, the command and how it ended."""

    def __init__(self) -> None:
        self.phases: list[LoggedPhase] = []
        self.stopped_by: int | None = None
        self.process: children.Child | None = None

    def run(self, seconds: float | None, idle_s: float, command: Sequence[str]) -> None:
        if not command:
            with self._phase("recording"):
                _sleep(seconds)
            return
        with self._phase("idle before"):
            _sleep(idle_s)
        try:
            with stopping.held():
                self.process = children.start(command, own_session=False)
        except OSError as error:
            raise UserError(f"{command[0]}: cannot be started: {error.strerror}") from None
        with self._phase("command"):
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.end_command()
        with self._phase("idle after"):
            _sleep(idle_s)

    def end_command(self) -> None:
        """Give a command that still runs time to end, then end it."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.end(COMMAND_GRACE_S)
        else:
            self.process.let_go()

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        t0_ns = time.monotonic_ns()
        try:
            yield
        finally:
            if (t1_ns := time.monotonic_ns()) > t0_ns:
                self.phases.append(LoggedPhase(name, t0_ns, t1_ns))


def _keep(out: Path, jsonl: Path, stage: _Stage, outcome: SamplerOutcome, command: Sequence[str]) -> Recording:
    if outcome.collector is None:
        raise UserError(outcome.reason or "no sensor")
    phases = tuple(stage.phases)
    title = command_title(command) or out.name
    try:
        whole = jsonl.with_name(POWER)
        log = to_parquet(jsonl, whole, notes_of(title, phases))
        whole.replace(out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from None
    returncode = (stage.process.returncode or 0) if stage.process else 0
    if stage.stopped_by not in (None, signal.SIGINT):
        returncode = -stage.stopped_by
    return Recording(PowerLog(title, log, phases), returncode, stage.stopped_by is not None, outcome.reason)


def _sleep(seconds: float | None) -> None:
    """Sleep, for ever where no time is given; an interrupt ends it."""
    deadline_s = None if seconds is None else time.monotonic() + seconds
    while deadline_s is None or time.monotonic() < deadline_s:
        time.sleep(1.0 if deadline_s is None else min(1.0, max(0.0, deadline_s - time.monotonic())))
