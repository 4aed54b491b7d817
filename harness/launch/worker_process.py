"""The workers of a launch as child processes: started, followed, ended, and their ending judged."""

import contextlib
import io
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from collectors import children
from harness import stopping
from harness.faults import MACHINE, fault_in
from harness.launch import leftovers
from harness.launch.compile_environment import compiling
from harness.launch.ending import Ending, end_of
from harness.launch.launchers import Meeting, free_port, launcher_of
from harness.launch.nodes.other_nodes import OtherNodes
from harness.launch.plan import LaunchPlan
from harness.launch.rank_watch import RankWatch
from harness.launch.room import cores
from harness.launch.worker_log import WorkerLog
from harness.processes import scratch_folder
from harness.results.file_names import LOG
from harness.results.record import Status

Progress = Callable[[str, float], None]

TERMINATE_GRACE_S = 5.0
EXIT_GRACE_S = 30.0
"""What a worker that has said how it ended may take until its process is gone."""

SILENCE_S = 4 * 3600.0
"""Longest time without a word; compiling a large network and reading an archive are silent and take an hour or two."""

POLL_S = 1.0
SEE_LOG = f"; see {LOG}"
TOLD_BYTES = 1 << 14
"""Of the end of a log, in which a worker that crashed may have said why."""

LONGEST_LINE = 1 << 16

PORTS_TRIED = 5
MOST_OF_A_LOG, TOLD_BY_RANKS = 1 << 18, 1 << 20
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class _Start:
    """One start of the ranks of a node: `progress` is None on any node but the first, which alone is told of it.

    `watch` is None of a launch of one rank, `others` of one on a single node.
    """

    plan: LaunchPlan
    folder: Path
    log: Path
    environment: dict[str, str]
    meeting: Meeting
    progress: Progress | None = None
    watch: RankWatch | None = None
    others: OtherNodes | None = None


def run_worker(
    plan: LaunchPlan,
    folder: Path,
    environment: dict[str, str],
    progress: Progress,
    others: OtherNodes | None = None,
) -> Ending:
    """Run the workers of a launch to their end, and end them where they take too long or the user interrupts.

    What they print goes to log.txt. `progress` gets what the first rank does and the fraction done; `others` are the
    other nodes of a launch on several. Where the port at which ranks meet was taken by somebody else, they are started
    again with another. Raises OSError where the folder cannot be written or there is no process to be had, and
    KeyboardInterrupt where a signal came before the workers had said that they are done.
    """
    log = folder / LOG
    if plan.ranks == 1:
        return _run(_Start(plan, folder, log, environment, Meeting(free_port()), progress))
    watch = RankWatch(folder, range(plan.ranks), (lambda: False) if others is None else others.has_failed)
    shared = with_share_of_threads(environment, plan.ranks_of_node)
    for _ in range(PORTS_TRIED):
        watch.forget()
        meeting = Meeting(free_port()) if others is None else Meeting(free_port(""), others.address)
        ending = _run(_Start(plan, folder, log, shared, meeting, progress, watch, others))
        if ending.status == "completed" or not watch.may_try_again(_end_of_log(log, TOLD_BY_RANKS)):
            return ending
    return Ending(ending.status, f"{PORTS_TRIED} ports of this node were taken by others: {ending.reason}")


def run_on_node(
    plan: LaunchPlan, folder: Path, log: Path, environment: dict[str, str], meeting: Meeting, watch: RankWatch
) -> Ending:
    """Run the workers of a node after the first, whose ranks `watch` has; raises what `run_worker` raises."""
    shared = with_share_of_threads(environment, plan.ranks_of_node)
    return _run(_Start(plan, folder, log, shared, meeting, watch=watch))


