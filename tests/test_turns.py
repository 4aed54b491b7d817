"""Turns on a device between real processes: waiting, who is waited for, and that nobody can stand in the way."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import time

import pytest

from harness.errors import UserError
from harness.launch import turns
from harness.launch.folder_lock import folder_lock, sole_lock
from tests.launch.processes import wait_until
from tests.power.conftest import meters as meters

WORK = """
import os, sys, time
from pathlib import Path
from harness.launch.turns import turn
file, rounds, uid = Path(sys.argv[1]).open("a"), int(sys.argv[2]), int(sys.argv[3])
if uid:
    os.setuid(uid)
for _ in range(rounds):
    with turn({"Ascend", "npu"}, "the NPU", lambda line: print(line, flush=True)):
        for word in ("begins", "ends"):
            file.write(f"{os.getpid()} {word}\\n")
            file.flush()
            time.sleep(0.2)
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSCAST_TURNS", str(tmp_path))
    log = tmp_path / "log"
    log.touch()
    started = []

    def start(rounds: int, *, uid: int = 0, temp: str | None = None) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, str(log), str(rounds), str(uid)],
            env=os.environ | ({"TMPDIR": temp} if temp else {}),
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield log, start
    for process in started:
        process.kill()
        process.communicate()


def turns_of(log) -> list[str]:
    """Who had the turns, in order; each ends before the next begins."""
    lines = [line.split() for line in log.read_text().splitlines()]
    for (one, begins), (other, ends) in zip(lines[::2], lines[1::2], strict=True):
        assert (one, begins, ends) == (other, "begins", "ends")
    return [pid for pid, _ in lines[::2]]


def test_two_take_turns_and_neither_waits_for_all_of_the_other(work):
    log, start = work
    first = start(10_000)
    wait_until(log.read_text)
    second = start(3)
    told = second.communicate(timeout=120)[0]
    assert first.poll() is None
    first.kill()
    first.wait()
    lines = log.read_text().splitlines()
    log.write_text("".join(f"{line}\n" for line in lines[: len(lines) // 2 * 2]))
    assert turns_of(log).count(str(second.pid)) == 3
    assert told.startswith("another bench is running on this device (the NPU): waiting for its launch to end (process ")
    assert f"process {first.pid} of " in told


def test_users_take_turns_though_their_temporary_folders_differ(work, tmp_path):
    if os.getuid() != 0:
        pytest.skip("another user can only be tried as root")
    log, start = work
    first = start(8)
    wait_until(log.read_text)
    others = tmp_path / "others"
    others.mkdir()
    second = start(2, uid=65534, temp=str(others))
    assert (first.wait(120), second.wait(120)) == (0, 0)
    assert len(turns_of(log)) == 10


def test_files_folders_and_links_in_the_temporary_folder_change_nothing(work, tmp_path):
    _, start = work
    for kind, name in enumerate(("ascend", "npu")):
        path = tmp_path / f"crosscast-{os.getuid()}-{name}.lock"
        path.mkdir(mode=0) if kind else path.symlink_to("/dev/full")
    assert start(1, temp=str(tmp_path)).wait(60) == 0


def test_a_turn_ends_with_its_process_however_it_ends(work):
    log, start = work
    first = start(100)
    wait_until(log.read_text)
    second = start(1)
    assert "waiting" in second.stdout.readline()
    first.kill()
    assert second.wait(60) == 0


def test_devices_of_any_length_take_turns(monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSCAST_TURNS", str(tmp_path))
    device, other = (turns._address(f"{'x' * 500} {number}") for number in range(2))
    assert device != other
    assert max(len(device), len(other)) <= 107
    with turns.turn({f"{'x' * 500} 0"}, "long", pytest.fail), socket.socket(socket.AF_UNIX) as second:
        assert not turns._taken(second, device, "long")
        assert turns._taken(second, other, "other")


def test_an_address_that_nobody_can_have_is_one_line():
    with (
        socket.socket(socket.AF_UNIX) as ours,
        pytest.raises(UserError, match=r"on this device \(the NPU\): .*too long"),
    ):
        turns._taken(ours, b"\0" + 200 * b"x", "the NPU")


def test_a_turn_within_a_turn_is_part_of_it(monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSCAST_TURNS", str(tmp_path))
    with turns.turn({"cpu", "Ascend"}, "one", pytest.fail):
        with turns.turn({"ascend"}, "the same", pytest.fail):
            assert turns._held == {"cpu", "ascend"}
        assert turns._held == {"cpu", "ascend"}
    assert turns._held == set()


@pytest.mark.parametrize(
    "command",
    [
        ("calibrate", "--chip", "cpu", "--collectors", "cpu-meter", "--results", "results"),
        ("operators", "fourcastnet"),
        ("parity", "fourcastnet", "--results", "results"),
    ],
)
def test_all_that_loads_a_device_waits_for_a_bench(monkeypatch, tmp_path, meters, command):
    monkeypatch.setenv("CROSSCAST_TURNS", str(tmp_path))
    with turns.turn({"cpu"}, "the CPU", pytest.fail):
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(meters)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = iter(process.stdout.readline, "")
        assert any(f"(process {os.getpid()} of " in line for line in lines)
        process.terminate()
        process.stdout.read()
        assert process.wait(60) == 128 + 15


def without_locks(monkeypatch, number: int) -> None:
    """As on Lustre mounted without them."""

    def refuse(descriptor, operation):
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_and_a_file_stands_in(tmp_path, monkeypatch, number):
    without_locks(monkeypatch, number)
    said = []
    with folder_lock(tmp_path / ".lock", said.append):
        begun_s = time.monotonic()
        with folder_lock(tmp_path / ".lock", said.append, patience_s=0.5):
            assert time.monotonic() - begun_s >= 0.5
    assert len(said) == 2
    assert all("has no locks" in line and "a file takes their place" in line for line in said)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_lock_that_a_stopped_process_holds_is_not_waited_for_without_end(tmp_path):
    said = []
    with folder_lock(tmp_path / ".lock", said.append), folder_lock(tmp_path / ".lock", said.append, patience_s=0.2):
        pass
    assert said == [
        f"{tmp_path / '.lock'}: held for 0.2 s by a process that is stopped; going on without it",
    ]


@pytest.mark.parametrize("locks", [True, False])
def test_long_work_in_a_folder_is_done_by_one_alone(tmp_path, monkeypatch, locks):
    """Whoever finds the file of one that was killed is told its name, and nobody takes it away."""
    path, begun = tmp_path / ".lock", []
    if not locks:
        without_locks(monkeypatch, errno.EOPNOTSUPP)
    for _ in range(2):
        with sole_lock(path, "another is at work"):
            for _ in range(2):
                with pytest.raises(UserError) as refused, sole_lock(path, "another is at work"):
                    begun.append("a second")
    assert begun == []
    remove = "" if locks else f"; if none is, remove {path}.made, which says who made it"
    assert str(refused.value) == f"another is at work{remove}"
