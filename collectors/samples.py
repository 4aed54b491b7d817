"""The log of a sampler: its header, readings and counters, as JSON lines while it is written and as Parquet to keep."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from collectors.base import Reading, Sensor
from collectors.log_rows import lines_of, write_rows
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
        """The header written by `to_dict`. Raises ValueError for a later schema, KeyError where a field is missing."""
        if fields["schema"] > SCHEMA:
            raise ValueError(f"power log of schema {fields['schema']}, this version reads up to {SCHEMA}")
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
    log has no header. `n_bad_lines` counts lines that are no whole record, such as a truncated last one.
    """

    header: Header | None
    readings: tuple[Reading, ...] = ()
    counters: tuple[CounterReading, ...] = ()
    end: dict[str, Any] | None = None
    n_bad_lines: int = 0
    problem: str | None = None

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
    """The line of a power reading. `raw` is left out where it is None, and what is not Unicode in it is replaced."""
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
    header, end, problem, n_bad_lines = None, None, "the sampler wrote no header", 0
    readings: list[Reading] = []
    counters: list[CounterReading] = []
    texts: dict[str, str] = {}
    for line in lines:
        if not line.strip():
            continue
        kind = None
        try:
            record = json.loads(line.decode())
            kind = record["type"]
            for name in ("sensor", "status"):
                if isinstance(record.get(name), str):
                    record[name] = texts.setdefault(record[name], record[name])
            if kind == "header":
                header, problem = Header.from_dict(record), ""
            elif kind == "power":
                readings.append(Reading(**{name: value for name, value in record.items() if name != "type"}))
            elif kind == "counter":
                counters.append(CounterReading(**{name: value for name, value in record.items() if name != "type"}))
            elif kind == "end":
                end = dict(record)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            n_bad_lines += 1
            problem = str(error) if kind == "header" else problem
    if header is None:
        return SampleLog(None, problem=problem, n_bad_lines=n_bad_lines)
    return SampleLog(header, tuple(readings), tuple(counters), end, n_bad_lines)


def to_parquet(jsonl: Path, parquet: Path, notes: Mapping[str, Any] | None = None) -> SampleLog:
    """Keeps a log as Parquet: one row a raw reading, header, end and `notes` (JSON) in the file's metadata.

    Columns: type (power or counter), sensor, t0_ns, t1_ns, power_w, counter_j, utilisation, status, raw. The file
    appears whole, by rename. Returns the log. Raises OSError where it cannot be written.
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
    }
    kept = {PARQUET_METADATA: json.dumps(metadata), NOTES_METADATA: json.dumps(notes or {})}
    write_rows(parquet, rows, schema.with_metadata(kept))
    return log


def read_parquet(parquet: Path) -> SampleLog:
    """The log kept by `to_parquet`. Raises OSError or pyarrow.ArrowException where the file is not such a log."""
    import pyarrow.parquet as pq

    table = pq.read_table(parquet)
    metadata = json.loads((table.schema.metadata or {})[PARQUET_METADATA])
    readings = tuple(
        Reading(
            row["t0_ns"], row["t1_ns"], row["sensor"], row["power_w"], row["status"], row["raw"], row["utilisation"]
        )
        for row in table.to_pylist()
        if row["type"] == "power"
    )
    counters = tuple(
        CounterReading(row["t0_ns"], row["t1_ns"], row["sensor"], row["counter_j"])
        for row in table.to_pylist()
        if row["type"] == "counter"
    )
    header = Header.from_dict(metadata["header"]) if metadata["header"] else None
    return SampleLog(header, readings, counters, metadata["end"], metadata["n_bad_lines"], metadata["problem"])


def read_notes(parquet: Path) -> dict[str, Any]:
    """The notes given to `to_parquet`; empty where there are none. Raises what `read_parquet` raises."""
    import pyarrow.parquet as pq

    notes: dict[str, Any] = json.loads((pq.read_schema(parquet).metadata or {}).get(NOTES_METADATA, b"{}"))
    return notes
