"""The files of a results folder that hold records, absent cells and parity certificates."""

import os
from pathlib import Path
from typing import NamedTuple

from harness.machine import rehearsal
from harness.porting.parity import certificate
from harness.results import file_names
from harness.results import record as records

WANTED = frozenset({records.FILE_NAME, file_names.ABSENT})
"""Names that only files bear."""


class FoundFiles(NamedTuple):
    """The files of a results folder that are read, sorted, and the folders that cannot be."""

    records: list[Path]
    absent: list[Path]
    certificates: list[Path]
    problems: list[str]


def found_files(results: Path) -> FoundFiles:
    """Walk a folder and those that links in it lead to, each once."""

    def note(error: OSError) -> None:
        found.problems.append(f"{error.filename}: cannot be read: {error.strerror}")

    found = FoundFiles([], [], [], [])
    absent = rehearsal.named(file_names.ABSENT)
    seen: set[tuple[int, int]] = set()
    for folder, below, names in os.walk(results, onerror=note, followlinks=True):
        below.sort()
        place = Path(folder)
        try:
            status = place.stat()
        except OSError as error:
            note(error)
            continue
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in WANTED.intersection(below):
            found.problems.append(f"{place / name}: a folder where a file should be")
        if records.FILE_NAME in names:
            found.records.append(place / records.FILE_NAME)
        if absent in names:
            found.absent.append(place / absent)
        if place.name == certificate.FOLDER:
            found.certificates.extend(place / name for name in sorted(names) if name.endswith(".json"))
    return found
