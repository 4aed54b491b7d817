"""An index of all records of a folder: one row a launch and quantity, in one Parquet file that anything reads.

The records are the truth. The index is made from them, follows them by path, size and time of change, and may be
removed at any time.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.analysis.cells import age
from harness.analysis.reading import StoredRecord, read_records
from harness.errors import UserError
from harness.files import write_atomically
from harness.history.gate import night_of
from harness.history.gated import Gated, gated_values
from harness.machine import rehearsal
from harness.results import record as records
from harness.scenario.labels import label

FILE_NAME = "history.parquet"
SCHEMA_VERSION = b"2"
BASELINE = "baseline"
OF_A_NIGHT = re.compile(r"(\d{4}-\d\d-\d\d)-[0-9a-f]{8}(-\d+)?")
"""The folder of a night of `crosscast nightly`: the date of its evening and its candidate."""

ABOVE = 4
"""Parts of a record's path that a bench gives it: suite, cell, launch and the file."""

TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("record", TEXT),
        ("modified_ns", pa.int64()),
        ("size", pa.int64()),
        ("cell", TEXT),
        ("node", TEXT),
        ("night", TEXT),
        ("side", TEXT),
        ("commit", TEXT),
        ("execution", TEXT),
        ("framework", TEXT),
        ("driver", TEXT),
        ("packages", TEXT),
        ("launch", pa.int32()),
        ("attempt", TEXT),
        ("status", TEXT),
        ("foreign", pa.bool_()),
        ("quantity", TEXT),
        ("title", TEXT),
        ("unit", TEXT),
        ("sort", TEXT),
        ("value", pa.float64()),
    ],
    metadata={b"crosscast.history": SCHEMA_VERSION},
)
"""`side` is baseline where a folder above the record bears that name; a launch without a value has one row without."""


def refresh(results: Path, *, rebuild: bool = False) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The index of a folder, brought up to date with its records and written beside them; all anew on `rebuild`.

    Returns a row a launch and quantity, texts as categories, and a line for each record that cannot be used. An index
    that cannot be read is made anew; one that cannot be written is not written. Raises UserError where there is no such
    folder or no record in it.
    """
    if not results.is_dir():
        raise UserError(f"{results}: no such folder of results; name another with --results, or make it with a bench")
    path = results / FILE_NAME
    found, unreadable = records_below(results)
    kept = None if rebuild else read_index(path)
    known = _known(kept, found) if kept is not None else {}
    new = sorted(name for name in found if name not in known)
    fresh, unusable = _rows(results, new, found)
    problems = (*unreadable, *unusable)
    if kept is not None and (len(known) < _records(kept) or kept.num_rows == 0):
        kept = kept.filter(pa.compute.is_in(kept["record"], pa.array(list(known), pa.string())))
    tables = [table for table in (kept, fresh) if table is not None and table.num_rows]
    if not tables:
        told = f"; {len(problems)} cannot be used, the first: {problems[0]}" if problems else ""
        raise UserError(f"{results}: no record of a launch{told}")
    table = pa.concat_tables(tables).unify_dictionaries() if len(tables) > 1 else tables[0]
    if fresh is not None or kept is None or kept.num_rows != table.num_rows:
        _write(path, table)
    return table.to_pandas(), problems


def rows_of(record: StoredRecord, name: str, modified_ns: int, size: int) -> list[dict[str, Any]]:
    """The rows of a record that bears a name within its folder of results."""
    framework = record.summary.framework
    environment, scenario = record.environment, record.scenario
    accelerator = environment.accelerator
    shared = {
        "record": name,
        "modified_ns": modified_ns,
        "size": size,
        "cell": f"{scenario.suite}/{scenario.cell}",
        "node": environment.host,
        "night": _night(record, name),
        "side": BASELINE if BASELINE in Path(name).parts[:-ABOVE] else "candidate",
        "commit": f"{environment.git_commit or 'unknown'}{'+' if environment.git_dirty else ''}",
        "execution": f"{scenario.framework} {label(scenario.execution)}",
        "framework": framework.version if framework else "unknown",
        "driver": accelerator.driver or (framework.driver if framework else None) or "none",
        "packages": environment.packages,
        "launch": record.launch,
        "attempt": record.attempt,
        "status": record.status,
        "foreign": record.load.foreign,
    }
    values: Mapping[Gated, float] = gated_values(record, record.summary) if record.status == "completed" else {}
    rows = [
        {**shared, "quantity": each.name, "title": each.title, "unit": each.unit, "sort": each.sort, "value": value}
        for each, value in values.items()
    ]
    return rows or [{**shared, "quantity": "", "title": "", "unit": "", "sort": "", "value": None}]


def _night(record: StoredRecord, name: str) -> str:
    """The night of a record that bears a name: all launches of one that is kept in a folder are of its date.

    They may begin before noon UTC and end after it, as in a lab of the Pacific.
    """
    *above, _side = Path(name).parts[:-ABOVE] or ("",)
    of_night = OF_A_NIGHT.fullmatch(above[-1]) if above else None
    return of_night[1] if of_night else night_of(age(record)[0].timestamp())


def records_below(results: Path) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Every record below the folder by its name within it, with the time of its last change and its size.

    Linked folders are followed, and what is reached in two ways is one record. Checkouts below it and hidden folders
    are passed over: what is in them was made elsewhere. Also a line for each place that cannot be read.
    """
    found: dict[str, tuple[int, int]] = {}
    problems: list[str] = []
    seen: set[tuple[int, int]] = set()
    root = os.path.join(results, "")  # noqa: PTH118 (what scandir puts before the names below it)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            place = os.stat(folder)  # noqa: PTH116 (a third of the time of a walk over years of nights is that of Path)
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            problems.append(f"{folder}: cannot be read: {error.strerror}")
            continue
        is_checkout = folder != root and any(entry.name == ".git" for entry in entries)
        if is_checkout or (place.st_dev, place.st_ino) in seen:
            continue
        seen.add((place.st_dev, place.st_ino))
        for entry in entries:
            try:
                if entry.is_dir():
                    if not entry.name.startswith("."):
                        waiting.append(entry.path)
                elif entry.name == records.FILE_NAME:
                    status = entry.stat()
                    found[entry.path[len(root) :]] = status.st_mtime_ns, status.st_size
            except OSError as error:
                problems.append(f"{entry.path}: cannot be read: {error.strerror}")
    return found, problems


