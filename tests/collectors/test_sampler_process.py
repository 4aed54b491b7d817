"""The sampler as a real process: its log, its end with its parent, and what the launcher is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from power_logs import ANY_LENGTH
from powercap_tree import LiveCounter, add_zone

from collectors.accounting.energy import window_energy
from collectors.samples import read_samples
from collectors.sampling.process import SamplerProcess
from collectors.vendors.host.rapl import UPDATE_PERIOD_S as RAPL_UPDATE_PERIOD_S

pytestmark = pytest.mark.alone

WRAP_UJ = 262_143_000


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "launch" / "power.jsonl"


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    return add_zone(tmp_path / "powercap", "intel-rapl:0", "package-0", 1_000_000, WRAP_UJ)


def wait_until(condition, timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "condition not met in time"
        time.sleep(0.02)


def is_gone(pid: int | None) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def answers(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    [caught] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_energy_of_a_live_counter_that_wraps(out, zone, third_party_env):
    with LiveCounter(zone, 50.0, WRAP_UJ, start_uj=WRAP_UJ - 60_000_000):
        sampler = SamplerProcess.start(out, ["null", "live"], third_party_env, period_s=0.02)
        assert sampler.wait_ready()
        t0_ns = time.monotonic_ns()
        time.sleep(1.8)
        t1_ns = time.monotonic_ns()
        outcome = sampler.stop()
    assert (outcome.collector, outcome.reason, outcome.sampler_died, outcome.returncode) == ("live", None, False, 0)
    assert sampler.stop() is outcome
    log = read_samples(out)
    found = window_energy(log, t0_ns, t1_ns, limits=ANY_LENGTH)
    assert min(counter.counter_j for counter in log.counters) < 50 < max(counter.counter_j for counter in log.counters)
    assert found.reasons == ()
    assert found.energy_j == pytest.approx(50 * found.duration_s, rel=0.05)
    assert found.n_samples >= 20


def test_header_comes_first_and_ties_the_clocks(out, zone, third_party_env):
    before_ns = time.monotonic_ns(), time.time_ns()
    sampler = SamplerProcess.start(out, ["nvlm", "live"], third_party_env)
    assert sampler.wait_ready()
    sampler.stop()
    header = json.loads(out.read_text().splitlines()[0])
    assert (header["type"], header["collector"], header["period_s"]) == ("header", "live", 0.05)
    assert "did you mean nvml" in header["reasons"]["nvlm"]
    assert before_ns[0] < header["monotonic_ns"] < time.monotonic_ns()
    assert before_ns[1] < header["wall_ns"] < time.time_ns()
    assert header["versions"]["python"]


def test_no_sensor_writes_the_reasons_and_ends_well(out, tmp_path, third_party_env):
    sampler = SamplerProcess.start(out, ["live", "unloadable", "unstartable", "null"], third_party_env)
    assert sampler.wait_ready()
    outcome = sampler.stop()
    assert (outcome.collector, outcome.sampler_died, outcome.returncode) == (None, False, 0)
    log = read_samples(out)
    assert log.header is not None
    assert log.header.reasons == {
        "live": f"{tmp_path}/powercap does not exist (no powercap driver, or a virtual machine)",
        "unloadable": "failed to load: ModuleNotFoundError: No module named 'module_that_is_not_there'",
        "unstartable": "cannot start: device is taken",
        "null": "no power is collected by choice",
    }
    assert outcome.reason == log.no_sensor_reason
    assert window_energy(log, 0, 10**10).reasons == (outcome.reason,)


@pytest.mark.skipif(Path("/sys/class/powercap/intel-rapl:0").exists(), reason="this machine has a RAPL sensor")
def test_machine_without_a_sensor_says_why_for_each_tool(out):
    done = subprocess.run(
        [sys.executable, "-m", "collectors.sampling.sampler", "--out", str(out), "--collectors", "null,nvml,rapl"],
        timeout=10,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0
    log = read_samples(out)
    assert log.header is not None
    assert list(log.header.reasons) == ["null", "nvml", "rapl"]
    assert all(log.header.reasons.values())
    assert log.end is not None
    assert log.end["reason"] == "no sensor"


@pytest.mark.parametrize(
    ("number", "period_ms", "drained_s"), [(signal.SIGTERM, "150", 0.0), (signal.SIGINT, "10", RAPL_UPDATE_PERIOD_S)]
)
def test_drains_a_period_and_a_sensor_update_after_the_signal(out, zone, third_party_env, number, period_ms, drained_s):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "collectors.sampling.sampler",
            "--out",
            out,
            "--collectors",
            "live",
            "--period-ms",
            period_ms,
        ],
        env=third_party_env,
    )
    wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") >= 2)
    told_ns = time.monotonic_ns()
    process.send_signal(number)
    assert process.wait(timeout=5) == 0
    log = read_samples(out)
    assert log.end is not None
    assert log.end["reason"] == number.name
    assert log.end["n_ticks"] == len(log.counters)
    assert log.end["cpu_s"] > 0
    assert log.counters[-1].t0_ns > told_ns + drained_s * 1e9
    assert log.n_bad_lines == 0


LAUNCHER = """
import os, sys, time
from pathlib import Path
from collectors.sampling.process import SamplerProcess
from collectors.vendors.host.rapl import UPDATE_PERIOD_S as RAPL_UPDATE_PERIOD_S
sampler = SamplerProcess.start(Path(sys.argv[1]), [sys.argv[2]], os.environ)
print(sampler.pid, flush=True)
time.sleep(600)
"""


def launch_and_kill(out: Path, collector: str, env: dict[str, str], before_kill: signal.Signals | None = None) -> int:
    """Starts a launcher with a sampler, kills the launcher the hard way and returns the sampler's process id."""
    begun = Path(env["TEST_CHILD_PID"]) if collector == "hanging" else out
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(out), collector], env=env, stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    lines = 1 if collector == "hanging" else 4
    wait_until(lambda: begun.exists() and len(begun.read_bytes().splitlines()) >= lines, timeout_s=60)
    assert not is_gone(pid)
    if before_kill is not None:
        os.kill(pid, before_kill)
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    return pid


