"""Folders of launches that left no record, as those do that were killed with their bench: told of, and removed.

A launch names its owner in launch.json and renews that file's time while it runs. A folder whose owner runs on this
machine is never touched. Of one that another machine made in a shared folder, only the silence can be known; it is
measured by the clock of the file system, which both see.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from harness.launch.plan import FILE_NAME, Owner
from harness.processes import is_running, started, this_machine
from harness.results import record

BEAT_S = 60.0
SILENT_S = 3600.0
"""A launch on another machine that has not renewed its file for so long may have ended, and is told of."""

DEAD_S = 86_400.0
"""One that has not done so for a day has ended."""

LAUNCH = re.compile(r"\d{2,}-[0-9a-f]{8}")


class _Owned(BaseModel):
    """What matters here of a launch.json of any version."""

    owner: Owner


@dataclass(frozen=True)
class Leftovers:
    """What was found: folders that were removed, and those that somebody has to look at."""

    removed: tuple[Path, ...]
    doubtful: tuple[Path, ...]

    def lines(self) -> Iterator[str]:
        """What to tell the user."""
        if self.removed:
            yield f"removed {_named(self.removed)}: left by a bench that was killed, without a record"
        if self.doubtful:
            yield f"no record in {_named(self.doubtful)}: remove what no bench on another machine is still making"


def this_process() -> Owner:
    """This process as the owner of a launch."""
    return Owner(machine=this_machine(), pid=os.getpid(), started=started(os.getpid()))


def runs_here(pid: int, began: str | None) -> bool:
    """Whether the process of this number that began at that time, as `started` gives it, runs on this machine."""
    return started(pid) == began and is_running(pid)


def beat(folder: Path) -> None:
    """Say that the launch in a folder goes on."""
    with contextlib.suppress(OSError):
        os.utime(folder / FILE_NAME)


def clean(suite: Path) -> Leftovers:
    """Look at all launches of a suite that have no record; remove the folders of those that have certainly ended."""
    removed, doubtful = [], []
    with contextlib.suppress(OSError):
        now_s = _now_s(suite)
        for folder in sorted(suite.glob("*/*")):
            if _is_launch(folder) and not _has_record(folder):
                has_ended = _has_ended(folder, now_s)
                if has_ended and _remove(folder):
                    removed.append(folder)
                elif has_ended is not False:
                    doubtful.append(folder)
    return Leftovers(tuple(removed), tuple(doubtful))


def _is_launch(folder: Path) -> bool:
    return LAUNCH.fullmatch(folder.name) is not None and not folder.is_symlink()


def _has_record(folder: Path) -> bool:
    return any((folder / name).exists() for name in (record.FILE_NAME, record.SET_ASIDE_NAME))


def _has_ended(folder: Path, now_s: float) -> bool | None:
    """Whether the launch in a folder is over; None where that is likely and not certain."""
    try:
        owner = _Owned.model_validate_json((folder / FILE_NAME).read_bytes()).owner
    except (OSError, ValidationError):
        owner = None
    if owner is not None and owner.machine == this_machine():
        return not runs_here(owner.pid, owner.started)
    try:
        silent_s = now_s - max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))
        is_empty = all(path.name.startswith(f".{FILE_NAME}.") for path in folder.iterdir())
    except OSError:
        return False
    if silent_s < SILENT_S:
        return False
    return True if is_empty or (owner is not None and silent_s > DEAD_S) else None


def _remove(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _now_s(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime


def _named(folders: tuple[Path, ...]) -> str:
    first = f"{folders[0].parent.name}/{folders[0].name}"
    return first if len(folders) == 1 else f"{first} and {len(folders) - 1} more"
