"""Copies of a record, which count once, and different records of one attempt, of which none counts."""

from collections import defaultdict
from collections.abc import Sequence

from harness.analysis.reading import StoredRecord
from harness.errors import UserError
from harness.results import record as records


def without_doubles(found: Sequence[StoredRecord]) -> tuple[list[StoredRecord], list[str]]:
    """One record of each attempt, and a line for each attempt whose records differ, all of which are left out."""
    attempts: dict[tuple[str, str, str, str], list[StoredRecord]] = defaultdict(list)
    for record in found:
        attempts[record.scenario.suite, record.cell, record.environment.host, record.attempt].append(record)
    kept, problems = [], []
    for copies in attempts.values():
        first, *others = copies
        differing = [other for other in others if not _same(first, other)]
        if differing:
            problems.append(
                f"{first.path} and {differing[0].path} are two different records of one attempt ({first.attempt}), so "
                "that neither counts: remove the one that was changed"
            )
        else:
            kept.append(first)
    return kept, problems


def _same(record: StoredRecord, other: StoredRecord) -> bool:
    try:
        if record.path.read_bytes() == other.path.read_bytes():
            return True
        texts = [records.load(each.path).model_dump_json() for each in (record, other)]
    except (OSError, UserError):
        return False
    return texts[0] == texts[1]
