"""Files of pytest-benchmark: times of benchmarks, of whatever project.

The rounds of one file come from one process; several files of one benchmark are several processes, each of which counts
as one launch with the median of its rounds. Files that `crosscast export` wrote hold launches in place of rounds.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.results.record import FILE_NAME, MOST_BYTES

OURS = "crosscast"
ONE_PROCESS = "its rounds come from one process, so that what differs from process to process stands in no interval"

Time = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Content = Literal["benchmarks", "damaged", "other"]


class _Foreign(BaseModel):
    """Part of a file of pytest-benchmark; what is not read here may be anything."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Stats(_Foreign):
    data: tuple[Time, ...] | None = None
    median: Time | None = None


class _Extra(_Foreign):
    made_by: Any = None


class _Entry(_Foreign):
    fullname: str = Field(min_length=1)
    stats: _Stats
    extra_info: _Extra | None = None

    @property
    def times_s(self) -> tuple[float, ...]:
        """Times of the rounds; the median alone where the file was saved without them."""
        return self.stats.data or (() if self.stats.median is None else (self.stats.median,))


class _Machine(_Foreign):
    node: str | None = None


class _Commit(_Foreign):
    id: str | None = None


class _File(_Foreign):
    benchmarks: tuple[_Entry, ...]
    machine_info: _Machine | None = None
    commit_info: _Commit | None = None


@dataclass(frozen=True)
class Benchmarks:
    """Times in seconds by the full name of the benchmark: one a process, or with `are_rounds` those of a single one."""

    values_s: dict[str, tuple[float, ...]]
    are_rounds: bool
    host: str
    identity: str
    commits: tuple[str, ...]
    remarks: tuple[str, ...]


def files_of(path: Path) -> tuple[Path, ...]:
    """The file itself, or the files of pytest-benchmark in a folder without a record; none where there are none.

    Beside them files that cannot be read as JSON count, too, so that a damaged one is not passed over.
    """
    if path.is_file():
        return (path,)
    if next(path.rglob(FILE_NAME), None) is not None:
        return ()
    contents = {each: _content_of(each) for each in sorted(path.rglob("*.json")) if each.is_file()}
    if "benchmarks" not in contents.values():
        return ()
    return tuple(each for each, content in contents.items() if content != "other")


def read(files: Sequence[Path]) -> Benchmarks:
    """The times of files; raises UserError where one cannot be read or is none of pytest-benchmark."""
    contents = [_read(path) for path in files]
    rounds: dict[str, list[tuple[float, ...]]] = {}
    for content in contents:
        for entry in content.benchmarks:
            rounds.setdefault(entry.fullname, []).append(entry.times_s)
    values_s = {
        name: of_name[0] if len(files) == 1 else tuple(map(median, of_name)) for name, of_name in rounds.items()
    }
    extras = [entry.extra_info for content in contents for entry in content.benchmarks]
    ours = all(extra is not None and extra.made_by == OURS for extra in extras)
    are_rounds = len(files) == 1 and not ours
    remarks = (f"{files[0]}: {ONE_PROCESS}",) if are_rounds else ()
    hosts = dict.fromkeys((each.machine_info and each.machine_info.node) or "unknown" for each in contents)
    commits = dict.fromkeys(each.commit_info.id for each in contents if each.commit_info and each.commit_info.id)
    identity = hashlib.sha256(json.dumps(values_s, sort_keys=True).encode()).hexdigest()[:12]
    return Benchmarks(values_s, are_rounds, ", ".join(hosts), identity, tuple(commits), remarks)


def _content_of(path: Path) -> Content:
    """Whether a file says that it holds benchmarks, or cannot be read as JSON at all."""
    try:
        found = json.loads(read_regular(path, MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return "damaged"
    return "benchmarks" if isinstance(found, dict) and isinstance(found.get("benchmarks"), list) else "other"


def _read(path: Path) -> _File:
    try:
        found = _File.model_validate_json(read_regular(path, MOST_BYTES))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise UserError(f"{path}: not JSON: {first['msg'].removeprefix('Invalid JSON: ')}") from None
        where = ".".join(map(str, first["loc"]))
        at = f"{where}: " if where else ""
        raise UserError(
            f"{path}: no file of pytest-benchmark: {at}{first['msg']}; run those benchmarks again"
        ) from None
    times = Counter(entry.fullname for entry in found.benchmarks)
    for entry in found.benchmarks:
        if not entry.times_s:
            raise UserError(f"{path}: {entry.fullname}: no time in its stats; run that benchmark again")
        if times[entry.fullname] > 1:
            raise UserError(f"{path}: {entry.fullname} is there {times[entry.fullname]} times: keep one of them")
    return found
