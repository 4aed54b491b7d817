"""Waiting for processes and conditions, with patience for a busy machine."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

PATIENCE_S = 120.0


def wait_until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as the condition holds."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "condition not met in time"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def running_with(word: str) -> list[int]:
    """Processes that have a word in their command line or environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            said = " ".join(process.cmdline()) + " ".join(map("=".join, process.environ().items()))
            if word in said and process.status() != psutil.STATUS_ZOMBIE and process.pid != psutil.Process().pid:
                found.append(process.pid)
    return found


def pid_in(path: Path) -> int:
    """The number that a process has written to a file, once it has."""
    wait_until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())
