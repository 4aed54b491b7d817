"""Read records by the thousand: one pass over each file, of which only what tables need stays in memory.

Of more than HEAD_START files, a child process reads CHILD_SHARE of those above: it takes their paths on its standard
input and answers with a pickle, which nothing but its parent sees.
"""

import gc
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from collectors import children
from harness.analysis import decoding
from harness.analysis.decoding import IN_THE_FILE, KEPT
from harness.analysis.summaries import Summary, summarise_record
from harness.errors import UserError
from harness.results import record as records
from harness.results.record import Record

HEAD_START, CHILD_SHARE = 1_000, 0.45
"""What is read here while the child starts, and the child's share of the rest: it has a pickle to make, too."""


class StoredRecord(Record):
    """A record whose measurements and energies stay in its file and are read from it when asked for.

    Asking raises UserError where the file has gone or was damaged in the meantime.
    """

    _path: Path = PrivateAttr()
    _summary: Summary = PrivateAttr()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def beside(self, name: str) -> Path | None:
        """What bears this name in the folder of the launch, a file or not; None where there is nothing."""
        path = self._path.with_name(name)
        return path if os.path.lexists(path) else None

    @property
    def summary(self) -> Summary:
        """What tables need of the measurements and energies."""
        return self._summary

    def __getattr__(self, name: str) -> Any:
        if name in IN_THE_FILE:
            return getattr(_whole(self._path, _modified_ns(self._path)), name)
        return super().__getattr__(name)  # type: ignore[misc]


_Read = tuple[dict[str, Any], Summary]
"""What a file holds: the fields of its record but those that stay in the file, and its summary."""


def read_records(paths: Sequence[Path]) -> list[StoredRecord | UserError]:
    """Read files, in the order of `paths`; an error in one line for each that cannot be used."""
    shared = (os.cpu_count() or 1) > 1
    ours = len(paths) - int(CHILD_SHARE * max(0, len(paths) - HEAD_START) if shared else 0)
    with _child(paths[ours:]) as child, without_collecting():
        found = _read_all(paths[:ours])
        found += _answer(child, paths[ours:]) if child else _read_all(paths[ours:])
        return [_stored(path, read) for path, read in zip(paths, found, strict=True)]


@contextmanager
def _child(paths: Sequence[Path]) -> Iterator[children.Child | None]:
    if not paths:
        yield None
        return
    try:
        child = _start(paths)
    except OSError:
        yield None
        return
    try:
        yield child
    finally:
        child.end()


def _start(paths: Sequence[Path]) -> children.Child:
    command = children.python_module("harness.analysis.reading")
    with tempfile.TemporaryFile() as names:
        names.write(b"\0".join(map(os.fsencode, paths)))
        names.seek(0)
        return children.start(command, stdin=names, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _answer(child: children.Child, paths: Sequence[Path]) -> list[_Read | str]:
    """What the child found, or the same read here where the child has died."""
    assert child.stdout
    answer = child.stdout.read()
    if child.wait() != 0:
        return _read_all(paths)
    found: list[_Read | str] = pickle.loads(answer)
    return found


def _read_all(paths: Sequence[Path]) -> list[_Read | str]:
    found: list[_Read | str] = []
    for path in paths:
        try:
            record = decoding.load(path)
            found.append(({name: getattr(record, name) for name in KEPT}, summarise_record(record)))
        except UserError as error:
            found.append(str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            found.append(f"{path}: damaged: no numbers that a launch can have ({why}); remove it or run it again")
    return found


def _stored(path: Path, found: _Read | str) -> StoredRecord | UserError:
    if isinstance(found, str):
        return UserError(found)
    fields, summary = found
    record = StoredRecord.model_construct(**fields)
    record._path, record._summary = path, summary
    return record


@lru_cache(maxsize=64)
def _whole(path: Path, modified_ns: int) -> Record:
    return records.load(path)


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise UserError(f"{path}: cannot be read any more: {error.strerror}") from None


@contextmanager
def without_collecting() -> Iterator[None]:
    """Keep Python from looking for cycles among records and numbers, of which there are none, while there are many."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def answer() -> None:
    """In the child: paths on its standard input, NUL between them; the pickle of what they hold on its output."""
    with without_collecting():
        paths = [Path(os.fsdecode(name)) for name in sys.stdin.buffer.read().split(b"\0")]
        sys.stdout.buffer.write(pickle.dumps(_read_all(paths), pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    answer()
