"""The log of a sampler: its header, readings and counters, as JSON lines while it is written and as Parquet to keep."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from collectors.base import STATUS_ERROR, STATUS_NOT_PHYSICAL, Reading, Sensor
from collectors.registry import no_sensor_reason
from collectors.regular_files import open_regular
from collectors.sampling.log_checks import MOST_BYTES, End, KeptMetadata, check_numbers, checked, read_table
from collectors.sampling.log_lines import MAX_BAD_LINES, BadLine, parse_line
from collectors.sampling.log_rows import lines_of, write_rows

SCHEMA = 1
"""Version of the log's layout. A log of a later one is refused."""

PARQUET_METADATA = b"crosscast_power"
NOTES_METADATA = b"crosscast_notes"

BESIDE_POWER = ("utilisation", "memory_bytes", "memory_fraction")
"""What a tool may tell of a device in the reading of its power."""

SHARED_TEXTS = {"power": {"sensor", "status"}, "counter": {"sensor"}}
"""Fields of the readings that are few texts, each kept once."""

ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class CounterReading:
    """One attempt to read an energy counter between `t0_ns` and `t1_ns`; `counter_j` is None where it failed."""

    t0_ns: int
    t1_ns: int
    sensor: str
    counter_j: float | None


@dataclass(frozen=True)
class Header:
    """First line of a log: which collector was chosen, its sensors and why the others could not work.

    `monotonic_ns` and `wall_ns` (Unix time) were read together and tie the log's clock to the calendar.
    """

    collector: str | None
    sensors: tuple[Sensor, ...]
    reasons: dict[str, str]
    period_s: float | None
    monotonic_ns: int
    wall_ns: int
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, with the schema version."""
        return {"type": "header", "schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Header:
        """The header written by `to_dict`.

        Raises ValueError for a later schema and where a field is missing or is none that a sampler writes.
        """
        schema = fields.get("schema")
        if not isinstance(schema, int):
            raise ValueError("the header of a power log names no schema")
        if schema > SCHEMA:
            raise ValueError(f"power log of schema {schema}, this version reads up to {SCHEMA}")
        return checked(fields, cls)


@dataclass(frozen=True)
class SampleLog:
    """All that a sampler wrote.

    `end` is its last line (reason, ticks, cpu_s, ...), None where the sampler died before it. `problem` says why the
    log has no header. `n_bad_lines` counts lines that are no whole record, such as a truncated last one; `bad_lines`
    are the first of them and what is wrong with each.
    """

    header: Header | None
    readings: tuple[Reading, ...] = ()
    counters: tuple[CounterReading, ...] = ()
    end: dict[str, Any] | None = None
    n_bad_lines: int = 0
    problem: str | None = None
    bad_lines: tuple[str, ...] = ()

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        """Sensors of the collector that was chosen."""
        return self.header.sensors if self.header else ()

    @property
    def no_sensor_reason(self) -> str | None:
        """Why there is nothing to read, None where there is a sensor."""
        if self.header is None:
            return f"no sensor: {self.problem or 'the sampler wrote no header'}"
        return None if self.sensors else no_sensor_reason(self.header.reasons)


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of the log."""
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def reading_record(reading: Reading) -> dict[str, Any]:
    """The line of a power reading. What is None beside the power is left out, what is not Unicode in `raw` replaced.

    A power that is not finite, which no log can hold, is a failed reading.
    """
    if reading.power_w is not None and not math.isfinite(reading.power_w):
        raw = reading.raw or f"{reading.power_w} W"
        reading = replace(reading, power_w=None, status=STATUS_NOT_PHYSICAL, raw=raw)
    record: dict[str, Any] = {
        "type": "power",
        "t0_ns": reading.t0_ns,
        "t1_ns": reading.t1_ns,
        "sensor": reading.sensor,
        "power_w": reading.power_w,
        "status": reading.status,
    }
    if reading.raw is not None:
        record["raw"] = reading.raw.encode("utf-8", "replace").decode()
    for name in BESIDE_POWER:
        if (value := getattr(reading, name)) is not None:
            record[name] = value
    return record


def counter_record(reading: CounterReading) -> dict[str, Any]:
    """The line of a counter reading."""
    return {
        "type": "counter",
        "t0_ns": reading.t0_ns,
        "t1_ns": reading.t1_ns,
        "sensor": reading.sensor,
        "counter_j": reading.counter_j,
    }


def read_samples(jsonl: Path) -> SampleLog:
    """Reads a log that a sampler wrote, or left behind half written. Never raises: what is wrong is in `problem`."""
    try:
        return _assemble(lines_of(jsonl))
    except OSError as error:
        return SampleLog(None, problem=f"power log cannot be read: {error}")


