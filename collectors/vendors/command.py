"""Programs of the vendors: found, asked once with a time limit, or followed line by line.

A program runs in a process group of its own inside the sampler's session: a time limit kills it with all that it
started. The kernel ends it with the sampler, and the launcher or its guard ends all that the sampler started.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.children import ends_with_parent

TIMEOUT_S = 5.0
KILL_WAIT_S = 1.0
STOP_CHECK_S = 0.1
MAX_OUTPUT_BYTES = 1 << 20
MAX_PENDING_LINES = 10_000
MOST_LINES = 10_000
"""Lines that are read of one answer: no tool has more to say, and each is searched for values."""

COLOURS = re.compile(r"\x1b(?:\[[0-9;:]*[mK]|\][^\x07\x1b\n]*(?:\x07|\x1b\\))")
"""Escape sequences that leave each letter where it is: colours, erased ends of lines, titles of windows."""

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Answer:
    """What a program wrote between `t0_ns` and `t1_ns` on the monotonic clock.

    `problem` says why the answer cannot be complete: not started, out of time, killed or a status other than 0. Tools
    print errors with status 0 too, so that no problem does not mean that `text` holds what was asked for.
    """

    t0_ns: int
    t1_ns: int
    text: str
    problem: str | None = None


@dataclass(frozen=True)
class Line:
    """A whole line of a program's output, read at `t_ns` on the monotonic clock, without its end."""

    t_ns: int
    text: str


def absence(program: str) -> str | None:
    """Why a program cannot be run: not on PATH, or there and not executable. None where it can."""
    if shutil.which(program):
        return None
    for folder in os.get_exec_path():
        path = Path(folder, program)
        if path.is_file():
            return f"{path} may not be executed by this user: chmod +x, or ask for the group that may"
    return f"{program} is not on PATH"


def ask(command: Sequence[str], timeout_s: float = TIMEOUT_S, stop: threading.Event | None = None) -> Answer:
    """What a program writes on stdout and stderr until it ends, for at most `timeout_s`. Never raises.

    Another thread may set `stop`: the program is then killed as if out of time.
    """
    t0_ns = time.monotonic_ns()
    try:
        process = _start(command)
    except (OSError, ValueError) as error:
        return Answer(t0_ns, time.monotonic_ns(), "", f"{command[0]} cannot be started: {_reason(error)}")
    output, ended = _read_all(process, t0_ns / 1e9 + timeout_s, stop)
    t1_ns = time.monotonic_ns()
    _end(process)
    problem = _problem(command[0], process.returncode) if ended else f"{command[0]} did not end within {timeout_s:g} s"
    return Answer(t0_ns, t1_ns, clean(output), problem)


class LineStream:
    """A program that goes on writing lines, read by a thread so that each line has the time at which it came."""

    def __init__(self, command: Sequence[str]) -> None:
        """Starts the program. Raises OSError where it cannot be started."""
        self._command = command
        self._process = _start(_unbuffered(command))
        self._lines: deque[Line] = deque(maxlen=MAX_PENDING_LINES)
        self._thread = threading.Thread(target=self._read, name=f"{command[0]} lines", daemon=True)
        self._thread.start()

    def lines(self) -> list[Line]:
        """The whole lines that came since the last call; a last one that the program left unfinished is not given."""
        taken = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._lines.popleft())
        return taken

    @property
    def ended(self) -> str | None:
        """How the program ended and that it did, None while it runs."""
        status = self._process.poll()
        if status is None or self._thread.is_alive():
            return None
        return _problem(self._command[0], status) or f"{self._command[0]} ended"

    def stop(self) -> None:
        """Ends the program and all that it started. May be called twice."""
        _end(self._process)
        self._thread.join(KILL_WAIT_S)

    def _read(self) -> None:
        output, rest = self._process.stdout, b""
        if output is None:
            return
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(output.fileno(), 65536):
                t_ns = time.monotonic_ns()
                *whole, rest = re.split(rb"\r?\n|\r", rest[-MAX_OUTPUT_BYTES:] + chunk)
                self._lines.extend(Line(t_ns, clean(line)) for line in whole)


def clean(output: bytes) -> str:
    """Output as text with "\\n" after each line, of which each is UTF-8 or GB2312; other bytes are replaced.

    Colours are left out. Escape sequences that move the cursor become a blank, so that nothing is joined that a
    terminal would show apart.
    """
    lines = (_decoded(line.rstrip(b"\r")).replace("\r", "\n") for line in output.split(b"\n"))
    text = "\n".join(lines).replace(BYTE_ORDER_MARK, "")
    return ESCAPES.sub(" ", COLOURS.sub("", text)) if "\x1b" in text else text


def lines_of(text: str) -> list[str]:
    """The first `MOST_LINES` lines of a text with their ends: of a last one without it the rest may have been cut."""
    return list(itertools.islice(io.StringIO(text, newline="\n"), MOST_LINES))


def whole_lines(text: str) -> list[str]:
    """The lines of `lines_of` that are whole, without their ends."""
    return [line[:-1] for line in lines_of(text) if line.endswith("\n")]


def _decoded(line: bytes) -> str:
    for encoding in ("utf-8", "gb2312"):
        with contextlib.suppress(UnicodeDecodeError):
            return line.decode(encoding)
    return line.decode("utf-8", errors="replace")


def excerpt(text: str, length: int = 200) -> str:
    """The lines of a text that say something, joined and cut, for a reason or a raw value."""
    told = "; ".join(" ".join(line.split()) for line in text.splitlines() if line.strip(" \t=+-|"))
    return told if len(told) <= length else told[: length - 3] + "..."


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"} | {"LC_ALL": "C"},
        preexec_fn=ends_with_parent(own_group=True),
    )


def _unbuffered(command: Sequence[str]) -> Sequence[str]:
    """The command so that its C library flushes each line; as it is where there is no stdbuf."""
    return ["stdbuf", "-oL", *command] if shutil.which("stdbuf") else command


def _read_all(process: subprocess.Popen[bytes], deadline_s: float, stop: threading.Event | None) -> tuple[bytes, bool]:
    """Everything the program wrote, and whether it ended before the deadline."""
    output = bytearray()
    pipe = process.stdout
    while pipe is not None and len(output) < MAX_OUTPUT_BYTES:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or (stop is not None and stop.is_set()):
            return bytes(output), False
        if not select.select([pipe], [], [], left_s if stop is None else min(left_s, STOP_CHECK_S))[0]:
            continue
        chunk = os.read(pipe.fileno(), 65536)
        if not chunk:
            break
        output += chunk
    try:
        process.wait(max(0.0, deadline_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return bytes(output), False
    return bytes(output), True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the program and all that it started; one that the kernel cannot kill is left behind."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_WAIT_S)


def _problem(program: str, status: int) -> str | None:
    if status == 0:
        return None
    return f"{program} was killed by signal {-status}" if status < 0 else f"{program} ended with status {status}"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
