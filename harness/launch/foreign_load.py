"""How busy the cores of a job were with anything but a launch."""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

MIN_CORES_ALLOWED = 0.25
PART_ALLOWED = 0.01
"""Part of the cores that the daemons of a large node keep busy at all times."""

FIELDS_COUNTED = 8
IDLE_FIELDS = (3, 4)
"""user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)); what follows is counted in user and nice."""

CGROUP_FILES = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")


def foreign_cores_allowed(cores: int) -> float:
    """Mean cores that may be busy with anything but a launch, on a job that has so many cores."""
    return max(MIN_CORES_ALLOWED, PART_ALLOWED * cores)


class ForeignLoadMeter:
    """Mean cores that anything but this process and its finished children kept busy since the meter was made.

    Only the cores on which the job may run count: a container sees those of the whole machine in /proc/stat. With
    `with_running` the children that still run, and theirs, are no foreign load either, which takes a look at all
    processes each time.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        cgroups: Path = Path("/sys/fs/cgroup"),
        *,
        with_running: bool = False,
    ) -> None:
        self._stat = proc / "stat"
        self._with_running = with_running
        self._cores = cores_of_the_job(proc, cgroups)
        self._begun_s, self._begun_busy_s, self._begun_own_s = time.monotonic(), self._busy_s(), self._own_s()
        self.elapsed_s = 0.0

    @property
    def cores(self) -> int:
        """Number of cores that are counted."""
        return len(self._cores)

    def foreign_cores(self) -> float:
        """Read the meter; `elapsed_s` then holds the time it covers."""
        self.elapsed_s = time.monotonic() - self._begun_s
        foreign_s = (self._busy_s() - self._begun_busy_s) - (self._own_s() - self._begun_own_s)
        return max(0.0, foreign_s / self.elapsed_s)

    def _own_s(self) -> float:
        return _finished_s() + (_running_s() if self._with_running else 0.0)

    def _busy_s(self) -> float:
        busy_s = busy_seconds(self._stat)
        counted = [busy_s[core] for core in self._cores if core in busy_s]
        return sum(counted) if counted else _busy_everywhere_s()


def cores_of_the_job(proc: Path, cgroups: Path) -> frozenset[int]:
    """Numbers of the cores on which this process may run: its affinity, within the cpuset of its cgroup."""
    if hasattr(os, "sched_getaffinity"):
        affinity = frozenset(os.sched_getaffinity(0))
    else:
        affinity = frozenset(range(os.cpu_count() or 1))
    return (affinity & (_cpuset(proc, cgroups) or affinity)) or affinity


def parse_cores(text: str) -> frozenset[int]:
    """Numbers in a list such as "0-3,8,10-11". Raises ValueError for anything else."""
    cores: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return frozenset(cores)


def busy_seconds(stat: Path) -> Mapping[int, float]:
    """Seconds since the start of the machine in which each core was busy, by its number; empty where not told."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    found: dict[int, float] = {}
    try:
        lines = stat.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        name, *values = line.split() or [""]
        if name.startswith("cpu") and name[3:].isdecimal() and all(value.isdecimal() for value in values):
            ticks = [int(value) for value in values[:FIELDS_COUNTED]]
            found[int(name[3:])] = tick_s * sum(tick for k, tick in enumerate(ticks) if k not in IDLE_FIELDS)
    return found


def _cpuset(proc: Path, cgroups: Path) -> frozenset[int] | None:
    """The cpuset of this process's cgroup by either version of cgroups, None where it has none."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    folders = [cgroups, cgroups / "cpuset"]
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "" or "cpuset" in controllers.split(","):
            base = cgroups / "cpuset" if controllers else cgroups
            folders.insert(0, base / path.lstrip("/"))
    for folder in folders:
        for name in CGROUP_FILES:
            try:
                if cores := parse_cores((folder / name).read_text(encoding="ascii")):
                    return cores
            except (OSError, ValueError):
                continue
    return None


def _busy_everywhere_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _finished_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _running_s() -> float:
    """Seconds of the children that run, of theirs, and of those of theirs that have ended."""
    found = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += sum(child.cpu_times()[:4])
    return found
