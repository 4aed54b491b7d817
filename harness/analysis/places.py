"""Where the record of each launch lies in a folder of results, and so what lies beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.record import FILE_NAME, Record

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Places:
    """The files of records by suite, cell, host and attempt."""

    files: Mapping[Key, Path]

    def record_file(self, record: Record) -> Path | None:
        """The file of a record; None where it was not found."""
        return self.files.get((record.scenario.suite, record.cell, record.environment.host, record.attempt))

    def beside(self, record: Record, name: str) -> Path | None:
        """A file of this name in the folder of the launch; None where there is none."""
        found = self.record_file(record)
        path = found.with_name(name) if found else None
        return path if path and path.is_file() else None


def find_places(results: Path) -> Places:
    """Find every record under a folder; what is not a record is passed over.

    Of several copies of a record the last in the order of paths counts, as it does where records are loaded.
    """
    return Places({key: path for path in sorted(results.rglob(FILE_NAME)) if (key := _key(path))})


def _key(path: Path) -> Key | None:
    try:
        content = json.loads(path.read_bytes())
        return content["scenario"]["suite"], content["cell"], content["environment"]["host"], content["attempt"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