def with_share_of_threads(environment: dict[str, str], ranks: int) -> dict[str, str]:
    """An environment in which each rank makes as many threads as its share of the cores, where nothing else is set."""
    return {**dict.fromkeys(THREADS, str(max(1, cores() // ranks))), **environment}


def _run(start: _Start) -> Ending:
    kills_before = _oom_kills()
    plan, watch, others = start.plan, start.watch, start.others
    scenario, launcher = plan.scenario, launcher_of(plan)
    with (
        stopping.held(),
        compiling(scenario.framework, scenario.device, scenario.execution, start.environment) as worker_environment,
        scratch_folder("ranks") as scratch,
    ):
        with WorkerLog(start.log) as log, _channel(plan, scratch) as (pipe, told, kept):
            try:
                if start.progress is not None:
                    told.write(start.folder)
                if others is not None:
                    others.start(start.meeting, log.descriptor)
                worker = children.start(
                    launcher.command(plan, start.folder, start.meeting, scratch),
                    env=worker_environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log.descriptor,
                    stderr=log.descriptor,
                    pass_fds=kept,
                )
            finally:
                for descriptor in kept:
                    os.close(descriptor)
                log.read()
            followed = _Following(pipe, worker, start)
            try:
                with stopping.allowed():
                    followed.to_the_end()
                    if others is not None:
                        others.finish(well=watch is not None and watch.is_done(range(plan.ranks_of_node)))
            except KeyboardInterrupt:
                followed.drain()
                if followed.told is None or followed.told.status != "completed":
                    raise
                followed.cut = "ended by a signal"
            finally:
                hung = worker.poll() is None
                gone = worker.end(TERMINATE_GRACE_S)
                if others is not None:
                    others.end()
        _append(launcher.logs(scratch), start.log)
    killed = _oom_kills() > kills_before
    if watch is None:
        judged = _judge(followed, worker.returncode, hung, killed)
    else:
        printed = _end_of_log(start.log, TOLD_BY_RANKS)
        elsewhere = None if others is None else others.ending(printed)
        died = not hung and (worker.returncode or 0) < 0 and not watch.says_why()
        untold = elsewhere is None and (followed.ends_others or died)
        by_ranks = None if untold else watch.ending(printed, elsewhere)
        judged = _judge_ranks(followed, by_ranks, worker.returncode, hung, killed)
    ending = _explained(judged, start.log)
    if gone:
        return ending
    left = f"process {worker.pid} waits in the kernel and could not be killed"
    return Ending(ending.status, f"{ending.reason}; {left}" if ending.reason else left)


@contextlib.contextmanager
def _channel(plan: LaunchPlan, scratch: Path) -> Iterator[tuple[io.FileIO, LaunchPlan, tuple[int, ...]]]:
    """Where the first rank says what it does, the plan that names it, and descriptors that the child must inherit.

    A launcher between keeps no descriptor open for its ranks: they get a pipe with a name.
    """
    if plan.ranks == 1:
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            yield pipe, plan.model_copy(update={"progress_fd": write_end}), (write_end,)
        return
    path = scratch / "progress"
    os.mkfifo(path, 0o600)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as pipe:
        yield pipe, plan.model_copy(update={"progress_path": str(path)}), ()


def _append(logs: Sequence[Path], log: Path) -> None:
    """The ends of files that ranks have printed into, each with its name."""
    with contextlib.suppress(OSError), log.open("ab") as file:
        for path in logs:
            file.write(f"\n[{path.name}]\n".encode())
            with path.open("rb") as printed:
                printed.seek(max(0, path.stat().st_size - MOST_OF_A_LOG))
                file.write(printed.read(MOST_OF_A_LOG))


class _Following:
    """Reads what a worker says of itself until it has ended or has no more time.

    `ends_others` says that ranks are ended for that alone, so that how they end tells nothing.
    """

    def __init__(self, pipe: io.FileIO, worker: children.Child, start: _Start) -> None:
        self.told: Ending | None = None
        self.cut: str | None = None
        self.ends_others = False
        self._pipe, self._worker, self._folder = pipe, worker, start.folder
        self._limit_s, self._progress, self._watch = start.plan.scenario.time_limit_s, start.progress, start.watch
        self._begun_s = self._heard_s = self._beaten_s = time.monotonic()
        self._rest = b""

    def to_the_end(self) -> None:
        """Return when the worker has ended, or `cut` says why it has to be."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            listening = True
            while not self._is_over():
                stopping.check()
                self._beat()
                if not listening:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._worker.wait(POLL_S)
                elif selector.select(POLL_S):
                    listening = self._read()
        self.drain()
        self.ends_others = self.cut is not None and self._watch is not None and not self._watch.knows_why()

    def drain(self) -> None:
        """Take what is left in the pipe, without waiting for more."""
        os.set_blocking(self._pipe.fileno(), False)
        while self._read():
            pass

    def _beat(self) -> None:
        if time.monotonic() > self._beaten_s + leftovers.BEAT_S:
            self._beaten_s = time.monotonic()
            leftovers.beat(self._folder)

    def _is_over(self) -> bool:
        if self._worker.poll() is not None:
            return True
        if self._watch is not None and self._watch.is_over():
            return True
        now_s = time.monotonic()
        if self.told is not None:
            return now_s > self._heard_s + EXIT_GRACE_S
        if now_s > self._begun_s + self._limit_s:
            self.cut = f"not done after the time limit of {self._limit_s:g} s"
        elif self._progress is not None and now_s > self._heard_s + SILENCE_S:
            self.cut = f"said nothing for {SILENCE_S:g} s{SEE_LOG}"
        return self.cut is not None

    def _read(self) -> bool:
        """Take what is in the pipe; whether there may be more."""
        chunk = self._pipe.read(LONGEST_LINE)
        if not chunk:
            return False
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            self._take(line)
        return True

    def _take(self, line: bytes) -> None:
        """One line; what is no message of a worker, such as what a library prints into the pipe, is passed over."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict) or self.told is not None:
            return
        status, reason = message.get("status"), message.get("reason")
        text, fraction = message.get("text"), message.get("fraction")
        if status in get_args(Status) and (reason is None or isinstance(reason, str)):
            self.told = Ending(cast(Status, status), reason)
        elif self._progress and isinstance(text, str) and isinstance(fraction, int | float) and 0 <= fraction <= 1:
            with contextlib.suppress(OSError):
                self._progress(text, fraction)
        else:
            return
        self._heard_s = time.monotonic()


def _judge(followed: _Following, returncode: int | None, hung: bool, oom_killed: bool) -> Ending:
    if followed.told is not None:
        if followed.told.status != "completed" or followed.cut or (returncode == 0 and not hung):
            return followed.told
        end = f"its process did not end within {EXIT_GRACE_S:g} s and was ended" if hung else end_of(returncode)
        return Ending("completed", f"after the last measurement: {end}{SEE_LOG}")
    if followed.cut is not None:
        return Ending("timed_out", followed.cut)
    if returncode == 0:
        return Ending("completed", None)
    if returncode == -signal.SIGKILL and oom_killed:
        return Ending("out_of_memory", "killed by the kernel: out of memory")
    return Ending("crashed", f"{end_of(returncode)}{SEE_LOG}")


def _judge_ranks(
    followed: _Following, by_ranks: Ending | None, returncode: int | None, hung: bool, oom_killed: bool
) -> Ending:
    """The ending of a launch of several ranks, `by_ranks` being what they say of it."""
    if by_ranks is None:
        if followed.cut is not None:
            return Ending("timed_out", followed.cut)
        return Ending("crashed", f"before all ranks were done, their launcher {end_of(returncode)}{SEE_LOG}")
    if by_ranks.status == "completed":
        if followed.cut or (returncode == 0 and not hung):
            return by_ranks
        end = f"the ranks did not end within {EXIT_GRACE_S:g} s and were ended" if hung else end_of(returncode)
        return Ending("completed", f"after the last measurement: {end}{SEE_LOG}")
    if by_ranks.status == "crashed" and oom_killed and signal.SIGKILL.name in (by_ranks.reason or ""):
        return Ending("out_of_memory", f"{by_ranks.reason} by the kernel: out of memory")
    return by_ranks


def _explained(ending: Ending, log: Path) -> Ending:
    """The ending of a worker that could not say why it crashed, with what its log says of the machine."""
    if ending.status != "crashed" or not (ending.reason or "").endswith(SEE_LOG):
        return ending
    fault = fault_in(_end_of_log(log))
    if fault is None:
        return ending
    status: Status = "out_of_memory" if fault.kind == "memory" else "failed" if fault.kind in MACHINE else "crashed"
    return Ending(status, f"{(ending.reason or '').removesuffix(SEE_LOG)}, after: {fault}")


def _end_of_log(log: Path, most: int = TOLD_BYTES) -> str:
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - most))
        return file.read(most).decode(errors="replace")
    return ""


def _oom_kills() -> int:
    """Processes that the kernel has killed for lack of memory since it started."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
