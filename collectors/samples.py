"""The log of a sampler: its header, readings and counters, as JSON lines while it is written and as Parquet to keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from collectors.base import STATUS_NOT_PHYSICAL, Reading, Sensor
from collectors.log_lines import MAX_BAD_LINES, BadLine, check_fields, parse_line
from collectors.registry import no_sensor_reason

SCHEMA = 1
"""Version of the log's layout. A log of a later one is refused."""

PARQUET_METADATA = b"crosscast_power"
NOTES_METADATA = b"crosscast_notes"


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

        Raises ValueError for a later schema or a field that holds what it cannot hold, KeyError where one is missing.
        """
        if not isinstance(fields["schema"], int) or fields["schema"] > SCHEMA:
            raise ValueError(f"power log of schema {fields['schema']}, this version reads up to {SCHEMA}")
        for name in ("period_s", "monotonic_ns", "wall_ns"):
            value = fields[name]
            if not (value is None and name == "period_s") and not (type(value) in (int, float) and 0 <= value < 2**63):
                raise ValueError(f"{name} of the power log cannot be {str(value)[:60]!r}")
        return cls(
            collector=fields["collector"],
            sensors=tuple(Sensor.from_dict(sensor) for sensor in fields["sensors"]),
            reasons=dict(fields["reasons"]),
            period_s=fields["period_s"],
            monotonic_ns=fields["monotonic_ns"],
            wall_ns=fields["wall_ns"],
            versions=dict(fields["versions"]),
        )


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
    """The line of a power reading. `raw` is left out where it is None, and what is not Unicode in it is replaced.

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
    if reading.utilisation is not None:
        record["utilisation"] = reading.utilisation
    return record


def counter_record(reading: CounterReading) -> dict[str, Any]:
    """The line of a counter reading."""
    return {"type": "counter", **asdict(reading)}


def read_samples(jsonl: Path) -> SampleLog:
    """Reads a log that a sampler wrote, or left behind half written. Never raises: what is wrong is in `problem`."""
    try:
        lines = jsonl.read_bytes().splitlines()
    except OSError as error:
        return SampleLog(None, problem=f"power log cannot be read: {error}")
    records, bad_lines = list[tuple[int, str, dict[str, Any]]](), list[str]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append((number, *parse_line(line)))
        except BadLine as error:
            bad_lines.append(f"line {number}: {error}")
    return _assemble(records, bad_lines)


def _assemble(records: Iterable[tuple[int, str, Mapping[str, Any]]], bad_lines: list[str]) -> SampleLog:
    header, end, problem = None, None, "the sampler wrote no header"
    readings: list[Reading] = []
    counters: list[CounterReading] = []
    for number, kind, record in records:
        if kind == "header":
            try:
                header, problem = Header.from_dict(record), ""
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                problem = f"missing {error}" if isinstance(error, KeyError) else str(error)
                bad_lines.append(f"line {number}: header: {problem}")
        elif kind == "power":
            readings.append(Reading(**record))
        elif kind == "counter":
            counters.append(CounterReading(**record))
        elif kind == "end":
            end = {"type": kind, **record}
    first = tuple(bad_lines[:MAX_BAD_LINES])
    if header is None:
        return SampleLog(None, problem=problem, n_bad_lines=len(bad_lines), bad_lines=first)
    return SampleLog(header, tuple(readings), tuple(counters), end, len(bad_lines), bad_lines=first)


def to_parquet(jsonl: Path, parquet: Path, notes: Mapping[str, Any] | None = None) -> SampleLog:
    """Keeps a log as Parquet: one row a raw reading, header, end and `notes` (JSON) in the file's metadata.

    Columns: type (power or counter), sensor, t0_ns, t1_ns, power_w, counter_j, utilisation, status, raw. The file
    appears whole, by rename. Returns the log. Raises OSError where it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

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
            ("status", pa.string()),
            ("raw", pa.string()),
        ]
    )
    rows = [reading_record(reading) for reading in log.readings]
    rows += [counter_record(counter) for counter in log.counters]
    metadata = {
        "header": log.header.to_dict() if log.header else None,
        "end": log.end,
        "n_bad_lines": log.n_bad_lines,
        "problem": log.problem,
        "bad_lines": log.bad_lines,
    }
    kept = {PARQUET_METADATA: json.dumps(metadata), NOTES_METADATA: json.dumps(notes or {})}
    table = pa.Table.from_pylist(rows, schema=schema.with_metadata(kept))
    partial = parquet.with_name(parquet.name + ".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(parquet)
    return log


def read_parquet(parquet: Path) -> SampleLog:
    """The log kept by `to_parquet`. Raises OSError or pyarrow.ArrowException where the file is not such a log."""
    import pyarrow.parquet as pq

    table = pq.read_table(parquet)
    metadata = json.loads((table.schema.metadata or {})[PARQUET_METADATA])
    readings: list[Reading] = []
    counters: list[CounterReading] = []
    for row in table.to_pylist():
        fields = check_fields(str(row.get("type")), row)
        if row.get("type") == "power":
            readings.append(Reading(**fields))
        elif row.get("type") == "counter":
            counters.append(CounterReading(**fields))
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

    notes: dict[str, Any] = json.loads((pq.read_schema(parquet).metadata or {}).get(NOTES_METADATA, b"{}"))
    return notes
