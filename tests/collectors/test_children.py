"""Children as real processes: what they import, and that they are gone when their parent is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_sampler_process import is_gone

from collectors import children, guard

PATIENCE_S = 60.0
TRAPS = ("runpy", "json", "re", "os", "harness", "collectors", "importlib", "encodings", "usercustomize")


def wait_until(condition) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "condition not met in time"
        time.sleep(0.02)


def pid_in(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def pythons() -> list[str]:
    """This Python, and where its siblings are installed beside it, one of each version that is supported."""
    beside = Path(sys.base_prefix).parent
    others = [next(iter(sorted(beside.glob(f"3.{minor}*/bin/python3"))), None) for minor in (10, 11, 12)]
    return [sys.executable, *(str(path) for path in others if path)]


@pytest.mark.parametrize("path", [None, "", ":/nowhere", "/nowhere:"])
@pytest.mark.parametrize("python", pythons())
def test_no_code_of_the_current_folder_is_run(tmp_path, monkeypatch, python, path):
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text(f"open('{tmp_path}/{name}.ran', 'w')\nraise SystemExit(9)")
    monkeypatch.setattr(sys, "executable", python)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    child = children.start(
        children.python_module("json.tool", "--indent", "1"),
        env=environment | ({} if path is None else {"PYTHONPATH": path}),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    told, trouble = child.communicate(b"[1]", timeout=PATIENCE_S)
    assert (child.returncode, told.split()) == (0, [b"[", b"1", b"]"]), trouble
    assert not list(tmp_path.glob("*.ran"))


FOUNDER = """
import os, subprocess, sys
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
open(sys.argv[1], "w").write(f"{child.pid} ")
child.wait()
"""
PARENT = """
import sys, time
from collectors import children, guard
child = children.start([sys.executable, "-c", sys.argv[1], sys.argv[2]])
open(sys.argv[3], "w").write(f"{child.pid} ")
time.sleep(600)
"""


@pytest.fixture
def family(tmp_path):
    """A parent, its child, and a grandchild in a session of its own."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, FOUNDER, tmp_path / "grandchild", tmp_path / "child"],
        env={**os.environ, "PYTHONPATH": children.ROOT},
    )
    yield parent, pid_in(tmp_path / "child"), pid_in(tmp_path / "grandchild")
    parent.kill()
    parent.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_family_is_gone_with_the_parent(family, number):
    parent, child, grandchild = family
    parent.send_signal(number)
    parent.wait(PATIENCE_S)
    wait_until(lambda: is_gone(child) and is_gone(grandchild))


@pytest.mark.parametrize("stopped_too", [False, True])
def test_a_child_is_killed_before_its_parent(family, stopped_too):
    parent, child, grandchild = family
    if stopped_too:
        os.kill(grandchild, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    parent.kill()
    wait_until(lambda: is_gone(grandchild))


def guards_of(parent) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(parent.pid), "-f", "guard.py"], capture_output=True, text=True)
    return [int(number) for number in found.stdout.split()]


def test_a_stopped_guard_goes_on_when_its_parent_ends(family):
    parent, child, grandchild = family
    (guard,) = guards_of(parent)
    os.kill(guard, signal.SIGSTOP)
    parent.kill()
    wait_until(lambda: is_gone(child) and is_gone(grandchild) and is_gone(guard))


def test_a_stopped_child_is_gone_with_its_parent_though_the_guard_was_killed(family):
    parent, child, _ = family
    for number in guards_of(parent):
        os.kill(number, signal.SIGKILL)
    os.kill(child, signal.SIGSTOP)
    parent.kill()
    wait_until(lambda: is_gone(child))


def test_end_takes_what_left_the_session_along(tmp_path):
    child = children.start([sys.executable, "-c", FOUNDER, tmp_path / "grandchild"])
    grandchild = pid_in(tmp_path / "grandchild")
    assert child.end()
    assert child.returncode == -signal.SIGKILL
    wait_until(lambda: is_gone(grandchild))


def test_a_child_outlives_the_thread_that_asked_for_it():
    started: list[children.Child] = []
    thread = threading.Thread(target=lambda: started.append(children.start(["sleep", "600"])))
    thread.start()
    thread.join()
    time.sleep(0.5)
    assert started[0].poll() is None
    assert started[0].end()


def test_a_guard_that_was_killed_is_replaced(tmp_path):
    first = children.start(["sleep", "600"])
    guard = children._guard._process
    assert guard is not None
    guard.kill()
    guard.wait()
    second = children.start(["sleep", "600"])
    replaced = children._guard._process
    assert replaced is not None
    assert replaced.poll() is None
    assert set(children._guard.families()) >= {first.mark, second.mark}
    children.end_all()
    assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (-signal.SIGKILL, -signal.SIGKILL)
    assert first.end()
    assert second.end()


def test_what_cannot_be_started_leaves_no_family():
    before = children._guard.families()
    with pytest.raises(FileNotFoundError):
        children.start(["no-such-program"])
    assert children._guard.families() == before


def test_without_proc_the_session_ends(monkeypatch):
    monkeypatch.setattr(children.guard, "members", lambda mark, leader: [])
    child = children.start(["sleep", "600"])
    assert child.end()


def test_a_process_that_has_just_begun_is_ended_with_its_family(monkeypatch):
    """Its environment cannot be read for a moment after its parent knows that it runs, so it is looked at at once."""
    left = []
    for number in range(200):
        mark = f"family {os.getpid()} {number}"
        begun = subprocess.Popen(["sleep", "600"], env={children.MARKS: mark}, start_new_session=True)
        with monkeypatch.context() as alone:
            alone.setattr(os, "listdir", lambda _, pid=begun.pid: [str(pid)])
            guard.kill_family(mark, -1)
        try:
            begun.wait(10)
        except subprocess.TimeoutExpired:
            left.append(number)
            begun.kill()
            begun.wait()
    assert not left
