"""Running the vendors' programs: time limits, what they leave behind, odd output."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from collectors.vendors.command import LineStream, absence, ask, clean, excerpt


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """program(script): a shell program named smi on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def write(script: str, mode: int = 0o755) -> Path:
        path = tmp_path / "smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        return path

    return write


def wait_until(condition, limit_s: float = 5.0) -> bool:
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def test_a_program_that_is_not_there_and_one_that_may_not_be_run_are_told_apart(program):
    assert absence("smi") == "smi is not on PATH"
    path = program("echo", mode=0o644)
    assert f"{path} may not be executed" in str(absence("smi"))
    assert absence("sh") is None


def test_the_answer_holds_both_streams_and_the_status(program):
    program("echo out; echo err >&2; exit 3")
    answer = ask(["smi"])
    assert answer.text.split() == ["out", "err"]
    assert answer.problem == "smi ended with status 3"
    assert answer.t0_ns < answer.t1_ns


def test_a_program_that_cannot_be_started_is_a_problem():
    assert "no-such-smi cannot be started: No such file" in str(ask(["no-such-smi"]).problem)


def test_a_hanging_program_is_killed_with_its_grandchild(program, tmp_path):
    program(f"echo half; (sleep 600 & echo $! > {tmp_path}/pid; wait)")
    began_s = time.monotonic()
    answer = ask(["smi"], timeout_s=0.5)
    assert time.monotonic() - began_s < 30
    assert answer.problem == "smi did not end within 0.5 s"
    assert answer.text == "half\n"
    grandchild = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")


def test_a_grandchild_that_holds_the_pipe_does_not_outlast_the_limit(program):
    program("sleep 600 & echo done")
    assert ask(["smi"], timeout_s=0.3).problem == "smi did not end within 0.3 s"


def test_lines_come_whole_and_with_their_time(program):
    program("printf 'one\\ntw'; sleep 0.3; printf 'o\\nhalf'; sleep 600")
    before_ns = time.monotonic_ns()
    stream = LineStream(["smi"])
    lines = []
    assert wait_until(lambda: lines.extend(stream.lines()) or len(lines) == 2)
    assert [line.text for line in lines] == ["one", "two"]
    assert before_ns < lines[0].t_ns < lines[1].t_ns - 0.2e9
    assert stream.ended is None
    stream.stop()
    stream.stop()
    assert stream.lines() == []


def test_the_end_of_a_stream_is_told(program):
    program("echo last; exit 2")
    stream = LineStream(["smi"])
    assert wait_until(lambda: stream.ended is not None)
    assert stream.ended == "smi ended with status 2"
    assert [line.text for line in stream.lines()] == ["last"]
    stream.stop()


def test_escapes_and_bytes_that_are_not_text_do_no_harm():
    assert clean(b"\x1b[1;32m90.1\x1b[0m W\x1b]0;title\x07\r\n") == "90.1 W\n"
    assert clean("功率".encode("gb2312")) != ""
    assert excerpt("\n====\n  a   b \n\n| c\n") == "a b; | c"
    assert excerpt("x" * 300).endswith("...")
