"""Rounds that a job has made half, and that the next one makes on another node: a pair of launches is of one node.

The half that is there has no partner where the rest of its round is made. It is moved out of the results, so that the
bench makes it again here; nothing of it is lost.
"""

import contextlib
import shutil
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from collectors.regular_files import read_regular
from harness.results.record import FILE_NAME, MOST_BYTES

PLACE = "without-partner"
KEPT_NAME = f"{PLACE}.json"
"""What a record is called there, which is no record's name: no table and no history reads it."""


class _Environment(BaseModel):
    host: str


class _Made(BaseModel):
    """What matters here of a record of any version."""

    cell: str
    launch: int
    status: str
    environment: _Environment


def set_aside(sides: Sequence[Path], whole: Collection[int], kept: Path) -> int:
    """Move completed launches that no host has made of both sides into `kept`, but for those of `whole` rounds.

    `sides` are the results of baseline and candidate. Returns how many were moved; raises OSError.
    """
    made: dict[tuple[str, int], dict[Path, list[tuple[Path, str]]]] = defaultdict(lambda: defaultdict(list))
    for side in sides:
        for path in sorted(side.glob(f"*/*/*/{FILE_NAME}")):
            with contextlib.suppress(OSError, ValidationError):
                record = _Made.model_validate_json(read_regular(path, MOST_BYTES))
                if record.status == "completed" and record.launch not in whole:
                    made[record.cell, record.launch][side].append((path.parent, record.environment.host))
    moved = 0
    for of_sides in made.values():
        hosts = [{host for _, host in of_sides[side]} for side in sides]
        for side in sides:
            for folder, host in of_sides[side]:
                if not all(host in of_side for of_side in hosts):
                    target = kept / side.name / folder.relative_to(side)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (folder / FILE_NAME).rename(folder / KEPT_NAME)
                    shutil.move(folder, target)
                    moved += 1
    return moved
