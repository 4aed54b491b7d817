"""What a rank says of itself in a file of its own, so that its end is known whatever its launcher makes of it."""

import contextlib
import os
import time
from pathlib import Path

from pydantic import ValidationError

from harness.files import write_atomically
from harness.frozen import Frozen
from harness.processes import started, this_machine
from harness.results.record import Status
from harness.worker.place import Place


class RankState(Frozen):
    """A process and how far it is: `joined` once it has met the other ranks, `status` once it has ended.

    `pid` is a number of `machine` alone: of a rank on another node nothing is known but what it says. `t_ns` is the
    time of its end on the monotonic clock of its node.
    """

    pid: int
    started: str | None
    machine: str
    joined: bool = False
    status: Status | None = None
    reason: str | None = None
    t_ns: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process runs here; not where the system does not say when processes started."""
        return self._is_known_here and started(self.pid) == self.started

    @property
    def is_gone(self) -> bool:
        """Whether its process was of this machine and has ended without saying how."""
        return self.status is None and self._is_known_here and started(self.pid) != self.started

    @property
    def _is_known_here(self) -> bool:
        return self.started is not None and self.machine == this_machine()


class RankFile:
    """The file of one rank; nothing is written of the only rank of a launch."""

    def __init__(self, folder: Path, place: Place) -> None:
        self._path = path_of(folder, place.number) if place.size > 1 else None
        self._state = RankState(pid=os.getpid(), started=started(os.getpid()), machine=this_machine())
        self._write()

    def joined(self) -> None:
        """The ranks have met."""
        self._update(joined=True)

    def end(self, status: Status, reason: str | None = None) -> None:
        """How the rank ends."""
        self._update(status=status, reason=reason, t_ns=time.monotonic_ns())

    def _update(self, **changes: object) -> None:
        self._state = self._state.model_copy(update=changes)
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            write_atomically(self._path, self._state.model_dump_json())


def path_of(folder: Path, rank: int) -> Path:
    """The file of a rank in the folder of its launch."""
    return folder / f"rank-{rank}.json"


def read(folder: Path, rank: int) -> RankState | None:
    """What a rank says of itself; None where it has not begun."""
    with contextlib.suppress(OSError, ValidationError):
        return RankState.model_validate_json(path_of(folder, rank).read_bytes())
    return None
