"""What a power log may say: types, and numbers that a clock or a sensor can give.

Logs are copied between machines and kept for years; what is none of a sampler is named and not computed with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict, TypeVar

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

MOST_NS = 2**62
MOST_VALUE = 1e15
"""Watts or joules; a counter of microjoules that was taken for joules stays below it for years."""

MOST_LINES_BYTES = 2**34
"""Of a log of JSON lines, which grows for as long as the work lasts: two weeks of eight sensors."""

MOST_BYTES = 2**30
"""Of a Parquet file."""

MOST_ROWS = 50_000_000
ROWS_PER_BYTE = 16
"""Two readings never have all columns alike, so that each takes part of a byte at least."""

COLUMN_TYPES = {
    "type": "string",
    "sensor": "string",
    "t0_ns": "int64",
    "t1_ns": "int64",
    "power_w": "double",
    "counter_j": "double",
    "utilisation": "double",
    "status": "string",
    "raw": "string",
}
LATER_COLUMN_TYPES = {"memory_bytes": "int64", "memory_fraction": "double"}
"""Of columns that the first files did not have."""

Kind = TypeVar("Kind")


class End(TypedDict, total=False):
    """Types of what the last line of a log may hold."""

    reason: str
    t_ns: int
    n_ticks: int
    n_late_ticks: int
    n_lost_lines: int
    max_late_s: float
    cpu_s: float


class _KeptIfAny(TypedDict, total=False):
    bad_lines: list[str]


class KeptMetadata(_KeptIfAny):
    """Types of what a Parquet file keeps beside the readings; the first files kept no bad lines."""

    header: dict[str, Any] | None
    end: dict[str, Any] | None
    n_bad_lines: int
    problem: str | None


def checked(fields: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """The value of a dataclass or TypedDict that JSON holds, every number in it within bounds.

    Fields of later versions are left out. Raises ValueError where one is missing or of another type.
    """
    try:
        found = msgspec.convert(fields, kind, strict=True)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    check_numbers(fields)
    return found


def check_numbers(value: Any) -> None:
    """Raise ValueError for a number that no clock and no sensor gives; NaN and infinity are readings that failed."""
    if isinstance(value, Mapping):
        for each in value.values():
            check_numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            check_numbers(each)
    elif isinstance(value, int):
        if abs(value) > MOST_NS:
            raise ValueError(f"an integer of {value.bit_length()} bits")
    elif isinstance(value, float) and MOST_VALUE < abs(value) < math.inf:
        raise ValueError(f"a number of {value:g}")


def read_table(file: BinaryIO, size: int) -> pa.Table:
    """The table of a Parquet file of `size` bytes, with the columns of a power log.

    Raises ValueError, before anything is read, where it has other columns, or more rows than fit the file; and
    pyarrow.ArrowException where it is damaged.
    """
    import pyarrow.parquet as pq

    opened = pq.ParquetFile(file)
    n_rows, schema = opened.metadata.num_rows, opened.schema_arrow
    if not 0 <= n_rows <= min(MOST_ROWS, ROWS_PER_BYTE * size):
        raise ValueError(f"{n_rows} rows in {size} bytes")
    if repeated := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise ValueError(f"the column {repeated[0]} is there twice")
    later = {name: kind for name, kind in LATER_COLUMN_TYPES.items() if name in schema.names}
    for name, expected in {**COLUMN_TYPES, **later}.items():
        if name not in schema.names:
            raise ValueError(f"no column {name}")
        if str(schema.field(name).type) != expected:
            raise ValueError(f"the column {name} holds {schema.field(name).type}, not {expected}")
    table = opened.read(columns=[*COLUMN_TYPES, *later])
    for name in ("type", "sensor", "t0_ns", "t1_ns"):
        if table[name].null_count:
            raise ValueError(f"the column {name} has gaps")
    if table.num_rows:
        check_columns(table)
    return table


def check_columns(table: pa.Table) -> None:
    """Raise ValueError where a row has a time or a number that no clock and no sensor gives."""
    import pyarrow.compute as pc

    t0_ns, t1_ns = table["t0_ns"], table["t1_ns"]
    if pc.min(t0_ns).as_py() < 0 or pc.max(t1_ns).as_py() > MOST_NS or pc.any(pc.greater(t0_ns, t1_ns)).as_py():
        raise ValueError("a read that ends before it begins, or at no time that a clock shows")
    for name in {"power_w", "counter_j", "utilisation", *LATER_COLUMN_TYPES} & {*table.column_names}:
        finite = pc.filter(table[name], pc.fill_null(pc.is_finite(table[name]), False))
        if (pc.max(pc.abs(finite)).as_py() or 0.0) > MOST_VALUE:
            raise ValueError(f"{name} of {pc.max(pc.abs(finite)).as_py():g}")