def test_ends_when_its_parent_is_killed(out, zone, third_party_env):
    pid = launch_and_kill(out, "live", third_party_env)
    wait_until(lambda: is_gone(pid), timeout_s=30)
    assert len(read_samples(out).counters) >= 2


@pytest.mark.parametrize("collector", ["live", "hanging"])
def test_stopped_sampler_does_not_outlive_its_parent(out, zone, third_party_env, collector):
    pid = launch_and_kill(out, collector, third_party_env, before_kill=signal.SIGSTOP)
    wait_until(lambda: is_gone(pid), timeout_s=30)
    if collector == "hanging":
        child_pid = int(Path(third_party_env["TEST_CHILD_PID"]).read_text())
        wait_until(lambda: is_gone(child_pid), timeout_s=30)


def test_sampler_that_hangs_does_not_outlive_its_parent(out, third_party_env):
    pid = launch_and_kill(out, "hanging", third_party_env)
    child_pid = int(Path(third_party_env["TEST_CHILD_PID"]).read_text())
    wait_until(lambda: is_gone(pid) and is_gone(child_pid), timeout_s=30)


def test_parent_that_ended_before_the_sampler_began(out, zone, third_party_env):
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "collectors.sampling.sampler",
            "--out",
            out,
            "--collectors",
            "live",
            "--parent-pid",
            "1",
        ],
        env=third_party_env,
        timeout=10,
    )
    assert process.returncode == 0


def test_end_of_the_starting_thread_is_not_the_end_of_the_parent(out, zone, third_party_env):
    started: list[SamplerProcess] = []

    def start() -> None:
        started.append(SamplerProcess.start(out, ["live"], third_party_env))
        started[0].wait_ready()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    outcome = started[0].stop()
    log = read_samples(out)
    assert (outcome.reason, outcome.sampler_died) == (None, False)
    assert log.end is not None
    assert log.end["reason"] == "SIGTERM"
    assert len(log.counters) >= 5


def test_hung_sampler_is_killed_with_all_it_started(out, third_party_env):
    sampler = SamplerProcess.start(out, ["hanging"], third_party_env)
    child_file = Path(third_party_env["TEST_CHILD_PID"])
    wait_until(lambda: child_file.exists() and child_file.read_text() != "")
    outcome = sampler.stop(timeout_s=0.3)
    assert outcome.sampler_died
    assert outcome.reason == "sampler died: did not end within 0.3 s and was killed"
    wait_until(lambda: is_gone(int(child_file.read_text())))


def test_killed_sampler_is_told_and_its_samples_are_kept(out, zone, third_party_env):
    sampler = SamplerProcess.start(out, ["live"], third_party_env)
    assert sampler.wait_ready()
    assert sampler.pid is not None
    os.kill(sampler.pid, signal.SIGKILL)
    wait_until(lambda: is_gone(sampler.pid))
    outcome = sampler.stop()
    assert (outcome.collector, outcome.sampler_died) == ("live", True)
    assert outcome.reason == "sampler died: killed by SIGKILL"
    assert read_samples(out).counters


def test_collector_that_raises_makes_failed_readings(out, third_party_env):
    sampler = SamplerProcess.start(out, ["raising"], third_party_env)
    assert sampler.wait_ready()
    assert not sampler.stop().sampler_died
    log = read_samples(out)
    assert {reading.raw for reading in log.readings} == {"RuntimeError: device fell off the bus"}
    assert {reading.power_w for reading in log.readings} == {None}


def test_folder_that_cannot_be_written_is_an_outcome(tmp_path):
    (tmp_path / "file").write_text("")
    outcome = SamplerProcess.start(tmp_path / "file" / "power.jsonl", ["null"]).stop()
    assert outcome.sampler_died
    assert "sampler could not be started" in str(outcome.reason)


def test_sampler_that_cannot_write_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "collectors.sampling.sampler", "--out", tmp_path, "--collectors", "null"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"cannot write {tmp_path}: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk_does_not_stop_the_sampler(zone, third_party_env):
    process = subprocess.Popen(
        [sys.executable, "-m", "collectors.sampling.sampler", "--out", "/dev/full", "--collectors", "live"],
        env=third_party_env,
    )
    wait_until(lambda: answers(process.pid, signal.SIGTERM), timeout_s=60)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=5) == 0


WRITE_THROUGH_A_LIMIT = """
import resource, sys
from pathlib import Path
from collectors.sampling.sampler import LineWriter
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
writer = LineWriter(Path(sys.argv[1]))
writer.write({"type": "first"})
resource.setrlimit(resource.RLIMIT_FSIZE, (30, unlimited[1]))
writer.write({"type": "cut in half"})
writer.write({"type": "refused"})
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
writer.write({"type": "after"})
writer.write({"type": "last"})
print(writer.n_lost_lines)
"""


def test_line_cut_by_a_full_disk_spoils_no_other(tmp_path):
    path = tmp_path / "power.jsonl"
    lost = subprocess.run(
        [sys.executable, "-c", WRITE_THROUGH_A_LIMIT, str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert lost == "2\n"
    assert path.read_bytes().splitlines() == [
        b'{"type":"first"}',
        b'{"type":"cut ',
        b'{"type":"after"}',
        b'{"type":"last"}',
    ]
