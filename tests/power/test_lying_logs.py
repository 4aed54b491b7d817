"""Power logs that lie: `power show` and figures name them in one line."""

import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors.base import Reading, Sensor
from collectors.samples import (
    NOTES_METADATA,
    PARQUET_METADATA,
    CounterReading,
    Header,
    counter_record,
    encode,
    read_parquet,
    read_samples,
    reading_record,
    to_parquet,
)
from harness.commands import cli

HEADER = Header("made", (Sensor("gpu", "card", "instant", devices=(0,)),), {"nvml": "none"}, 0.1, 5, 6, {"python": "3"})
END = {"type": "end", "t_ns": 9, "reason": "SIGTERM", "n_ticks": 100, "max_late_s": 0.1}
NOTES = {"title": "made", "phases": [{"name": "command", "t0_ns": 10**9, "t1_ns": 9 * 10**9}]}
HUGE = 10**400


def records():
    """The lines of a log of ten seconds: power and a counter, one failed read."""
    lines = [HEADER.to_dict()]
    for tick in range(100):
        at_ns = tick * 10**8
        power_w = None if tick == 3 else 250.0
        lines.append(reading_record(Reading(at_ns, at_ns + 1000, "gpu", power_w, "ok" if power_w else "error")))
        lines.append(counter_record(CounterReading(at_ns, at_ns + 1000, "gpu", 25.0 * tick)))
    return [*lines, END]


@pytest.fixture
def recording(tmp_path):
    """A good recording."""
    jsonl = tmp_path / "power.jsonl"
    jsonl.write_bytes(b"".join(map(encode, records())))
    path = tmp_path / "recording.parquet"
    to_parquet(jsonl, path, NOTES)
    return path


@pytest.fixture
def show(capsys, monkeypatch):
    """Show a recording; returns the exit status and the lines on stderr."""

    def run(path, *options):
        monkeypatch.setattr(sys, "argv", ["crosscast", "power", "show", str(path), *options])
        status = 0
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code
        return status, capsys.readouterr().err.splitlines()

    return run


def refused(outcome):
    """The one line of a refusal."""
    status, lines = outcome
    assert (status, len(lines)) == (2, 1)
    assert lines[0].startswith("crosscast: ")
    return lines[0]


def rewritten(path, change=lambda table: table, metadata=None, notes=None):
    """Write the table again, changed, and with other metadata where they are given."""
    table = pq.read_table(path)
    kept = dict(table.schema.metadata)
    table = change(table)
    if metadata is not None:
        kept[PARQUET_METADATA] = metadata(json.loads(kept[PARQUET_METADATA]))
    if notes is not None:
        kept[NOTES_METADATA] = notes
    pq.write_table(table.replace_schema_metadata(kept), path)


def column(name, values, kind=None):
    """A change that gives a column other values, repeated to its length."""

    def change(table):
        length = table.num_rows
        made = pa.array((values * length)[:length], kind or table.schema.field(name).type)
        return table.set_column(table.column_names.index(name), name, made)

    return change


