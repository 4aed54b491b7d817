"""NVIDIA GPUs through nvidia-smi, where NVML cannot be loaded: one loop that prints rows, else a call for each tick."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence

from collectors.base import STATUS_ERROR, Probe, Reading, Sensor
from collectors.vendors.command import Line, LineStream, absence, ask, excerpt, whole_lines
from collectors.vendors.nvidia.nvidia_power import UPDATE_PERIOD_S, averaging, mig_shared
from collectors.vendors.nvidia.visible_cuda import Gpu, visible_gpus
from collectors.vendors.pci import pci_address
from collectors.vendors.quantity import parse_watts
from collectors.vendors.smi_csv import BESIDE_POWER, POWER_FIELDS, Columns, power_reading

PROGRAM = "nvidia-smi"
REQUIRED_FIELDS = ("uuid", "name", "pci.bus_id")
OPTIONAL_FIELDS = (
    *POWER_FIELDS,
    *BESIDE_POWER,
    "enforced.power.limit",
    "mig.mode.current",
    "compute_cap",
    "driver_version",
)
CALL_TIMEOUT_S = 2.0
CALL_PERIOD_S = 0.5
"""Time between single calls at least: each starts a process that opens the driver anew."""

FIRST_ROW_S = 5.0
SILENCE_S = 2.0
BAD_LINES = 3
UNKNOWN_FIELD = re.compile(r'Field "([^"]+)" is not a valid field')
BOARD_OR_MIG = re.compile(r"[ \t]*(GPU|MIG)\b")
LISTED_UUID = re.compile(r"\(UUID: ([^()\s]+)\)")
VERSION = re.compile(r"--\s+v(\S+)")


class NvidiaSmiCollector:
    """Power in watts of each GPU that the job's environment shows, by UUID.

    Reads `power.draw.instant` where the driver offers it and else `power.draw`. Rows carry the time at which they
    came. Where the loop ends, falls silent or prints nothing but errors, one call of the program follows another.
    """

    name = "nvidia-smi"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._field: dict[str, str] = {}
        self._query = ""
        self._columns: Columns | None = None
        self._stream: LineStream | None = None
        self._called_s = 0.0
        self._row_s = 0.0
        self._silence_s = FIRST_ROW_S
        self._n_bad = 0

    def probe(self) -> Probe:
        """One sensor for each visible board, or why there is none."""
        reason = absence(PROGRAM)
        if reason:
            return Probe(reason=reason)
        fields, reason = _fields_offered()
        columns, rows = None, list[dict[str, str]]()
        if not reason:
            columns, rows, reason = _query_all(fields)
        if reason or columns is None:
            return Probe(reason=reason)
        gpus = _gpus(rows)
        visible = visible_gpus(gpus, self._environ)
        if visible.reason:
            return Probe(reason=visible.reason)
        version = VERSION.search(ask([PROGRAM, "-h"]).text)
        sensors, unreadable = [], []
        for row in rows:
            uuid = row["uuid"]
            if uuid not in visible.uuids:
                continue
            devices = tuple(number for number, board in enumerate(visible.uuids) if board == uuid)
            field = next((name for name in POWER_FIELDS if _is_power(row, name, columns)), None)
            if field is None:
                told = [f"{name} is {row[name]}" for name in POWER_FIELDS if name in row]
                unreadable.append(f"{uuid}: {', '.join(told) or 'no power field is offered'}")
                continue
            self._field[uuid] = field
            sensors.append(_sensor(row, columns, devices if visible.numbered else (), field, version))
        offered = [name for name in (*POWER_FIELDS, *BESIDE_POWER) if name in columns.titles]
        self._query = ",".join(["uuid", *offered, "pci.bus_id"])
        return Probe(tuple(sensors), None if sensors else "; ".join(unreadable))

    def start(self, period_s: float) -> None:
        """Starts the loop at this period. Raises OSError where the program cannot be started."""
        self._stream = LineStream([*self._command(), "-lms", str(max(1, round(period_s * 1000)))])
        self._row_s, self._silence_s, self._n_bad = time.monotonic(), FIRST_ROW_S, 0

    def sample(self) -> Sequence[Reading]:
        """Readings of the rows that the loop printed since the last call, or of one call of the program."""
        if self._stream is None:
            return self._call()
        ended = self._stream.ended
        readings = self._read(self._stream.lines())
        if any(reading.power_w is not None for reading in readings):
            self._row_s, self._silence_s, self._n_bad = time.monotonic(), SILENCE_S, 0
        self._n_bad += sum(reading.power_w is None for reading in readings)
        silent = time.monotonic() - self._row_s > self._silence_s
        if ended or silent or self._n_bad >= BAD_LINES * len(self._field):
            self._stream.stop()
            self._stream = None
        return readings

    def read_counter(self, sensor: str) -> float | None:
        """None: nvidia-smi has no energy counter."""
        return None

    def stop(self) -> None:
        """Ends the loop and all that it started."""
        if self._stream is not None:
            self._stream.stop()
        self._stream = None

    def _command(self) -> list[str]:
        return [PROGRAM, f"--query-gpu={self._query}", "--format=csv"]

    def _call(self) -> list[Reading]:
        if time.monotonic() - self._called_s < CALL_PERIOD_S:
            return []
        answer = ask(self._command(), CALL_TIMEOUT_S)
        self._called_s = time.monotonic()
        middle_ns = (answer.t0_ns + answer.t1_ns) // 2
        readings = self._read([Line(middle_ns, text) for text in whole_lines(answer.text)])
        seen = {reading.sensor for reading in readings}
        problem = answer.problem or excerpt(answer.text) or f"{PROGRAM} printed nothing"
        missing = [uuid for uuid in self._field if uuid not in seen]
        return readings + [Reading(answer.t0_ns, answer.t1_ns, uuid, None, STATUS_ERROR, problem) for uuid in missing]

    def _read(self, lines: Sequence[Line]) -> list[Reading]:
        """Readings of the job's boards; a line that is neither a row nor a header is a failed reading of each."""
        readings = []
        for line in lines:
            header = Columns.from_line(line.text, ("uuid",))
            self._columns = header or self._columns
            if header is not None or not line.text.strip():
                continue
            row = self._columns.row(line.text) if self._columns else None
            uuid = (row or {}).get("uuid", line.text.split(",")[0].strip())
            if row is not None and self._columns is not None and uuid in self._field:
                readings.append(power_reading(line.t_ns, uuid, row, self._field[uuid], self._columns))
            elif row is None:
                broken = [uuid] if uuid in self._field else list(self._field)
                raw = excerpt(line.text)
                readings += [Reading(line.t_ns, line.t_ns, board, None, STATUS_ERROR, raw) for board in broken]
        return readings


