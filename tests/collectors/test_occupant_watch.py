"""The watch as a real process beside a real launcher: whose a process is, its end, and what is left where it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from fake_tools import Reply

from collectors.occupancy import occupant_watch
from collectors.occupancy.occupant_watch import LISTERS, OccupantWatch, OwnProcesses, read_log, take_look
from collectors.occupancy.occupants import DeviceOccupants, DeviceProcess, LookError

UUID = "GPU-aaaaaaaa-1111"
GPUS = f"{UUID}, NVIDIA A100-SXM4-80GB, 00000000:01:00.0\n"
APPS = "pid, gpu_uuid, used_gpu_memory [MiB]\n"


def nvidia_smi(fake_tool, *replies: Reply):
    return fake_tool("nvidia-smi", Reply("--query-gpu", GPUS), Reply("^-L", ""), *replies)


def watch(tmp_path: Path) -> OccupantWatch:
    env = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
    return OccupantWatch.start(tmp_path / "occupants.jsonl", ["nvidia-smi"], env)


@pytest.fixture
def sleeper():
    """A process of this one's in a session of its own, as a worker is."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_a_process_that_was_there_before_is_another_jobs(fake_tool, tmp_path):
    tool = nvidia_smi(fake_tool, Reply("--query-compute-apps", f"{APPS}{os.getppid()}, {UUID}, 20480 MiB\n"))
    found = watch(tmp_path)
    found.wait_ready()
    occupancy = found.stop(1)
    assert (occupancy.tool, occupancy.looks) == ("nvidia-smi", (1, 0, 1))
    (stranger,) = occupancy.strangers
    assert (stranger.pid, stranger.memory_bytes, stranger.seen) == (os.getppid(), 20480 << 20, ("before", "after"))
    assert sum("compute-apps" in call for call in tool.calls) == 2
    assert list(tmp_path.glob("occupants*")) == []


def test_a_free_device_and_no_tool_for_a_chip(fake_tool, tmp_path):
    nvidia_smi(fake_tool, Reply("--query-compute-apps", APPS))
    found = watch(tmp_path)
    found.wait_ready()
    occupancy = found.stop(1)
    assert (occupancy.strangers, occupancy.reason) == ((), None)
    none = OccupantWatch.start(tmp_path / "occupants.jsonl", ["rapl", "null"], os.environ)
    none.wait_ready()
    assert none.stop(1) is None


def test_the_launchers_processes_are_its_own_wherever_they_go(sleeper):
    own = OwnProcesses(os.getpid())
    own.note()
    assert own.mark(DeviceProcess(sleeper.pid)).whose == "own"
    assert own.mark(DeviceProcess(os.getpid())).whose == "own"
    assert own.mark(DeviceProcess(os.getppid())).whose == "other"
    assert own.mark(DeviceProcess(2**22 + 5)).whose == "unknown"
    assert own.mark(DeviceProcess(2**32 - 1)).whose == "unknown"
    detaching = "import os, sys\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True)\nimport time\ntime.sleep(60)"
    starter = "import subprocess, sys, time; subprocess.run([sys.executable, '-c', sys.argv[1]]); time.sleep(60)"
    worker = subprocess.Popen(
        [sys.executable, "-c", starter, detaching], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        orphan = int(worker.stdout.readline())
        own.note()
        worker.kill()
        worker.wait()
        assert orphan not in {child.pid for child in psutil.Process().children(recursive=True)}
        assert own.mark(DeviceProcess(orphan)).whose == "own"
    finally:
        worker.kill()
        os.kill(orphan, 9)
        worker.stdout.close()


class Scripted:
    """A lister that gives what it is told to."""

    name, period_s = "scripted", 1.0

    def __init__(self, devices=(), unplaced=(), error=None):
        self.answer, self.error = (list(devices), list(unplaced)), error

    def find(self):
        return None

    def look(self):
        if self.error:
            raise self.error
        return self.answer


def test_a_look_marks_each_process_and_places_its_own(sleeper):
    held = (DeviceProcess(sleeper.pid), DeviceProcess(os.getppid()))
    lister = Scripted([DeviceOccupants(0, "a", held)], [DeviceProcess(sleeper.pid), DeviceProcess(os.getppid())])
    look = take_look(lister, OwnProcesses(os.getpid()))
    assert [process.whose for process in look.devices[0].processes] == ["own", "other", "own"]
    assert look.unplaced == 1
    assert look.t0_ns <= look.t1_ns


@pytest.mark.parametrize(
    ("error", "told"), [(LookError("GPU is lost"), "GPU is lost"), (KeyError("pid"), "KeyError: 'pid'")]
)
def test_a_tool_that_raises_is_a_look_with_a_problem(error, told):
    assert take_look(Scripted(error=error), OwnProcesses(os.getpid())).problem == told


def test_a_tool_that_finds_nothing_gives_the_reason(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    found = watch(tmp_path)
    found.wait_ready()
    occupancy = found.stop(1)
    assert (occupancy.tool, occupancy.strangers) == (None, ())
    assert occupancy.reason == "nvidia-smi: nvidia-smi is not on PATH"


def test_a_tool_that_hangs_costs_what_it_knows_and_leaves_no_process(fake_tool, tmp_path):
    tool = nvidia_smi(fake_tool, Reply("--query-compute-apps", APPS, calls=1), Reply("--query-compute-apps", hang=True))
    found = watch(tmp_path)
    found.wait_ready()
    occupancy = found.stop(1, timeout_s=0.7)
    assert occupancy.reason.startswith("nvidia-smi did not end in time and was killed")
    assert occupancy.strangers == ()
    deadline_s = time.monotonic() + 5
    while any(psutil.pid_exists(pid) for pid in tool.grandchildren) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not any(psutil.pid_exists(pid) for pid in tool.grandchildren)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\n",
        b"[1]\n",
        b'{"type":"look"}\n',
        b'{"type":"look","t0_ns":1,"t1_ns":2,"devices":[{"device":0,"id":"a","processes":[{"pi":1}]}]}\n',
        b"[" * 99_999,
    ],
)
def test_a_log_that_was_damaged_has_a_reason_and_no_look(tmp_path, content):
    (tmp_path / "occupants.jsonl").write_bytes(content)
    log = read_log(tmp_path / "occupants.jsonl")
    assert (log.looks, log.reason) == ((), "the watch for other processes left no log")
    assert read_log(tmp_path / "not there").reason is not None


def test_the_watch_ends_with_its_launcher(fake_tool, tmp_path):
    nvidia_smi(fake_tool, Reply("--query-compute-apps", APPS))
    launcher = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from collectors.occupancy.occupant_watch import OccupantWatch\n"
        "watch = OccupantWatch.start(Path(sys.argv[1]), ['nvidia-smi'], os.environ)\nwatch.wait_ready()\n"
        "print(watch._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", launcher, str(tmp_path / "occupants.jsonl")], stdout=subprocess.PIPE, text=True
    )
    pid = int(process.stdout.readline())
    assert psutil.pid_exists(pid)
    process.kill()
    process.wait()
    process.stdout.close()
    deadline_s = time.monotonic() + 8
    while not is_gone(pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert is_gone(pid)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_every_collector_of_an_accelerator_has_a_list_of_processes():
    from harness.scenario import catalogue

    for name in catalogue.names("chips"):
        chip = catalogue.chip(name)
        assert occupant_watch.has_lister(chip.power_collectors) == bool(chip.device_nodes), name
    assert set(LISTERS) >= {"nvml", "nvidia-smi", "dcmi", "npu-smi", "hy-smi", "rocm-smi"}
