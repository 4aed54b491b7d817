"""Child processes of the harness: what they inherit, where they may write, and one that answers with a JSON object."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from collectors import children
from harness.errors import UserError
from harness.faults import fault_in
from harness.overrides import without_overrides

ORDER = "CUDA_DEVICE_ORDER"
"""How CUDA numbers unlike boards; by itself the fastest first, which no driver tells."""


def worker_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker: that of this process, quiet logs and devices numbered as the driver does.

    What would overrule the precision that a launch asks for is dropped (harness.overrides).
    """
    defaults = {"GLOG_v": "3", ORDER: "PCI_BUS_ID"}
    return {**defaults, **without_overrides(inherited), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def environment_beside(inherited: Mapping[str, str]) -> dict[str, str]:
    """That of a sampler beside a command of the user's, which counts devices by the user's own environment."""
    return {name: value for name, value in worker_environment(inherited).items() if name != ORDER or name in inherited}


@contextlib.contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A folder for files that nobody keeps. Raises UserError where no temporary folder can be written."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=f"crosscast-{name}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise UserError(f"no temporary folder can be written ({error.strerror}); set TMPDIR to one that can") from None
    with folder as path:
        yield Path(path)


def is_running(pid: int) -> bool:
    """Whether there is a process of this number on this machine, of any user."""
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True


def started(pid: int) -> str | None:
    """When a process started, in ticks since the boot; None where it has ended, or the system does not say."""
    with contextlib.suppress(OSError, IndexError):
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return None if state in b"ZX" else fields[18].decode()
    return None


def this_machine() -> str:
    """What stands for this host, its boot and the numbering of its processes."""
    parts = [os.fsencode(socket.gethostname())]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            parts.append(os.fsencode(Path(path).readlink()) if path.endswith("/pid") else Path(path).read_bytes())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def ask_child(module: str, *arguments: object, timeout_s: float, python: str | None = None) -> dict[str, Any]:
    """What `python -m module` prints as its last JSON object; {"reason": ...} where there is none, or not in time.

    `python` is another interpreter than this one.
    """
    try:
        child = children.start(
            children.python_module(module, *arguments, python=python),
            env=worker_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        return {"reason": f"cannot be started: {error.strerror}"}
    try:
        stdout, stderr = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return {"reason": f"no answer within {timeout_s:g} s"}
    finally:
        child.end()
    for line in reversed(stdout.decode(errors="replace").splitlines()):
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                return answer
    told = stderr.decode(errors="replace")
    words = [line.strip() for line in told.splitlines() if line.strip()]
    said = fault_in(told) or (words[-1] if words else "it said nothing")
    return {"reason": f"ended with status {child.returncode}: {said}"}