def _fields_offered() -> tuple[list[str], str | None]:
    """The fields to ask for that the driver knows, all where it does not say; and why it cannot be asked at all."""
    answer = ask([PROGRAM, "--help-query-gpu"])
    known = set(re.findall(r'"([\w.]+)"', answer.text))
    if not known & set(POWER_FIELDS):
        stuck = answer.problem if "did not end" in (answer.problem or "") else None
        return [*REQUIRED_FIELDS, *OPTIONAL_FIELDS], stuck
    return [*REQUIRED_FIELDS, *(name for name in OPTIONAL_FIELDS if name in known)], None


def _query_all(fields: list[str]) -> tuple[Columns | None, list[dict[str, str]], str | None]:
    """One row for each board with what the driver knows of the fields, or why there is none."""
    while True:
        asked = ["uuid", *(name for name in fields if name not in ("uuid", "pci.bus_id")), "pci.bus_id"]
        answer = ask([PROGRAM, f"--query-gpu={','.join(asked)}", "--format=csv"])
        refused = UNKNOWN_FIELD.search(answer.text)
        if refused is None or refused[1] not in OPTIONAL_FIELDS or refused[1] not in fields:
            break
        fields = [name for name in fields if name != refused[1]]
    columns, rows = None, []
    for line in whole_lines(answer.text):
        header = Columns.from_line(line, ("uuid",))
        columns = header or columns
        row = columns.row(line) if columns and header is None else None
        if row and pci_address(row["pci.bus_id"]):
            rows.append(row)
    if not rows:
        told = "; ".join(filter(None, [answer.problem, excerpt(answer.text)]))
        return None, [], f"{PROGRAM} lists no GPU: {told or 'it printed nothing'}"
    if len({row["uuid"] for row in rows}) < len(rows):
        return None, [], f"{PROGRAM} lists a GPU twice: {excerpt(answer.text)}"
    return columns, rows, None


def _gpus(rows: Sequence[Mapping[str, str]]) -> list[Gpu]:
    enabled = {row["uuid"]: row.get("mig.mode.current") == "Enabled" for row in rows}
    instances: dict[str, list[str]] = {}
    board = ""
    for line in ask([PROGRAM, "-L"]).text.splitlines() if any(enabled.values()) else ():
        sort, listed = BOARD_OR_MIG.match(line), LISTED_UUID.search(line)
        if sort is None or listed is None:
            continue
        uuid = listed[1]
        if sort[1] == "GPU":
            board = uuid
        else:
            instances.setdefault(board, []).append(uuid)
    return [
        Gpu(row["uuid"], row["name"], row["pci.bus_id"], enabled[row["uuid"]], tuple(instances.get(row["uuid"], ())))
        for row in rows
    ]


def _sensor(
    row: Mapping[str, str], columns: Columns, devices: tuple[int, ...], field: str, version: re.Match[str] | None
) -> Sensor:
    found = re.match(r"(\d+)\.(\d+)$", row.get("compute_cap", ""))
    capability = (int(found[1]), int(found[2])) if found else None
    instant = field == "power.draw.instant"
    kind, window_s = averaging(None if field == "power.draw.average" else capability, instant)
    return Sensor(
        id=row["uuid"],
        scope="card",
        kind=kind,
        name=row["name"],
        window_s=window_s,
        update_period_s=UPDATE_PERIOD_S,
        resolution_w=0.01,
        power_cap_w=_watts(row, "enforced.power.limit", columns),
        devices=devices,
        shared=mig_shared(row.get("mig.mode.current") == "Enabled"),
        tool_version=version[1] if version else None,
        driver_version=row.get("driver_version"),
    )


def _is_power(row: Mapping[str, str], field: str, columns: Columns) -> bool:
    return _watts(row, field, columns) is not None


def _watts(row: Mapping[str, str], field: str, columns: Columns) -> float | None:
    """Watts of a cell, None where it holds none or no more than 0."""
    try:
        power_w = parse_watts(row.get(field, ""), columns.units.get(field))
    except ValueError:
        return None
    return power_w if power_w > 0 else None