def test_a_good_recording_is_shown(recording, show, tmp_path):
    assert show(recording, "--png", str(tmp_path / "p.png")) == (0, [])
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (column("power_w", ["250"], pa.string()), "the column power_w holds string"),
        (column("t0_ns", ["0"], pa.string()), "the column t0_ns holds string"),
        (column("t0_ns", [1.0], pa.float64()), "the column t0_ns holds double"),
        (column("sensor", [7], pa.int64()), "the column sensor holds int64"),
        (column("type", [1], pa.int64()), "the column type holds int64"),
        (column("raw", [b"x"], pa.binary()), "the column raw holds binary"),
        (column("t0_ns", [None]), "the column t0_ns has gaps"),
        (column("sensor", ["gpu", None]), "the column sensor has gaps"),
        (column("t0_ns", [-(2**63)]), "at no time that a clock shows"),
        (column("t0_ns", [-1]), "at no time that a clock shows"),
        (column("t1_ns", [2**63 - 1]), "at no time that a clock shows"),
        (column("t1_ns", [0]), "ends before it begins"),
        (column("power_w", [1e308, None]), "power_w of 1e+308"),
        (column("power_w", [-1e59]), "power_w of 1e+59"),
        (column("counter_j", [1e300]), "counter_j of 1e+300"),
        (lambda table: table.drop_columns(["power_w"]), "no column power_w"),
        (lambda table: table.append_column("t0_ns", table["t0_ns"]), "the column t0_ns is there twice"),
        (lambda table: table.append_column("raw", table["t0_ns"]), "the column raw is there twice"),
    ],
)
def test_columns_that_no_log_has(recording, show, change, why):
    rewritten(recording, change)
    assert why in refused(show(recording))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -5.0, 0.0, None])
@pytest.mark.parametrize("name", ["power_w", "counter_j", "utilisation"])
def test_reads_that_failed_are_no_damage(recording, show, name, value):
    rewritten(recording, column(name, [value]))
    assert show(recording)[0] == 0


def with_header(**changes):
    return lambda kept: json.dumps({**kept, "header": {**kept["header"], **changes}})


SENSOR = HEADER.sensors[0].to_dict()


@pytest.mark.parametrize(
    "metadata",
    [
        lambda kept: b"[" * 100_000,
        lambda kept: b"[]",
        lambda kept: b"\xff",
        lambda kept: b"{}",
        lambda kept: json.dumps({**kept, "n_bad_lines": "many"}),
        lambda kept: json.dumps({**kept, "n_bad_lines": HUGE}),
        lambda kept: json.dumps({**kept, "problem": 3}),
        lambda kept: json.dumps({**kept, "end": []}),
        lambda kept: json.dumps({**kept, "end": {"n_ticks": "many"}}),
        lambda kept: json.dumps({**kept, "header": 7}),
        with_header(schema="x"),
        with_header(schema=HUGE),
        with_header(collector=3),
        with_header(period_s="0.1"),
        with_header(period_s=HUGE),
        with_header(period_s=1e300),
        with_header(monotonic_ns="5"),
        with_header(wall_ns=HUGE),
        with_header(reasons=[1]),
        with_header(reasons={"nvml": 1}),
        with_header(versions=None),
        with_header(sensors=None),
        with_header(sensors=[7]),
        with_header(sensors=[{}]),
        with_header(sensors=[{**SENSOR, "id": 7}]),
        with_header(sensors=[{**SENSOR, "name": 7}]),
        with_header(sensors=[{**SENSOR, "scope": []}]),
        with_header(sensors=[{**SENSOR, "kind": "odd"}]),
        with_header(sensors=[{**SENSOR, "window_s": "1"}]),
        with_header(sensors=[{**SENSOR, "counter_wrap_j": 1e308}]),
        with_header(sensors=[{**SENSOR, "devices": ["0"]}]),
        with_header(sensors=[{**SENSOR, "checks": 1}]),
    ],
)
def test_a_header_that_no_sampler_writes(recording, show, metadata):
    rewritten(recording, metadata=metadata)
    assert "recording.parquet: no power log of crosscast" in refused(show(recording))


@pytest.mark.parametrize(
    "notes",
    [
        b"[",
        b"[]",
        b"7",
        b"[" * 100_000,
        b'{"title": 7}',
        b'{"phases": 7}',
        b'{"phases": [7]}',
        b'{"phases": [{"name": "x"}]}',
        b'{"phases": [{"name": 1, "t0_ns": 0, "t1_ns": 1}]}',
        b'{"phases": [{"name": "x", "t0_ns": "0", "t1_ns": 1}]}',
        b'{"phases": [{"name": "x", "t0_ns": 0, "t1_ns": 1e59}]}',
        b'{"phases": [{"name": "x", "t0_ns": 0, "t1_ns": %d}]}' % HUGE,
        b'{"phases": [{"name": "x", "t0_ns": 5, "t1_ns": 1}]}',
        b'{"phases": [{"name": "x", "t0_ns": NaN, "t1_ns": 1}]}',
    ],
)
def test_notes_that_no_recording_has(recording, show, notes):
    rewritten(recording, notes=notes)
    assert "recording.parquet: " in refused(show(recording))


