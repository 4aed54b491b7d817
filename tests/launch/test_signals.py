"""A bench that is asked to end by each signal, and one whose terminal vanishes: a record, and nothing left running."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import started
from tests.launch.conftest import command, records
from tests.launch.processes import is_gone, pid_in, wait_until
from tests.launch.stand_in import stand_in

BUSY = """
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
(folder.parents[3] / "child.pid").write_text(str(child.pid))
(folder.parents[3] / "worker.pid").write_text(str(os.getpid()))
while True:
    tell("step")
    time.sleep(0.05)
"""


@pytest.fixture
def start(tmp_path, write_suite):
    """start(behaviour): a bench of two launches whose workers do so, with signals as a shell gives them."""
    begun: list[started.Command | subprocess.Popen] = []

    def run(behaviour: str = BUSY, **options) -> started.Command | subprocess.Popen:
        words = ("bench", "--suite", write_suite(), "--repeats", 2)
        environment = stand_in(tmp_path / "stand_in", behaviour)
        if options:
            begun.append(subprocess.Popen(command(*words), cwd=tmp_path, env=environment, **options))
        else:
            begun.append(started.Command(tmp_path, words, environment))
        return begun[-1]

    yield run
    for process in begun:
        process.kill()
        process.wait()


def running(tmp_path: Path) -> tuple[int, int]:
    return pid_in(tmp_path / "worker.pid"), pid_in(tmp_path / "child.pid")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGTERM, "ended by SIGTERM: killed, or the end of a batch job's time"),
        (signal.SIGHUP, "ended by SIGHUP: its terminal or session was closed"),
        (signal.SIGUSR1, "ended by SIGUSR1"),
        (signal.SIGINT, "interrupted by the user"),
    ],
)
def test_a_signal_leaves_a_record_and_nothing_running(start, tmp_path, number, reason):
    bench = start()
    pids = running(tmp_path)
    for _ in range(3):
        bench.send_signal(number)
    _, stderr = bench.communicate(timeout=120)
    assert bench.returncode == 128 + number
    assert is_gone(pids[0])
    [line] = stderr.strip().splitlines()
    assert line.endswith("; run the same command again to go on")
    assert line.startswith("crosscast: interrupted;") == (number == signal.SIGINT)
    [record] = records(tmp_path / "results")
    assert (record["status"], record["reason"]) == ("interrupted", reason)
    wait_until(lambda: all(map(is_gone, pids)))
    assert not list(tmp_path.glob("results/*/*/*/launch.json"))


def test_signals_that_a_job_was_started_to_ignore_are_ignored(start, tmp_path):
    bench = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    running(tmp_path)
    bench.send_signal(signal.SIGHUP)
    bench.send_signal(signal.SIGTERM)
    assert bench.wait(120) == 128 + signal.SIGTERM
    [record] = records(tmp_path / "results")
    assert record["reason"].startswith("ended by SIGTERM")


def test_a_terminal_that_vanishes(start, tmp_path):
    ours, theirs = pty.openpty()
    bench = start(
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )
    os.close(theirs)
    pids = running(tmp_path)
    os.close(ours)
    assert bench.wait(120) == 128 + signal.SIGHUP
    [record] = records(tmp_path / "results")
    assert record["reason"].startswith("ended by SIGHUP")
    wait_until(lambda: all(map(is_gone, pids)))


@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_killed_bench_left_is_told_and_removed(start, tmp_path, stopped):
    bench = start()
    pids = running(tmp_path)
    if stopped:
        os.kill(pids[0], signal.SIGSTOP)
    bench.kill()
    bench.wait()
    wait_until(lambda: all(map(is_gone, pids)))
    [left] = [path.parent for path in tmp_path.glob("results/*/*/*/launch.json")]
    foreign = left.with_name("01-deadbeef")
    foreign.mkdir()
    plan = json.loads((left / "launch.json").read_text())
    plan["owner"]["machine"] = "another"
    (foreign / "launch.json").write_text(json.dumps(plan))
    for name in ("worker.pid", "child.pid"):
        (tmp_path / name).unlink()
    again = start()
    running(tmp_path)
    [running_now] = [path.parent for path in tmp_path.glob("results/*/*/00-*/launch.json") if path.parent != left]
    again.send_signal(signal.SIGTERM)
    stdout, _ = again.communicate(timeout=120)
    assert f"removed {left.parent.name}/{left.name}: left by a bench that was killed, without a record" in " ".join(
        stdout.split("\n")
    ).replace("  ", " ")
    assert not left.exists()
    assert foreign.exists()
    assert (running_now / "record.json").exists()


def test_every_child_is_gone_after_parity_is_killed(tmp_path):
    """The command's child runs a port of the user's, which starts a program of its own."""
    (tmp_path / "port.py").write_text(
        "import subprocess, pathlib, time, os\n"
        f"pathlib.Path({str(tmp_path / 'worker.pid')!r}).write_text(str(os.getpid()))\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"pathlib.Path({str(tmp_path / 'child.pid')!r}).write_text(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    asking = "from harness.processes import ask_child; ask_child('port', timeout_s=600)"
    parent = subprocess.Popen(
        [sys.executable, "-c", asking], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    pids = running(tmp_path)
    parent.kill()
    parent.wait()
    wait_until(lambda: all(map(is_gone, pids)))