def read_index(path: Path) -> pa.Table | None:
    """The index in a file; None where there is none that this version reads: then it is made anew."""
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException):
        return None
    version = (table.schema.metadata or {}).get(b"crosscast.history")
    is_ours = version == SCHEMA_VERSION and table.schema.equals(SCHEMA)
    return table if is_ours and not any(table[name].null_count for name in SCHEMA.names if name != "value") else None


def _firsts(table: pa.Table) -> pd.DataFrame:
    frame = table.select(["record", "modified_ns", "size"]).to_pandas()
    return frame.loc[~frame["record"].duplicated()]


def _known(table: pa.Table, found: Mapping[str, tuple[int, int]]) -> dict[str, None]:
    """The records of the index that are still there as they were."""
    firsts = _firsts(table)
    same = zip(firsts["record"], firsts["modified_ns"], firsts["size"], strict=True)
    return {name: None for name, modified_ns, size in same if found.get(name) == (modified_ns, size)}


def _records(table: pa.Table) -> int:
    return len(_firsts(table))


def _rows(
    results: Path, names: Sequence[str], found: Mapping[str, tuple[int, int]]
) -> tuple[pa.Table | None, list[str]]:
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    counted = rehearsal.purpose()
    for name, record in zip(names, read_records([results / name for name in names]), strict=True):
        if isinstance(record, UserError):
            problems.append(str(record))
            continue
        try:
            if record.purpose == counted:
                rows += rows_of(record, name, *found[name])
        except (UserError, ArithmeticError, LookupError, ValueError) as error:
            problems.append(f"{results / name}: damaged: {error}")
    return (table_of(rows) if rows else None), problems


def table_of(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as the index keeps them."""
    listed = list(rows)
    columns = {field.name: pa.array([row[field.name] for row in listed], _plain(field.type)) for field in SCHEMA}
    return pa.table(columns).cast(SCHEMA)


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if kind == TEXT else kind


def _write(path: Path, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(SCHEMA.metadata), sink, compression="zstd")
    try:
        write_atomically(path, sink.getvalue().to_pybytes())
    except UserError:
        return
