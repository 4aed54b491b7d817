"""A recorded trace as a collector: its own pace, its end, and that nobody takes it for a measurement."""

from __future__ import annotations

import os
import time

import pytest
from power_logs import ANY_LENGTH, counters, every, log_of, readings
from shared import shared_path

from collectors.accounting.energy import window_energy
from collectors.samples import counter_record, encode, read_samples, reading_record, to_parquet
from collectors.sampling.process import SamplerProcess
from collectors.vendors.replay import ReplayCollector

PERIOD_S, LENGTH_S = 0.05, 0.5


@pytest.fixture
def trace(tmp_path):
    """11 readings of a ramp from 100 to 150 W and a counter that goes on by 5 J a sample."""
    times_s = every(PERIOD_S, LENGTH_S)
    log = log_of(readings(times_s, lambda t: 100 + 100 * t), counters(times_s, lambda t: 1000 + 100 * t))
    path = tmp_path / "trace.jsonl"
    records = [log.header.to_dict(), *map(reading_record, log.readings), *map(counter_record, log.counters)]
    path.write_bytes(b"".join(map(encode, records)))
    return path


def play(seconds: float, **environ: str) -> tuple[list, list, ReplayCollector]:
    collector = ReplayCollector(environ)
    assert collector.probe().reason is None
    collector.start(0.1)
    played, counter, end_s = [], [], time.monotonic() + seconds
    while time.monotonic() < end_s:
        played += collector.sample()
        counter.append(collector.read_counter("gpu"))
        time.sleep(0.01)
    return played, counter, collector


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_trace_is_played_at_its_own_pace_and_ends(trace, suffix):
    to_parquet(trace, trace.with_suffix(".parquet"))
    began_ns = time.monotonic_ns()
    played, counter, _ = play(0.8, CROSSCAST_REPLAY=str(trace.with_suffix(f".{suffix}")))
    assert [reading.power_w for reading in played] == pytest.approx([100 + 5 * k for k in range(11)])
    assert (played[-1].t0_ns - played[0].t0_ns) / 1e9 == pytest.approx(LENGTH_S, abs=1e-6)
    assert 0 <= played[0].t0_ns + 40_000 - began_ns < 0.3e9
    assert (counter[0], counter[-1]) == (1000.0, None)
    assert max(value for value in counter if value is not None) == 1050.0


def test_loop_begins_anew_with_a_counter_that_goes_on(trace):
    played, counter, _ = play(1.3, CROSSCAST_REPLAY=str(trace), CROSSCAST_REPLAY_LOOP="1")
    assert [reading.power_w for reading in played[11:13]] == pytest.approx([100, 105])
    assert len(played) >= 23
    times_ns = [reading.t0_ns for reading in played]
    assert times_ns == sorted(times_ns)
    assert None not in counter
    assert counter == sorted(counter)
    assert counter[-1] > 1100


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (None, "CROSSCAST_REPLAY names no trace"),
        ("not_there.parquet", "cannot be read"),
        ("not_there.csv", "no sensor"),
    ],
)
def test_trace_that_cannot_be_played_says_why(tmp_path, name, reason):
    environ = {} if name is None else {"CROSSCAST_REPLAY": str(tmp_path / name)}
    assert reason in str(ReplayCollector(environ).probe().reason)


def test_replay_through_the_sampler_gives_no_energy(tmp_path):
    path = shared_path("power-samples/nvidia-smi_lms_5050load_A100.csv")
    environment = {**os.environ, "CROSSCAST_REPLAY": str(path)}
    sampler = SamplerProcess.start(tmp_path / "power.jsonl", ["replay"], environment)
    assert sampler.wait_ready()
    t0_ns = time.monotonic_ns()
    time.sleep(0.5)
    t1_ns = time.monotonic_ns()
    assert sampler.stop().reason is None
    log = read_samples(tmp_path / "power.jsonl")
    assert log.sensors[0].name == "replay of nvidia-smi_lms_5050load_A100.csv"
    found = window_energy(log, t0_ns, t1_ns, limits=ANY_LENGTH)
    assert (found.energy_j, found.valid) == (None, False)
    assert found.n_samples > 5
    assert found.reasons == ("GPU: its power is a replayed trace, not a measurement",)
