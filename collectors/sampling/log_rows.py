"""The rows of a power log, a few at a time, so that a log of weeks needs no memory of its size to be copied."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from collectors.regular_files import open_regular
from collectors.sampling.log_checks import MOST_LINES_BYTES

ROWS_AT_ONCE = 20_000
LONGEST_LINE = 1 << 21


def lines_of(jsonl: Path) -> Iterator[bytes]:
    """The lines of a file without their ends, one at a time, each up to `LONGEST_LINE` bytes.

    Raises OSError where it cannot be opened or is no regular file of a sane size.
    """
    with open_regular(jsonl, MOST_LINES_BYTES) as file:
        while line := file.readline(LONGEST_LINE):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(LONGEST_LINE)
            yield line.rstrip(b"\r\n")


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
