"""What a record says of the machine and the software; nothing here raises where a source is missing."""

import contextlib
import os
import platform
import re
import sys
from pathlib import Path

import psutil

import harness
from harness import git
from harness.errors import UserError
from harness.machine import accelerators, interpreters, probe
from harness.machine import identity as machine
from harness.machine.speed_variables import speed_variables
from harness.privacy import interpreter_title
from harness.results.record import Environment

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
REPOSITORY = Path(harness.__file__).resolve().parents[1]


def capture(visible_devices_variable: str | None, devices: int | None = None) -> Environment:
    """The environment of launches made from this process, with the first `devices` that it sees; None means all.

    Raises UserError where the system shows nothing of itself.
    """
    if sys.platform == "linux" and not Path("/proc/stat").exists():
        raise UserError("/proc is not mounted: neither the load nor the memory of this machine can be told; mount it")
    frequency = _cpu_frequency()
    known_by = machine.identity()
    commit, dirty = _checkout()
    return Environment(
        crosscast_version=harness.__version__,
        git_commit=commit,
        git_dirty=dirty,
        python=platform.python_version(),
        platform=platform.platform(),
        host=known_by.digest,
        host_identity=known_by.kind,
        container=_container(),
        cpu_name=_cpu_name(),
        cpu_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu_mhz=frequency[0],
        cpu_mhz_max=frequency[1],
        memory_bytes=_memory_bytes(),
        packages=probe.distributions(),
        visible_devices=os.environ.get(visible_devices_variable) if visible_devices_variable else None,
        threads={name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        variables=speed_variables(os.environ, apart=THREAD_VARIABLES),
        accelerator=accelerators.describe(visible_devices_variable, devices),
    )


def of_worker(captured: Environment, python: str | None) -> Environment:
    """The environment of a worker that runs in another Python, where one is named, with that one's packages."""
    if python is None:
        return captured
    found = interpreters.look(python)
    told = {"python": found.python, "packages": found.distributions, "interpreter": interpreter_title(python)}
    return captured.model_copy(update=told)


def host_digest() -> str:
    """The identity of this machine as records name it, 12 hex digits: see harness.machine.identity."""
    return machine.identity().digest


def _checkout() -> tuple[str | None, bool | None]:
    """The commit of this harness, and whether files differ from it; None where nothing tells that."""
    status = _git("status", "--porcelain=v2", "--branch")
    if status is None:
        return git.checked_out(REPOSITORY), None
    found = re.search(r"^# branch\.oid ([0-9a-f]+)$", status, re.M)
    return found and found[1], any(not line.startswith("#") for line in status.splitlines())


def _git(*arguments: str) -> str | None:
    told = git.ask_in_trust(REPOSITORY, *arguments) if (REPOSITORY / ".git").exists() else None
    return told and told.strip()


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"^(?:model name|Hardware|cpu model)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _cpu_frequency() -> tuple[float | None, float | None]:
    with contextlib.suppress(OSError, NotImplementedError):
        if frequency := psutil.cpu_freq():
            return frequency.current or None, frequency.max or None
    return None, None


def _memory_bytes() -> int | None:
    with contextlib.suppress(OSError, NotImplementedError):
        total: int = psutil.virtual_memory().total
        return total
    return None


def _container() -> str | None:
    for path in ("/proc/self/cgroup", "/proc/self/mountinfo"):
        with contextlib.suppress(OSError):
            if found := re.search(r"(?:docker|containers|libpod|kubepods)\S*?([0-9a-f]{64})", Path(path).read_text()):
                return found[1][:12]
    return None
