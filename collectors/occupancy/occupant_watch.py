"""Asks for the processes on a job's devices now and then, in a process of its own beside the work.

    python -m collectors.occupancy.occupant_watch --out FILE --collectors nvml,nvidia-smi --parent-pid PID

Looks when it starts, after a few seconds, then once in a period of the tool, and when it is told to stop. Writes a
header line, a look where it differs from the one before (with that one), and the last look.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from collectors import children
from collectors.occupancy.occupants import (
    DeviceOccupants,
    DeviceProcess,
    Lister,
    Look,
    LookError,
    Occupancy,
    OccupantLog,
    judge,
)
from collectors.sampling.log_lines import MAX_LINE_BYTES
from collectors.sampling.sampler import LineWriter, StopRequest
from collectors.vendors.ascend.ascend_occupants import NpuSmiOccupants
from collectors.vendors.hygon_amd.rocm_occupants import HySmiOccupants, RocmSmiOccupants
from collectors.vendors.nvidia.nvidia_occupants import NvidiaSmiOccupants, NvmlOccupants

LISTERS: Mapping[str, tuple[Callable[[], Lister], ...]] = {
    "nvml": (NvmlOccupants, NvidiaSmiOccupants),
    "nvidia-smi": (NvidiaSmiOccupants,),
    "dcmi": (NpuSmiOccupants,),
    "npu-smi": (NpuSmiOccupants,),
    "hy-smi": (HySmiOccupants,),
    "rocm-smi": (RocmSmiOccupants,),
    "amd-smi": (RocmSmiOccupants,),
}
"""Tools that list processes, by the name of the collector of the same devices."""

FIRST_AFTER_S = 5.0
"""The second look comes then, so that a short launch is looked at during its work too."""

READY_S = 15.0
STOP_S = 15.0
POLL_S = 0.02
FIRST_NAMESPACE = "pid:[4026531836]"
"""The process namespace of the machine itself (PROC_PID_INIT_INO of the Linux kernel)."""


class OwnProcesses:
    """The processes that the launcher started, and theirs, from when they are first seen on."""

    def __init__(self, launcher_pid: int) -> None:
        self._launcher_pid = launcher_pid
        self._pids: set[int] = set()
        self._sessions: set[int] = set()

    def note(self) -> None:
        """Looks at the process tree below the launcher as it is now. One that left the tree stays in its session."""
        with contextlib.suppress(psutil.Error, OSError):
            for child in psutil.Process(self._launcher_pid).children(recursive=True):
                self._pids.add(child.pid)
                with contextlib.suppress(OSError):
                    session = os.getsid(child.pid)
                    if session != os.getsid(self._launcher_pid):
                        self._sessions.add(session)

    def mark(self, process: DeviceProcess) -> DeviceProcess:
        """The process with whose it is."""
        if process.pid in self._pids or process.pid == self._launcher_pid:
            return replace(process, whose="own")
        try:
            session = os.getsid(process.pid)
        except (ProcessLookupError, OverflowError):
            return replace(process, whose="unknown")
        except OSError:
            return replace(process, whose="other")
        return replace(process, whose="own" if session in self._sessions else "other")


def take_look(lister: Lister, own: OwnProcesses) -> Look:
    """One answer of the tool, each process marked. Whatever the tool raises is a look with a problem."""
    own.note()
    t0_ns = time.monotonic_ns()
    try:
        devices, unplaced = lister.look()
    except Exception as error:
        told = str(error) if isinstance(error, LookError) else f"{type(error).__name__}: {error}"
        return Look(t0_ns, time.monotonic_ns(), problem=told)
    t1_ns = time.monotonic_ns()
    own.note()
    homeless = [own.mark(process) for process in unplaced]
    ours = tuple(process for process in homeless if process.whose == "own")
    marked = [DeviceOccupants(each.device, each.id, (*map(own.mark, each.processes), *ours)) for each in devices]
    return Look(t0_ns, t1_ns, tuple(marked), unplaced=len(homeless) - len(ours))


class ChangeWriter:
    """Writes looks that differ from the one before, each after that one, so that a long launch leaves a short log."""

    def __init__(self, write: Callable[[dict[str, object]], None]) -> None:
        self._write = write
        self._written: Look | None = None
        self._pending: Look | None = None

    def add(self, look: Look, last: bool = False) -> None:
        """A look; the last one is always written."""
        held = self._pending or self._written
        if held is not None and held.content == look.content and not last:
            repeats = 1 if self._pending is None else self._pending.repeats + 1
            self._pending = replace(look, repeats=repeats)
            return
        for each in (self._pending, look):
            if each is not None:
                self._write({"type": "look", **each.to_dict()})
        self._written, self._pending = look, None


def find_lister(names: Sequence[str]) -> tuple[Lister | None, str | None]:
    """The first tool for one of these collectors that finds the job's devices, or why there is none."""
    reasons: dict[str, str] = {}
    for kind in dict.fromkeys(kind for name in names for kind in LISTERS.get(name, ())):
        lister = kind()
        try:
            reason = lister.find()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        if reason is None:
            return lister, None
        reasons[lister.name] = reason
    return None, "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def has_lister(names: Iterable[str]) -> bool:
    """Whether there is a tool that lists processes for one of these collectors."""
    return any(name in LISTERS for name in names)


