"""The end of sampling: a tool that takes long to answer has answered for the last window before the sampler ends."""

from __future__ import annotations

import time

import pytest
from fake_tools import Block, Reply
from power_logs import ANY_LENGTH, at_ns

from collectors.accounting.energy import window_energy
from collectors.base import Reading, Sensor
from collectors.samples import CounterReading, read_samples
from collectors.sampling.drain import Drain
from collectors.sampling.process import SamplerProcess

CLI = Sensor("cli", "card", "instant", update_period_s=1.0)
END_S = 10.0


def reading(arrived_s: float, took_s: float, power_w: float | None = 100.0, sensor: str = "cli") -> Reading:
    return Reading(at_ns(arrived_s - took_s), at_ns(arrived_s), sensor, power_w)


def drained_at(drain: Drain, arrivals: dict[float, list[Reading]], step_s: float = 0.1) -> float:
    """When the drain is done that begins at END_S, with a tick each step that brings what has arrived."""
    drain.begin(at_ns(END_S))
    t_s, pending = END_S, dict(arrivals)
    while t_s < END_S + 30:
        for arrived_s in [each for each in pending if each <= t_s]:
            drain.note(pending.pop(arrived_s))
        if drain.is_done(at_ns(t_s)):
            return round(t_s - END_S, 6)
        t_s = round(t_s + step_s, 6)
    raise AssertionError("never done")


def test_a_call_that_takes_long_is_waited_for_until_its_middle_is_after_the_end():
    """Calls of 3 s back to back: the one that ends at 10.5 s stands for 9.0 s, the next for 12.0 s."""
    drain = Drain((CLI,), 0.1)
    drain.note([reading(7.5, 3.0)])
    arrivals = {10.5: [reading(10.5, 3.0)], 13.5: [reading(13.5, 3.0)]}
    assert drained_at(drain, arrivals) == 3.5


def test_a_fast_sensor_is_read_for_one_update():
    drain = Drain((Sensor("gpu", "card", "instant", update_period_s=0.2),), 0.1)
    drain.note([reading(9.9, 0.001, sensor="gpu")])
    arrivals = {10.0 + k / 10: [reading(10.0 + k / 10, 0.001, sensor="gpu")] for k in range(1, 9)}
    assert drained_at(drain, arrivals) == 0.2


def test_a_tool_that_no_longer_answers_is_waited_for_two_calls_and_updates():
    drain = Drain((CLI,), 0.1)
    drain.note([reading(9.5, 0.5)])
    failed = {10.0 + k: [reading(10.0 + k, 3.0, None)] for k in range(1, 30)}
    assert drained_at(drain, failed) == pytest.approx(2 * (1.0 + 0.5) + 0.2)


def test_a_drain_has_an_end():
    drain = Drain((CLI,), 0.1)
    drain.note([reading(9.5, 60.0)])
    assert drained_at(drain, {}) == 5.0


def test_a_sensor_that_never_told_anything_is_not_waited_for():
    drain = Drain((CLI, Sensor("check", "card", "instant", checks="cli")), 0.1)
    drain.note([reading(9.5, 0.5), reading(9.5, 0.5, None, "check")])
    assert drained_at(drain, {10.8: [reading(10.8, 0.5)]}) == 1.0


def test_a_counter_has_told_something_only_when_it_moved():
    drain = Drain((Sensor("zone", "cpu_package", "counter", has_counter=True, update_period_s=0.1),), 0.1)

    def read(t_s: float, energy_j: float) -> None:
        drain.note_counter(CounterReading(at_ns(t_s), at_ns(t_s), "zone", energy_j))

    read(9.8, 5.0)
    drain.begin(at_ns(END_S))
    read(10.1, 5.0)
    assert not drain.is_done(at_ns(10.1))
    read(10.2, 6.0)
    assert drain.is_done(at_ns(10.2))


TABLE = (
    "============System Management Interface ============\n"
    "====================================================\n"
    "DCU  Temp   AvgPwr  Fan   Perf  PwrCap  VRAM%  DCU%\n"
    "0    30.0c  138.0W  0.0%  auto  280.0W    0%   97%\n"
    "====================================================\n"
)


def test_the_last_window_of_a_slow_tool_is_bracketed(fake_tool, tmp_path, monkeypatch):
    """Each call takes 0.8 s, so that its value stands for a moment 0.4 s before it arrives."""
    fake_tool(
        "rocm-smi", Reply("--showbus", "DCU[0]\t\t: PCI Bus: 0000:03:00.0\n"), Reply("^$", Block(TABLE, delay_s=0.8))
    )
    for name in ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"):
        monkeypatch.delenv(name, raising=False)
    sampler = SamplerProcess.start(tmp_path / "power.jsonl", ["rocm-smi"])
    assert sampler.wait_ready()
    t0_ns = time.monotonic_ns()
    time.sleep(1.5)
    t1_ns = time.monotonic_ns()
    outcome = sampler.stop()
    assert (outcome.collector, outcome.sampler_died) == ("rocm-smi", False)
    log = read_samples(tmp_path / "power.jsonl")
    found = window_energy(log, t0_ns, t1_ns, limits=ANY_LENGTH)
    assert found.bracketed, [(reading.t0_ns - t1_ns, reading.t1_ns - t1_ns) for reading in log.readings]
    assert found.energy_j == pytest.approx(138 * found.duration_s)


def test_a_window_begins_and_ends_within_what_the_second_opinion_saw(tmp_path, third_party_env):
    sampler = SamplerProcess.start(tmp_path / "power.jsonl", ["checked"], third_party_env)
    assert sampler.wait_ready()
    t0_ns = time.monotonic_ns()
    time.sleep(0.3)
    t1_ns = time.monotonic_ns()
    sampler.stop()
    log = read_samples(tmp_path / "power.jsonl")
    opinions_ns = [(each.t0_ns + each.t1_ns) // 2 for each in log.readings if each.sensor == "cli"]
    assert opinions_ns[0] <= t0_ns < t1_ns <= opinions_ns[-1]
    found = window_energy(log, t0_ns, t1_ns, limits=ANY_LENGTH)
    assert (found.valid, found.second_opinion) == (True, pytest.approx(1)), found.reasons
