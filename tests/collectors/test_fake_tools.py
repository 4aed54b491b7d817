"""The programs that stand in for the vendors' do what their replies say."""

from __future__ import annotations

import subprocess
import time

from fake_tools import FOREVER, Block, Reply

GB2312 = "功率: 90 W".encode("gb2312")


def run(*command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, timeout=10)


def test_arguments_choose_the_reply(fake_tool):
    tool = fake_tool("smi", Reply("-t power -i 3$", "90 W"), Reply("-m", b"\x1b[1m" + GB2312, status=3, stderr="no"))
    assert run("smi", "info", "-t", "power", "-i", "3").stdout == b"90 W"
    other = run("smi", "info", "-m")
    assert (other.stdout, other.returncode, other.stderr) == (b"\x1b[1m" + GB2312, 3, b"no\n")
    assert run("smi", "-x").returncode == 2
    assert tool.calls == ["info -t power -i 3", "info -m", "-x"]


def test_output_changes_after_calls_and_after_seconds(fake_tool):
    fake_tool("smi", Reply(".", "1", calls=2), Reply(".", "2", until_s=0.4), Reply(".", "3"))
    assert [run("smi", "a").stdout for _ in range(3)] == [b"1", b"1", b"2"]
    time.sleep(0.5)
    assert run("smi", "a").stdout == b"3"


def test_output_changes_when_marked(fake_tool):
    streaming = Reply("stream", Block("1\n", FOREVER, 0.02, until_marked=True), Block("2"))
    tool = fake_tool("smi", streaming, Reply("once", "1", until_marked=True), Reply("once", "2"))
    process = subprocess.Popen([tool.path, "stream"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"1\n"
    assert run("smi", "once").stdout == b"1"
    tool.mark()
    assert process.communicate(timeout=5)[0].endswith(b"1\n2")
    assert run("smi", "once").stdout == b"2"


def test_blocks_keep_bytes_and_truncation_and_take_their_time(fake_tool):
    fake_tool("smi", Reply("", Block(GB2312 + b"\n\\n %s\nha", repeat=2, delay_s=0.1, line_delay_s=0.1), Block("end")))
    began_s = time.monotonic()
    assert run("smi").stdout == (GB2312 + b"\n\\n %s\nha") * 2 + b"end"
    assert 0.6 < time.monotonic() - began_s < 10


def test_a_loop_goes_on_and_a_hang_leaves_a_grandchild(fake_tool):
    loop = fake_tool("loop", Reply("", Block("x\n", repeat=FOREVER, delay_s=0.02)))
    process = subprocess.Popen([loop.path], stdout=subprocess.PIPE)
    assert [process.stdout.readline() for _ in range(5)] == [b"x\n"] * 5
    assert process.poll() is None
    process.kill()
    process.wait()
    hang = fake_tool("hang", Reply("", "half", hang=True))
    process = subprocess.Popen([hang.path], stdout=subprocess.PIPE)
    assert process.stdout.read(4) == b"half"
    time.sleep(0.2)
    assert process.poll() is None
    (grandchild,) = hang.grandchildren
    process.kill()
    process.wait()
    subprocess.run(["kill", str(grandchild)], check=True)
