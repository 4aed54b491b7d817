"""Who makes the launches of a block: one job at a time, whoever submitted it and however often it was started.

A scheduler may start a job again while the node that it lost still runs it, and two people may submit the same block.
Whoever starts takes the claim, unless another job that is alive has it; whoever has lost it makes no more launches.
"""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.launch.folder_lock import folder_lock

MOST_BYTES = 2**16


class Claim(Frozen):
    """A job that has a block; `token` is of this start of the job alone."""

    job: str
    node: str
    token: str


class LostClaim(UserError):
    """Another start of the job, or another job, makes the launches of this block.

    Whoever has lost the claim writes nothing more where the other one writes.
    """


class ClaimFile:
    """The claim of one block in a folder that all nodes see."""

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.json"
        self._own: Claim | None = None

    def take(self, job: str, node: str, is_active: Callable[[str], bool], say: Callable[[str], None]) -> None:
        """Have the claim from now on.

        Raises LostClaim where another job has it that `is_active`, and UserError where the folder cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with folder_lock(self._path.with_suffix(".lock"), say):
                holder = self._read()
                if holder is not None and holder.job != job and is_active(holder.job):
                    raise LostClaim(f"job {holder.job} on {holder.node} makes the launches of this block")
                own = Claim(job=job, node=node, token=uuid4().hex)
                write_atomically(self._path, own.model_dump_json() + "\n")
                self._own = own
        except OSError as error:
            folder = self._path.parent
            raise UserError(f"{folder}: cannot be written: {error.strerror}; free space or choose another") from None

    def check(self) -> None:
        """Raise LostClaim where it has been taken by another since."""
        holder = self._read()
        if holder is not None and holder != self._own:
            raise LostClaim(f"job {holder.job}, started on {holder.node}, makes the launches of this block now")

    def is_of_another_start(self, job: str) -> bool:
        """Whether another start of this job has the claim: it writes into the same folder of the block."""
        holder = self._read()
        return holder is not None and holder.job == job and holder != self._own

    def _read(self) -> Claim | None:
        try:
            return Claim.model_validate_json(read_regular(self._path, MOST_BYTES))
        except (OSError, ValidationError):
            return None
