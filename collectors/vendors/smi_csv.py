"""The CSV of `nvidia-smi --query-gpu`: columns by title, units from title or cell, and recorded logs of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from collectors.base import STATUS_ERROR, Reading, Sensor, checked_reading
from collectors.samples import Header, SampleLog
from collectors.vendors.nvidia.nvidia_power import UPDATE_PERIOD_S, averaging
from collectors.vendors.quantity import fraction, parse_watts, whole_number

POWER_FIELDS = ("power.draw.instant", "power.draw", "power.draw.average")
"""Power columns in order of preference."""

BESIDE_POWER = ("utilization.gpu", "memory.used")
MIB = 1 << 20
IDENTITY_FIELDS = ("uuid", "pci.bus_id", "serial", "index")
TITLE = re.compile(r"([\w.]+)(?:\s*\[(.+)\])?$")
TIME_FORMAT = "%Y/%m/%d %H:%M:%S.%f"


@dataclass(frozen=True)
class Columns:
    """Titles of a CSV in order, the units that they name, and what parts its cells.

    nvidia-smi parts them by a comma and a space, so that a decimal comma stays in its cell.
    """

    titles: tuple[str, ...]
    units: Mapping[str, str]
    separator: str = ", "

    @classmethod
    def from_line(cls, line: str, needed: Sequence[str]) -> Columns | None:
        """The columns that a line names; None where it is not a header or lacks all of the `needed` titles."""
        matches = [TITLE.match(cell.strip()) for cell in line.split(",")]
        titles = tuple(match[1] for match in matches if match)
        if len(titles) < len(matches) or not set(needed) & set(titles):
            return None
        units = {match[1]: match[2] for match in matches if match and match[2]}
        return cls(titles, units, ", " if ", " in line else ",")

    def row(self, line: str) -> dict[str, str] | None:
        """Cells of a line by title; None where their number is not that of the titles."""
        cells = [cell.strip() for cell in line.split(self.separator)]
        return dict(zip(self.titles, cells, strict=True)) if len(cells) == len(self.titles) else None


def power_reading(t_ns: int, sensor: str, row: Mapping[str, str], field: str, columns: Columns) -> Reading:
    """The power in one cell of a row that came at `t_ns`; what is no power in watts is a failed reading."""
    cell = row.get(field, "")
    try:
        power_w = parse_watts(cell, columns.units.get(field))
    except ValueError as error:
        return Reading(t_ns, t_ns, sensor, None, STATUS_ERROR, str(error))
    return checked_reading(t_ns, t_ns, sensor, power_w, cell, utilisation(row, columns), taken_bytes(row, columns))


def utilisation(row: Mapping[str, str], columns: Columns) -> float | None:
    """Busy fraction of the device, 0 to 1; None where there is none, or no percentage."""
    cell = row.get("utilization.gpu", "")
    return fraction(cell) if cell.endswith("%") or columns.units.get("utilization.gpu") == "%" else None


def taken_bytes(row: Mapping[str, str], columns: Columns) -> int | None:
    """Bytes of the device's memory that are taken; None where they are not told in MiB."""
    number, _, unit = row.get("memory.used", "").partition(" ")
    count = whole_number(number)
    return None if count is None or (unit or columns.units.get("memory.used")) != "MiB" else count * MIB


def read_smi_log(path: Path, field: str | None = None) -> SampleLog:
    """A recorded `nvidia-smi --query-gpu=timestamp,... --format=csv` as a sampler's log.

    `field` names the power column; None takes the first of `POWER_FIELDS` that there is. Each GPU told apart by a
    column is a sensor. The log's clock is that of the time stamps, from the first row on; they name no zone and are
    taken for UTC. Lines without a time, and a last one without its end, are counted as bad. Never raises: what is
    wrong is in `problem`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        return SampleLog(None, problem=f"power log cannot be read: {error}")
    *lines, cut = text.split("\n")
    columns = Columns.from_line(lines[0], ("timestamp",)) if lines else None
    offered = [name for name in POWER_FIELDS if columns and name in columns.titles]
    field = field or next(iter(offered), None)
    if columns is None or field not in offered:
        return SampleLog(None, problem=f"{path.name} is no nvidia-smi log with a time and {field or 'a power'} column")
    rows = [(_wall_ns(row), row) for line in lines[1:] if (row := columns.row(line))]
    timed = [(wall_ns, row) for wall_ns, row in rows if wall_ns is not None]
    if not timed:
        return SampleLog(None, problem=f"{path.name} has no row with a time")
    origin_ns = timed[0][0]
    names = {_identity(row): row.get("name", "") for _, row in timed}
    kind, window_s = averaging(None, field == "power.draw.instant")
    sensors = tuple(
        Sensor(identity, "card", kind, name or path.name, window_s, UPDATE_PERIOD_S, 0.01)
        for identity, name in names.items()
    )
    readings = tuple(power_reading(t_ns - origin_ns, _identity(row), row, field, columns) for t_ns, row in timed)
    header = Header("nvidia-smi", sensors, {}, None, monotonic_ns=0, wall_ns=origin_ns)
    n_bad_lines = sum(bool(line.strip()) for line in [*lines[1:], cut]) - len(timed)
    return SampleLog(header, readings, (), {"type": "end", "reason": "end of the file"}, n_bad_lines)


def _identity(row: Mapping[str, str]) -> str:
    field = next((name for name in IDENTITY_FIELDS if name in row), None)
    if field is None:
        return "GPU"
    return f"GPU {row[field]}" if field == "index" else row[field]


def _wall_ns(row: Mapping[str, str]) -> int | None:
    try:
        stamp = datetime.strptime(row["timestamp"], TIME_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return round(stamp.timestamp() * 1000) * 1_000_000
