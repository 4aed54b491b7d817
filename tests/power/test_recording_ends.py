"""How recordings end: by each signal and by the hard kill, with a command that has started programs of its own."""

import os
import signal
import sys

import pytest

from harness.power.log import load
from tests import started
from tests.launch.processes import is_gone, pid_in, running_with, wait_until

COMMAND = """
import subprocess, sys, pathlib, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path("child.pid").write_text(str(child.pid))
pathlib.Path("command.pid").write_text(str(os.getpid()))
child.wait()
"""


@pytest.fixture
def recording(meters, tmp_path):
    """A recording of a command that runs and has a grandchild in another session."""
    process = started.Command(
        tmp_path,
        (
            *("power", "record", "--out", "p.parquet", "--collectors", "cpu-meter"),
            *("--period-ms", "20", "--idle", "0", "--", sys.executable, "-c", COMMAND),
        ),
        {**os.environ, "PYTHONPATH": str(meters), "FAMILY_OF": str(tmp_path)},
    )
    yield process, (pid_in(tmp_path / "command.pid"), pid_in(tmp_path / "child.pid"))
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_the_recording_and_ends_the_command(recording, tmp_path, number):
    process, pids = recording
    [jsonl] = tmp_path.glob(".p.parquet.*/power.jsonl")
    wait_until(lambda: len(jsonl.read_bytes().splitlines()) > 20)
    process.send_signal(number)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 128 + number, stderr
    assert "an interrupted recording" in stdout
    wait_until(lambda: all(map(is_gone, pids)))
    power = load(tmp_path / "p.parquet")
    assert power.phases[-1].name == "command"
    assert len(power.log.readings) > 15
    assert not list(tmp_path.glob(".p.parquet*"))


def test_a_hard_kill_ends_the_command_and_the_sampler(recording, tmp_path):
    process, pids = recording
    process.kill()
    process.wait()
    wait_until(lambda: all(map(is_gone, pids)))
    wait_until(lambda: not running_with(f"FAMILY_OF={tmp_path}"))


def test_what_a_command_leaves_running_is_its_own_affair(crosscast, tmp_path):
    leave = "import subprocess, pathlib\nchild = subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL, "
    leave += "stderr=subprocess.DEVNULL)\npathlib.Path('child.pid').write_text(str(child.pid))"
    done = crosscast(
        *("power", "record", "--out", "p", "--collectors", "cpu-meter", "--idle", 0.2, "--", sys.executable, "-c"),
        leave,
    )
    assert done.returncode == 0, done.stderr
    pid = pid_in(tmp_path / "child.pid")
    assert not is_gone(pid)
    os.kill(pid, signal.SIGKILL)