def test_a_small_file_of_a_billion_rows(recording, show):
    """Run-length encoding makes a few bytes of a column of equal values."""
    table = pq.read_table(recording)
    schema, rows = table.schema, 2**22
    constant = {"type": "power", "sensor": "gpu", "t0_ns": 0, "t1_ns": 1, "power_w": 1.0, "status": "ok"}
    columns = [pa.repeat(pa.scalar(constant.get(name), schema.field(name).type), rows) for name in schema.names]
    pq.write_table(pa.table(columns, schema=schema), recording, compression="zstd")
    assert recording.stat().st_size < rows / 16
    assert f"{rows} rows in" in refused(show(recording))


def test_special_files_are_named(recording, show, tmp_path):
    path = tmp_path / "power.parquet"
    os.mkfifo(path)
    assert "cannot be read: a FIFO, not a regular file" in refused(show(path))
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "cannot be read: a device" in refused(show(path))
    path.unlink()
    with path.open("wb") as file:
        file.truncate(50 * 2**30)
    assert "50 GiB, but at most" in refused(show(path))
    assert read_samples(tmp_path / "absent").header is None


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"type":"power","t0_ns":1,"t1_ns":2,"sensor":"gpu","power_w":"250"}',
        b'{"type":"power","t0_ns":1,"t1_ns":2,"sensor":7,"power_w":250}',
        b'{"type":"power","t0_ns":null,"t1_ns":2,"sensor":"gpu","power_w":250}',
        b'{"type":"power","t0_ns":1.5,"t1_ns":2,"sensor":"gpu","power_w":250}',
        b'{"type":"power","t0_ns":true,"t1_ns":2,"sensor":"gpu","power_w":250}',
        b'{"type":"power","t0_ns":-1,"t1_ns":2,"sensor":"gpu","power_w":250}',
        b'{"type":"power","t0_ns":3,"t1_ns":2,"sensor":"gpu","power_w":250}',
        b'{"type":"power","t0_ns":1,"t1_ns":%d,"sensor":"gpu","power_w":250}' % HUGE,
        b'{"type":"power","t0_ns":1,"t1_ns":2,"sensor":"gpu","power_w":%d}' % HUGE,
        b'{"type":"power","t0_ns":1,"t1_ns":2,"sensor":"gpu","power_w":1e308}',
        b'{"type":"power","t0_ns":1,"t1_ns":2,"sensor":"gpu","power_w":250,"status":null}',
        b'{"type":"counter","t0_ns":1,"t1_ns":2,"sensor":"gpu","counter_j":[]}',
        b'{"type":"counter","t0_ns":1,"t1_ns":2,"sensor":"gpu","counter_j":1e59}',
        b'{"type":"end","n_ticks":"many"}',
        b'{"type":"header","schema":1,"sensors":7}',
        b'{"type":["power"]}',
    ],
)
def test_a_line_that_no_sampler_writes_is_counted_and_costs_no_other(tmp_path, line):
    jsonl, parquet = tmp_path / "power.jsonl", tmp_path / "power.parquet"
    lines = [*map(encode, records())]
    jsonl.write_bytes(b"".join([*lines[:5], line + b"\n", *lines[5:]]))
    log = to_parquet(jsonl, parquet)
    assert (log.header, len(log.readings), len(log.counters), log.end) == (HEADER, 100, 100, END)
    assert log.n_bad_lines == 1
    assert read_parquet(parquet) == log
