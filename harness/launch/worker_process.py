"""The worker as a child process: started, followed, ended, and its ending judged."""

import contextlib
import io
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.launch.plan import LaunchPlan
from harness.overrides import without_overrides
from harness.record import Status

Progress = Callable[[str, float], None]

TERMINATE_GRACE_S = 5.0
POLL_S = 1.0


@dataclass(frozen=True)
class Ending:
    """How a worker ended."""

    status: Status
    reason: str | None


def worker_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker: that of this process, quiet logs and devices numbered as the driver does.

    What would overrule the precision that a launch asks for is dropped (harness.overrides).
    """
    defaults = {"GLOG_v": "3", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**defaults, **without_overrides(inherited), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def run_worker(plan: LaunchPlan, folder: Path, environment: dict[str, str], progress: Progress) -> Ending:
    """Run the worker of a launch to its end, and end it where it takes too long or the user interrupts.

    What it prints goes to log.txt. `progress` gets what it does and the fraction done.
    """
    read_end, write_end = os.pipe()
    plan = plan.model_copy(update={"progress_fd": write_end, "parent_pid": os.getpid()})
    plan.write(folder)
    kills_before = _oom_kills()
    with (folder / "log.txt").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "harness.worker", str(folder.absolute())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=True,
        )
    os.close(write_end)
    try:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            told, timed_out = _follow(pipe, worker, plan.scenario.time_limit_s, progress)
    finally:
        _end(worker)
    if timed_out:
        return Ending("timed_out", f"not done after the time limit of {plan.scenario.time_limit_s:g} s")
    if told is not None:
        return told
    return _judge(worker.returncode, _oom_kills() > kills_before)


def _follow(
    pipe: io.FileIO, worker: "subprocess.Popen[bytes]", limit_s: float, progress: Progress
) -> tuple[Ending | None, bool]:
    """Pass on the worker's progress until it closes the pipe; what it said of its ending, and whether time ran out."""
    deadline_s = time.monotonic() + limit_s
    told: Ending | None = None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while time.monotonic() < deadline_s:
            if not selector.select(min(POLL_S, max(0.0, deadline_s - time.monotonic()))):
                if worker.poll() is not None:
                    return told, False
                continue
            chunk = pipe.read(65536)
            if not chunk:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.wait(max(0.0, deadline_s - time.monotonic()))
                    return told, False
                return told, True
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "status" in message:
                    told = Ending(message["status"], message["reason"])
                else:
                    progress(message["text"], message["fraction"])
    return told, True


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """Make sure that the worker and all that it started are gone."""
    if worker.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(TERMINATE_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _judge(returncode: int, oom_killed: bool) -> Ending:
    if returncode == 0:
        return Ending("completed", None)
    if returncode < 0:
        name = signal.Signals(-returncode).name
        if -returncode == signal.SIGKILL and oom_killed:
            return Ending("out_of_memory", "killed by the kernel: out of memory")
        return Ending("crashed", f"killed by {name}; see log.txt")
    return Ending("crashed", f"ended with status {returncode}; see log.txt")


def _oom_kills() -> int:
    """Processes that the kernel has killed for lack of memory since it started."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