def watch(lister: Lister, writer: LineWriter, stop: StopRequest, parent_pid: int) -> None:
    """Looks until told to stop or the parent is gone, and once more then."""
    own, changes = OwnProcesses(parent_pid), ChangeWriter(writer.write)
    changes.add(take_look(lister, own))
    due_s = time.monotonic() + min(FIRST_AFTER_S, lister.period_s)
    while stop.requested is None and os.getppid() == parent_pid:
        left_s = due_s - time.monotonic()
        if left_s > 0:
            stop.wait(left_s)
            continue
        changes.add(take_look(lister, own))
        due_s = time.monotonic() + lister.period_s
    changes.add(take_look(lister, own), last=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the watch. Returns 0, or 2 where the log cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m collectors.occupancy.occupant_watch", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines file to write")
    parser.add_argument("--collectors", required=True, help="names of collectors in order of preference")
    parser.add_argument("--parent-pid", type=int, default=os.getppid(), help="the launcher, whose processes are own")
    options = parser.parse_args(arguments)
    os.environ["LC_ALL"] = "C"
    stop = StopRequest()
    try:
        writer = LineWriter(options.out)
    except OSError as error:
        print(f"cannot write {options.out}: {error}", file=sys.stderr)
        return 2
    lister, reason = find_lister(options.collectors.split(","))
    header = {"tool": lister.name if lister else None, "reason": reason, "same_namespace": in_first_namespace()}
    writer.write({"type": "header", **header})
    if lister is not None:
        watch(lister, writer, stop, options.parent_pid)
    writer.write({"type": "end"})
    return 0


def in_first_namespace() -> bool:
    """Whether process numbers here are those of the machine, as drivers know them."""
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == FIRST_NAMESPACE
    except OSError:
        return False


class OccupantWatch:
    """The watch as a child process in a session of its own. Trouble with it is told in its log, never raised."""

    def __init__(self, path: Path, process: children.Child | None, problem: str | None = None) -> None:
        self._path = path
        self._process = process
        self._problem = problem
        self._begun_ns = 0

    @classmethod
    def start(cls, out: Path, preferences: Sequence[str], env: Mapping[str, str]) -> OccupantWatch:
        """Starts to look with the first tool that works; no process is started where no collector has one.

        `env` is the worker's environment, so that the tool sees the same devices.
        """
        path = out.absolute()
        if not has_lister(preferences):
            return cls(path, None)
        command = children.python_module("collectors.occupancy.occupant_watch", "--out", path)
        command += ["--collectors", ",".join(preferences), "--parent-pid", str(os.getpid())]
        try:
            process = children.start(
                command,
                env={**env, "LC_ALL": "C"},
                cwd=path.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            return cls(path, None, f"the watch for other processes could not be started: {error}")
        return cls(path, process)

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Waits for the first look, so that it shows the devices before the work, which begins when this returns."""
        deadline_s = time.monotonic() + timeout_s
        while self._process is not None and not self._process.has_ended() and time.monotonic() < deadline_s:
            with contextlib.suppress(OSError):
                if self._path.read_bytes().count(b"\n") >= 2:
                    break
            time.sleep(POLL_S)
        self._begun_ns = time.monotonic_ns()

    def stop(self, device_count: int, timeout_s: float = STOP_S) -> Occupancy | None:
        """Who else was on devices 0 to `device_count` - 1. The work ended before this call, which removes the log.

        The watch looks once more and ends. None where no tool was asked, because no collector of the chip has one.
        """
        ended_ns = time.monotonic_ns()
        if self._process is None:
            return Occupancy(None, reason=self._problem) if self._problem else None
        ended = self._process.ends_when_asked(timeout_s)
        self._process.end()
        log = read_log(self._path)
        self._path.unlink(missing_ok=True)
        if not ended:
            log = replace(log, reason=f"{log.tool or 'the tool'} did not end in time and was killed")
        return judge(log, self._begun_ns, ended_ns, device_count)


def read_log(path: Path) -> OccupantLog:
    """The log that a watch left, whole or not. Never raises."""
    tool, reason, same_namespace, ended = None, "the watch for other processes left no log", False, False
    looks: list[Look] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        return OccupantLog(None, reason=f"{reason}: {error.strerror}")
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            record = json.loads(line[:MAX_LINE_BYTES])
            if record["type"] == "header":
                tool, reason, same_namespace = record["tool"], record["reason"], record["same_namespace"]
            elif record["type"] == "look":
                looks.append(Look.from_dict(record))
            ended = ended or record["type"] == "end"
    if not ended and reason is None:
        reason = f"{tool}: the watch for other processes ended before it was asked to"
    return OccupantLog(tool, tuple(looks), same_namespace, reason)


if __name__ == "__main__":
    sys.exit(main())