def _assemble(lines: Iterable[bytes]) -> SampleLog:
    header, end, problem = None, None, "the sampler wrote no header"
    readings: list[Reading] = []
    counters: list[CounterReading] = []
    bad_lines: list[str] = []
    n_bad_lines = 0
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            kind, record = parse_line(line)
            for name in record.keys() & SHARED_TEXTS.get(kind, set()):
                record[name] = texts.setdefault(record[name], record[name])
            if kind == "power":
                readings.append(Reading(**record))
            elif kind == "counter":
                counters.append(CounterReading(**record))
            elif kind == "header":
                try:
                    header, problem = Header.from_dict(record), ""
                except ValueError as error:
                    problem = str(error)
                    raise BadLine(f"header: {error}") from None
            elif kind == "end":
                end = {"type": kind, **record}
        except BadLine as error:
            n_bad_lines += 1
            if n_bad_lines <= MAX_BAD_LINES:
                bad_lines.append(f"line {number}: {error}")
    told = tuple(bad_lines)
    if header is None:
        return SampleLog(None, problem=problem, n_bad_lines=n_bad_lines, bad_lines=told)
    return SampleLog(header, tuple(readings), tuple(counters), end, n_bad_lines, bad_lines=told)


def to_parquet(jsonl: Path, parquet: Path, notes: Mapping[str, Any] | None = None) -> SampleLog:
    """Keeps a log as Parquet: one row a raw reading, header, end and `notes` (JSON) in the file's metadata.

    Columns: type (power or counter), sensor, t0_ns, t1_ns, power_w, counter_j, utilisation, memory_bytes,
    memory_fraction, status, raw. The file appears whole, by rename. Returns the log. Raises OSError where it cannot be
    written.
    """
    import pyarrow as pa

    log = read_samples(jsonl)
    schema = pa.schema(
        [
            ("type", pa.string()),
            ("sensor", pa.string()),
            ("t0_ns", pa.int64()),
            ("t1_ns", pa.int64()),
            ("power_w", pa.float64()),
            ("counter_j", pa.float64()),
            ("utilisation", pa.float64()),
            ("memory_bytes", pa.int64()),
            ("memory_fraction", pa.float64()),
            ("status", pa.string()),
            ("raw", pa.string()),
        ]
    )
    rows = itertools.chain(map(reading_record, log.readings), map(counter_record, log.counters))
    metadata = {
        "header": log.header.to_dict() if log.header else None,
        "end": log.end,
        "n_bad_lines": log.n_bad_lines,
        "problem": log.problem,
        "bad_lines": log.bad_lines,
    }
    kept = {PARQUET_METADATA: json.dumps(metadata), NOTES_METADATA: json.dumps(notes or {})}
    write_rows(parquet, rows, schema.with_metadata(kept))
    return log


def read_parquet(parquet: Path) -> SampleLog:
    """The log kept by `to_parquet`.

    Raises OSError where the file cannot be opened or is no regular file of a sane size, and pyarrow.ArrowException,
    KeyError, RecursionError or ValueError where it is not such a log.
    """
    with open_regular(parquet, MOST_BYTES) as file:
        table = read_table(file, os.fstat(file.fileno()).st_size)
    metadata = checked(json.loads((table.schema.metadata or {})[PARQUET_METADATA]), KeptMetadata)
    if metadata["end"] is not None:
        checked(metadata["end"], End)
    readings: list[Reading] = []
    counters: list[CounterReading] = []
    for batch in table.to_batches(ROWS_AT_ONCE):
        for row in batch.to_pylist():
            times_ns, sensor = (row["t0_ns"], row["t1_ns"]), row["sensor"]
            if row["type"] == "power":
                status, beside = row["status"] or STATUS_ERROR, {name: row.get(name) for name in BESIDE_POWER}
                readings.append(Reading(*times_ns, sensor, row["power_w"], status, row["raw"], **beside))
            elif row["type"] == "counter":
                counters.append(CounterReading(*times_ns, sensor, row["counter_j"]))
    return SampleLog(
        header=Header.from_dict(metadata["header"]) if metadata["header"] else None,
        readings=tuple(readings),
        counters=tuple(counters),
        end=metadata["end"],
        n_bad_lines=metadata["n_bad_lines"],
        problem=metadata["problem"],
        bad_lines=tuple(metadata.get("bad_lines", ())),
    )


def read_notes(parquet: Path) -> dict[str, Any]:
    """The notes given to `to_parquet`; empty where there are none. Raises what `read_parquet` raises."""
    import pyarrow.parquet as pq

    with open_regular(parquet, MOST_BYTES) as file:
        notes = json.loads((pq.read_schema(file).metadata or {}).get(NOTES_METADATA, b"{}"))
    if not isinstance(notes, dict):
        raise ValueError("its notes are no fields and values")
    check_numbers(notes)
    return notes
