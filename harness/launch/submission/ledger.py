"""What was submitted to a folder of results, by whom and as which jobs; one folder a submission, written once."""

import socket
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.errors import UserError, nearest
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.launch.submission.state import BlockState

SUBMISSIONS = "submissions"
FILE_NAME = "submitted.json"
MOST_BYTES = 2**24


class SubmittedBlock(Frozen):
    """A block and the job that was handed in for it."""

    name: str
    key: str
    job: str
    folder: str = Field(description="within the folder of the submission")


class LeftOut(Frozen):
    """A block that was not handed in, and why."""

    name: str
    reason: str


class Submission(Frozen):
    """What `submitted.json` holds."""

    submission: str
    site: str
    scheduler: str
    suite: str
    chip: str
    user: str
    host: str
    submitted_at: str = Field(description="UTC, ISO 8601")
    results: str
    blocks: tuple[SubmittedBlock, ...]
    left_out: tuple[LeftOut, ...] = ()


class Entry(NamedTuple):
    """A block of the ledger, its folder, and what its job has written there."""

    submission: Submission
    block: SubmittedBlock
    folder: Path

    @property
    def state(self) -> BlockState | None:
        """The state that the job wrote last."""
        return BlockState.read(self.folder)


def new_name() -> str:
    """A name of a submission that sorts by time."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"


def host_name() -> str:
    """Where it is submitted."""
    return socket.gethostname()


def write(submission: Submission, folder: Path) -> Path:
    """Write submitted.json; its path."""
    path = folder / FILE_NAME
    write_atomically(path, submission.model_dump_json(indent=1) + "\n")
    return path


def submissions(results: Path) -> Iterator[tuple[Submission, Path]]:
    """All submissions to a folder of results with their folders, oldest first; what cannot be read is passed over."""
    for path in sorted((results / SUBMISSIONS).glob(f"*/{FILE_NAME}")):
        try:
            yield Submission.model_validate_json(read_regular(path, MOST_BYTES)), path.parent
        except (OSError, ValidationError):
            continue


def entries(results: Path, name: str | None = None) -> list[Entry]:
    """The blocks of all submissions, or of one of this name.

    Raises UserError where there is no submission of the name.
    """
    found = list(submissions(results))
    if name is not None:
        names = [submission.submission for submission, _ in found]
        if name not in names:
            raise UserError(f"no submission {name!r} in {results / SUBMISSIONS}; {nearest(name, names)}")
        found = [(submission, folder) for submission, folder in found if submission.submission == name]
    return [
        Entry(submission, block, folder / block.folder) for submission, folder in found for block in submission.blocks
    ]


def of_key(known: Sequence[Entry], key: str) -> list[Entry]:
    """The blocks that make the same launches, newest first."""
    return [entry for entry in reversed(known) if entry.block.key == key]
