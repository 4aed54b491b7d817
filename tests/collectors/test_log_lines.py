"""Lines of a sampler's log that are not what they should be: each is named, and none is taken for a measurement."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power_logs import log_of, readings

from collectors.accounting.energy import window_energy
from collectors.samples import SampleLog, encode, read_parquet, read_samples, reading_record, to_parquet
from tests.shared import shared_path

GOOD = {"type": "power", "t0_ns": 10, "t1_ns": 20, "sensor": "gpu", "power_w": 250.0, "status": "ok"}
COUNTER = {"type": "counter", "t0_ns": 10, "t1_ns": 20, "sensor": "gpu", "counter_j": 1.0}
HEADER = log_of().header.to_dict()
END = {"type": "end", "reason": "SIGTERM", "n_ticks": 1, "cpu_s": 0.1}


def read(tmp_path, *lines: bytes | dict) -> SampleLog:
    path = tmp_path / "power.jsonl"
    path.write_bytes(b"".join(line if isinstance(line, bytes) else encode(line) for line in lines))
    return read_samples(path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({**GOOD, "t0_ns": None}, "t0_ns is null, not a time in nanoseconds"),
        ({**GOOD, "t0_ns": "10"}, 't0_ns is "10", not a time in nanoseconds'),
        ({**GOOD, "t0_ns": 1.5}, "t0_ns is 1.5, not a time in nanoseconds"),
        ({**GOOD, "t0_ns": True}, "t0_ns is true, not a time in nanoseconds"),
        ({**GOOD, "t1_ns": 10**30}, f"t1_ns is {10**30}, not a time in nanoseconds"),
        ({**GOOD, "t1_ns": -1}, "t1_ns is -1, not a time in nanoseconds"),
        ({**GOOD, "t1_ns": 5}, "t1_ns of 5 is before t0_ns of 10"),
        ({**GOOD, "sensor": 7}, "sensor is 7, not the name of a sensor"),
        ({**GOOD, "sensor": []}, "sensor is [], not the name of a sensor"),
        ({**GOOD, "power_w": "250"}, 'power_w is "250", not a finite number'),
        ({**GOOD, "power_w": float("nan")}, "power_w is NaN, not a finite number"),
        ({**GOOD, "power_w": float("inf")}, "power_w is Infinity, not a finite number"),
        ({**GOOD, "power_w": 10**400}, "power_w is 1000"),
        ({**GOOD, "utilisation": "busy"}, 'utilisation is "busy", not a finite number'),
        ({**GOOD, "status": None}, "status is null, not text"),
        ({k: v for k, v in GOOD.items() if k != "sensor"}, "sensor is missing"),
        ({**COUNTER, "counter_j": {}}, "counter_j is {}, not a finite number"),
        ({**COUNTER, "t0_ns": None}, "t0_ns is null, not a time in nanoseconds"),
        ({**END, "n_ticks": "many"}, 'n_ticks is "many", not a finite number'),
        ({**GOOD, "type": 5}, "type is 5, not text"),
        (b'{"type":"power","t0_ns":1\n', "is no whole JSON record"),
        (b"[1, 2]\n", "is [1, 2], not an object"),
        (b'{"type":"power","t0_ns":' + b"9" * 5000 + b"}\n", "is no whole JSON record"),
        (b"[" * 100_000 + b"\n", "is no whole JSON record"),
        (b'{"type":"' + b"x" * (1 << 20) + b'"}\n', "has 1048587 bytes, more than the 1048576 of any line"),
        (b"\xff\xfe\n", "is no whole JSON record"),
    ],
)
def test_a_bad_line_is_named_and_left_out(tmp_path, line, told):
    log = read(tmp_path, HEADER, GOOD, line, GOOD)
    assert (log.n_bad_lines, len(log.readings), len(log.counters), log.end) == (1, 2, 0, None)
    (named,) = log.bad_lines
    assert named.startswith(f"line 3: {told}")
    assert len(named) < 150
    kept = to_parquet(tmp_path / "power.jsonl", tmp_path / "power.parquet")
    assert read_parquet(tmp_path / "power.parquet") == kept == log


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "1"},
        {"period_s": "fast"},
        {"monotonic_ns": None},
        {"sensors": None},
        {"sensors": ["gpu"]},
        {"sensors": [{**HEADER["sensors"][0], "update_period_s": "0.1"}]},
        {"sensors": [{**HEADER["sensors"][0], "devices": [None]}]},
        {"sensors": [{**HEADER["sensors"][0], "id": 3}]},
        {"reasons": 5},
    ],
)
def test_a_bad_header_is_named_and_leaves_no_sensor(tmp_path, change):
    log = read(tmp_path, {**HEADER, **change}, GOOD, END)
    assert log.header is None
    assert log.problem
    assert log.bad_lines[0] == f"line 1: header: {log.problem}"
    assert window_energy(log, 0, 10**10).energy_j is None


def test_only_the_first_bad_lines_are_told(tmp_path):
    log = read(tmp_path, HEADER, *[b"half\n"] * 50, END)
    assert (log.n_bad_lines, len(log.bad_lines)) == (50, 3)


def test_a_reading_that_is_not_finite_is_written_as_a_failed_one():
    (reading,) = readings([1.0], lambda t: float("nan"))
    record = reading_record(reading)
    assert (record["power_w"], record["status"], record["raw"]) == (None, "not_physical", "nan W")
    assert json.loads(encode(record))["power_w"] is None


def test_a_bad_line_is_told_with_a_recording(tmp_path):
    from harness.power.log import PowerLog
    from harness.power.summary import jitter_lines

    log = read(tmp_path, HEADER, GOOD, {**GOOD, "t0_ns": None}, END)
    told = "1 line is bad in the log of the sampler: line 3: t0_ns is null, not a time in nanoseconds"
    assert jitter_lines(PowerLog("title", log, ())) == [told]


def test_recorded_null_time_is_named():
    log = read_samples(shared_path("cases/power/16-log-null-time.jsonl"))
    assert log.bad_lines == ("line 3: t0_ns is null, not a time in nanoseconds",)
    found = window_energy(log, 7_000_001_000_000_000, 7_000_003_000_000_000)
    assert not found.valid
    assert found.reasons[-1] == "1 line is bad in the log of the sampler: " + log.bad_lines[0]


@pytest.fixture(scope="module")
def fuzz_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, *COUNTER]), inner),
        max_leaves=8,
    ),
    st.sampled_from(["power", "counter", "end", "header", "other"]),
    st.sampled_from([*GOOD, *COUNTER, *END, *HEADER]),
)
def test_nothing_in_a_line_raises(fuzz_folder, value, kind, field):
    whole = {"power": GOOD, "counter": COUNTER, "end": END, "header": HEADER}.get(kind, {"type": kind})
    log = read(fuzz_folder, HEADER, {**whole, field: value}, json.dumps(value).encode() + b"\n", GOOD, END)
    found = window_energy(log, 10, 20)
    assert found.valid is False
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert to_parquet(fuzz_folder / "power.jsonl", fuzz_folder / "power.parquet") == log
