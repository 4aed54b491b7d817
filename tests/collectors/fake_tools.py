"""Programs of the vendors' names on PATH that replay recorded outputs, with every fault that a real one has shown.

    fake_tool("npu-smi",
        Reply("info -m", recorded("npu-smi_info-m_910B.txt")),
        Reply("info -t power", "Power: 90.1", calls=5),            the first five calls, then the next that matches
        Reply("info -t power", "ERROR -8020", status=255),
        Reply("watch", Block("90.1\\n", repeat=20, delay_s=0.05), Block("90."), hang=True))

A program is a shell script, which starts in about a millisecond. Its arguments, joined by spaces, are searched for each
reply's regular expression (POSIX extended, as `grep -E`) in order; no match ends it with status 2.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

FOREVER = 1_000_000_000
NO_MATCH = "unknown arguments"


@dataclass(frozen=True)
class Block:
    """Bytes to write `repeat` times, after `delay_s` each time and with `line_delay_s` after each line.

    A last line without its end is written without it. `until_marked` ends the repeats when the tool is marked.
    """

    output: str | bytes
    repeat: int = 1
    delay_s: float = 0.0
    line_delay_s: float = 0.0
    until_marked: bool = False

    @property
    def content(self) -> bytes:
        return self.output.encode() if isinstance(self.output, str) else self.output


class Reply:
    """What the program does where its arguments match: its blocks in order, `stderr`, then it ends with `status`.

    `hang` makes it stay instead, with a grandchild that holds its output open. `calls` lets the reply serve that many
    calls, `until_s` those before that time after the first call of the program and `until_marked` those before the
    tool is marked; then the next match serves.
    """

    def __init__(
        self,
        arguments: str,
        *blocks: Block | str | bytes,
        status: int = 0,
        stderr: str = "",
        hang: bool = False,
        calls: int | None = None,
        until_s: float | None = None,
        until_marked: bool = False,
    ) -> None:
        self.arguments = arguments
        self.blocks = [block if isinstance(block, Block) else Block(block) for block in blocks]
        self.status = status
        self.stderr = stderr
        self.hang = hang
        self.calls = calls
        self.until_s = until_s
        self.until_marked = until_marked


@dataclass(frozen=True)
class FakeTool:
    """A program written by `write_tool`. `path` is the program, `state` the folder in which it keeps what it did."""

    path: Path
    state: Path

    def mark(self) -> None:
        """Ends what lasts until the tool is marked."""
        (self.state / "marked").touch()

    @property
    def calls(self) -> list[str]:
        """Arguments of each call so far."""
        log = self.state / "calls"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def grandchildren(self) -> list[int]:
        """Process ids that hanging calls left."""
        log = self.state / "grandchildren"
        return [int(pid) for pid in log.read_text().split()] if log.exists() else []


def write_tool(folder: Path, name: str, *replies: Reply, mode: int = 0o755) -> FakeTool:
    """Writes the program `name` into `folder`, which the caller puts on PATH. A second call replaces it."""
    state = folder / f".{name}"
    state.mkdir(parents=True, exist_ok=True)
    tool = FakeTool(folder / name, state)
    script = "\n".join([PREAMBLE.format(state=shlex.quote(str(state))), *_body(state, replies), "", END, ""])
    partial = folder / f".{name}.partial"
    partial.write_text(script)
    partial.chmod(mode)
    partial.replace(tool.path)
    return tool


@pytest.fixture
def fake_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeTool]:
    """fake_tool(name, *replies, mode=0o755): a program of that name, first on PATH."""
    folder = tmp_path / "fake_tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def write(name: str, *replies: Reply, mode: int = 0o755) -> FakeTool:
        return write_tool(folder, name, *replies, mode=mode)

    return write


PREAMBLE = """#!/bin/sh
state={state}
arguments="$*"
echo "$arguments" >> "$state/calls"
read -r uptime _ < /proc/uptime
now=$(( ${{uptime%.*}}${{uptime#*.}} ))
[ -f "$state/began" ] || echo $now > "$state/began"
read -r began < "$state/began"
age=$(( now - began ))
served() {{ n=0; [ -f "$1" ] && read -r n < "$1"; echo $(( n + 1 )) > "$1"; }}
matches() {{ printf '%s\\n' "$arguments" | grep -Eq -- "$1"; }}
by_line() {{
    while IFS= read -r line; do printf '%s\\n' "$line"; sleep "$2"; done < "$1"
    printf '%s' "$line"
}}"""
"""Ages are in hundredths of a second, from /proc/uptime, which needs no further process."""

UNMARKED = '[ ! -f "$state/marked" ]'
END = f'echo {NO_MATCH!r}: "$arguments"\nexit 2'


def _body(state: Path, replies: tuple[Reply, ...]) -> list[str]:
    lines = []
    for number, reply in enumerate(replies):
        condition = f"matches {shlex.quote(reply.arguments)}"
        if reply.until_s is not None:
            condition += f" && [ $age -lt {round(reply.until_s * 100)} ]"
        if reply.until_marked:
            condition += f" && {UNMARKED}"
        if reply.calls is not None:
            counter = shlex.quote(str(state / f"served-{number}"))
            condition += f" && served {counter} && [ $n -lt {reply.calls} ]"
        lines += ["", f"if {condition}; then", *_actions(state, number, reply), "fi"]
    return lines


def _actions(state: Path, number: int, reply: Reply) -> list[str]:
    lines = []
    for place, block in enumerate(reply.blocks):
        content = state / f"output-{number}-{place}"
        content.write_bytes(block.content)
        path = shlex.quote(str(content))
        write = f"by_line {path} {block.line_delay_s}" if block.line_delay_s else f"cat {path}"
        wait = f"sleep {block.delay_s}; " if block.delay_s else ""
        more = f"[ $i -lt {block.repeat} ]" + (f" && {UNMARKED}" if block.until_marked else "")
        lines.append(f"i=0; while {more}; do {wait}{write}; i=$((i + 1)); done")
    if reply.stderr:
        lines.append(f"printf '%s\\n' {shlex.quote(reply.stderr)} >&2")
    if reply.hang:
        lines.append('sleep 600 & echo $! >> "$state/grandchildren"; wait')
    return [f"    {line}" for line in [*lines, f"exit {reply.status}"]]
