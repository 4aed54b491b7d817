"""The rows of a power log, a few at a time, so that a log of weeks needs no memory of its size to be copied."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROWS_AT_ONCE = 20_000
LONGEST_LINE = 1 << 20


def lines_of(jsonl: Path) -> Iterator[bytes]:
    """The lines of a file, one at a time; one of more than `LONGEST_LINE` bytes comes in parts. Raises OSError."""
    with jsonl.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            yield line


def write_rows(parquet: Path, rows: Iterable[Mapping[str, Any]], schema: Any) -> None:
    """Write rows to a Parquet file that appears whole, by rename; nothing is left where that fails.

    `schema` is a pyarrow.Schema; a field that a row lacks is null. Raises OSError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    partial = parquet.with_name(parquet.name + ".partial")
    rows = iter(rows)
    try:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            while some := list(itertools.islice(rows, ROWS_AT_ONCE)):
                writer.write_batch(pa.RecordBatch.from_pylist(some, schema=schema))
        partial.replace(parquet)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
