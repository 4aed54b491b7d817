"""Read records by the thousand: one pass over each file, of which only what tables need stays in memory."""

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from harness.analysis import decoding
from harness.analysis.decoding import IN_THE_FILE, KEPT
from harness.analysis.summaries import Summary, summarise_record
from harness.errors import UserError
from harness.results import record as records
from harness.results.record import Record

MANY = 100_000
"""Objects over which Python passes from then on where it looks for cycles, there and as it ends: looks take seconds."""


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


def read_records(paths: Sequence[Path]) -> list[StoredRecord | UserError]:
    """Read files, in the order of `paths`; an error in one line for each that cannot be used."""
    with without_collecting():
        return [_read(path) for path in paths]


def _read(path: Path) -> StoredRecord | UserError:
    try:
        found = decoding.load(path)
        summary = summarise_record(found)
    except UserError as error:
        return error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        return UserError(f"{path}: damaged: no numbers that a launch can have ({why}); remove it or run it again")
    record = StoredRecord.model_construct(**{name: getattr(found, name) for name in KEPT})
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
        if gc.get_count()[0] > MANY:
            gc.freeze()
        if enabled:
            gc.enable()
