"""The sampler's log: what survives a half-written file, and the Parquet copy that is kept."""

from __future__ import annotations

import json

import pytest
from power_logs import counters, energy, every, readings

from collectors.base import Reading, Sensor
from collectors.samples import (
    CounterReading,
    Header,
    counter_record,
    encode,
    read_parquet,
    read_samples,
    reading_record,
    to_parquet,
)

HEADER = Header(
    "formula", (Sensor("gpu", "card", "instant", devices=(0,)),), {"nvml": "not found"}, 0.1, 5, 6, {"python": "3"}
)
END = {"type": "end", "t_ns": 9, "reason": "SIGTERM"}


@pytest.fixture
def lines():
    power = readings(every(0.1, 10), lambda t: 250.0)
    power[3] = Reading(power[3].t0_ns, power[3].t1_ns, "gpu", None, "error", "\x1b[31m电\udc80 Error", 0.5)
    counter = counters(every(0.1, 10), lambda t: 250 * t)
    return [
        HEADER.to_dict(),
        *(record for pair in zip(power, counter, strict=True) for record in map_pair(*pair)),
        END,
    ]


def map_pair(reading: Reading, counter: CounterReading):
    return reading_record(reading), counter_record(counter)


@pytest.fixture
def jsonl(tmp_path, lines):
    path = tmp_path / "power.jsonl"
    path.write_bytes(b"".join(map(encode, lines)))
    return path


def test_log_is_read_back_whole(jsonl):
    log = read_samples(jsonl)
    assert (log.header, log.end, log.n_bad_lines) == (HEADER, END, 0)
    assert (len(log.readings), len(log.counters)) == (101, 101)
    assert log.readings[3].raw == "\x1b[31m电? Error"


def test_every_truncation_of_the_last_lines_keeps_what_is_whole(jsonl):
    content = jsonl.read_bytes()
    records = content.splitlines()
    for cut in range(1, sum(map(len, records[-3:]))):
        jsonl.write_bytes(content[:-cut])
        left = content[:-cut].splitlines()
        whole = left if left[-1] == records[len(left) - 1] else left[:-1]
        log = read_samples(jsonl)
        assert log.header == HEADER
        assert 1 + len(log.readings) + len(log.counters) + (log.end is not None) == len(whole)
        assert log.n_bad_lines == len(left) - len(whole)


def test_rubbish_in_between_is_counted_and_passed_over(jsonl):
    content = jsonl.read_bytes().splitlines(keepends=True)
    rubbish = [b'{"type":"pow\n', b"\xff\xfe\n", b"[1, 2]\n", b'{"type":"power","t0_ns":1}\n', b"\n"]
    jsonl.write_bytes(b"".join([*content[:5], *rubbish, *content[5:]]))
    log = read_samples(jsonl)
    assert (len(log.readings), log.n_bad_lines) == (101, 4)
    assert energy(log, 1, 9).energy_j == pytest.approx(2000)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "power log cannot be read"),
        (b"", "wrote no header"),
        (b'{"type":"header","sch', "wrote no header"),
        (json.dumps({**HEADER.to_dict(), "schema": 99}).encode(), "power log of schema 99"),
    ],
)
def test_log_without_a_header_says_why(tmp_path, content, problem):
    path = tmp_path / "power.jsonl"
    if content is not None:
        path.write_bytes(content)
    found = energy(read_samples(path), 0, 10)
    assert found.energy_j is None
    assert problem in found.reasons[0]


def test_parquet_keeps_the_raw_samples_and_gives_the_same_energy(jsonl, tmp_path):
    import pyarrow.parquet as pq

    parquet = tmp_path / "power.parquet"
    jsonl.write_bytes(jsonl.read_bytes() + b'{"type":"po')
    log = to_parquet(jsonl, parquet)
    kept = read_parquet(parquet)
    assert kept.header == HEADER
    assert (kept.end, kept.n_bad_lines, len(kept.readings)) == (END, 1, 101)
    assert energy(kept, 1, 9) == energy(log, 1, 9)
    table = pq.read_table(parquet)
    assert table.column_names[:6] == ["type", "sensor", "t0_ns", "t1_ns", "power_w", "counter_j"]
    assert table.num_rows == 202
    assert [path.name for path in tmp_path.glob("*parquet*")] == ["power.parquet"]


def test_parquet_of_a_log_without_samples(tmp_path):
    parquet = tmp_path / "power.parquet"
    to_parquet(tmp_path / "never_written.jsonl", parquet)
    assert "cannot be read" in str(read_parquet(parquet).problem)


def test_a_log_is_copied_without_a_second_one_in_memory(tmp_path):
    """What is held beside the readings does not grow with their number."""
    import tracemalloc

    import pyarrow.parquet as pq

    path, number = tmp_path / "power.jsonl", 100_000
    with path.open("wb") as file:
        file.write(encode(HEADER.to_dict()))
        file.writelines(encode(reading_record(Reading(t, t + 1, "gpu", 250.0))) for t in range(number))
    to_parquet(path, tmp_path / "first.parquet")
    tracemalloc.start()
    log = to_parquet(path, tmp_path / "power.parquet")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - held < 25e6
    assert len({id(reading.sensor) for reading in log.readings}) == 1
    assert pq.read_metadata(tmp_path / "power.parquet").num_rows == number
    assert read_parquet(tmp_path / "power.parquet").readings[-1] == log.readings[-1]


def test_no_half_of_a_copy_is_left(jsonl, tmp_path, monkeypatch):
    monkeypatch.setattr("collectors.samples.counter_record", lambda reading: {"sensor": object()})
    with pytest.raises(Exception, match="object"):
        to_parquet(jsonl, tmp_path / "power.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["power.jsonl"]
