"""Child processes: started safely, ended whole, and gone when their parent is.

What each of them has:

- The kernel kills it when its parent ends (Linux; `PR_SET_PDEATHSIG`), and it does not begin where the parent has
  ended already. The kernel goes by the thread that started it, so that is always one that lives as long as the parent.
- A guard, one process for each parent, kills what the child itself started when the parent is gone (`guard.py`).
- Where it is a Python module, the current folder is never on its path, in any version of Python: the folder is that of
  the data, and a file in it must not be run for its name.

Imports nothing but Python's own library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from collectors import guard

MARKS = "CROSSCAST_FAMILY"
"""Variable that names the families a process belongs to, outermost first, with colons between them."""

KILL_WAIT_S = 20.0
"""What a killed child may take until it is gone: on a busy machine one with much memory takes seconds."""

POLL_S = 0.01
PR_SET_PDEATHSIG = 1
ROOT = str(Path(__file__).resolve().parents[1])
WITHOUT_CURRENT = "import sys; sys.path[:] = [entry for entry in sys.path if entry]; "
WITH_ROOT = f"{ROOT!a} in sys.path or sys.path.append({ROOT!a}); "
RUN = "import runpy; sys.argv[:] = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def python_module(module: str, *arguments: object, python: str | None = None) -> list[str]:
    """The command that does what `python -m MODULE ARGUMENTS` does, without the current folder on the path.

    Another Python than this one finds the module among its own packages alone.
    """
    boot = WITHOUT_CURRENT + (WITH_ROOT if python is None else "") + RUN
    return [python or sys.executable, "-c", boot, module, *map(str, arguments)]


def ends_with_parent(own_group: bool = False) -> Callable[[], None]:
    """What a new child calls before its program begins; make it in the parent."""
    parent = os.getpid()

    def bind() -> None:
        if own_group:
            os.setpgid(0, 0)
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


class Child(subprocess.Popen[bytes]):
    """A child with the family that it may found. Make it with `start`."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None, own_session: bool, options: dict[str, Any]
    ) -> None:
        environment = dict(os.environ if env is None else env)
        self.mark = uuid4().hex
        self.leader = -1
        environment[MARKS] = ":".join(filter(None, (environment.get(MARKS), self.mark)))
        if "PYTHONPATH" in environment:
            entries = filter(None, environment["PYTHONPATH"].split(os.pathsep))
            environment["PYTHONPATH"] = os.pathsep.join(entries)
        _guard.watch(self.mark, self.leader)
        try:
            super().__init__(
                command, env=environment, start_new_session=own_session, preexec_fn=ends_with_parent(), **options
            )
        except BaseException:
            _guard.forget(self.mark)
            raise
        if own_session:
            self.leader = self.pid
            _guard.watch(self.mark, self.leader)

    def end(self, grace_s: float = 0.0) -> bool:
        """End the child and all that it started: asked to for `grace_s`, then killed. May be called twice.

        False where the kernel does not let it go within `KILL_WAIT_S`: it is left behind then.
        """
        if grace_s > 0 and self.poll() is None:
            self._ask_to_end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(grace_s)
        guard.kill_family(self.mark, self.leader)
        if self.returncode is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
        try:
            self.wait(KILL_WAIT_S)
        except subprocess.TimeoutExpired:
            return False
        _guard.forget(self.mark)
        return True

    def has_ended(self) -> bool:
        """Whether it has ended. It is not reaped, so that its number stays its own until `end`."""
        if self.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def ends_when_asked(self, timeout_s: float) -> bool:
        """Ask the child alone to end, and say whether it did within `timeout_s`; `end` must follow."""
        if self.has_ended():
            return True
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGTERM)
        deadline_s = time.monotonic() + timeout_s
        while not self.has_ended():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(POLL_S)
        return True

    def let_go(self) -> None:
        """Leave alone what a child that has ended left running."""
        _guard.forget(self.mark)

    def _ask_to_end(self) -> None:
        with contextlib.suppress(OSError):
            if self.leader > 0:
                os.killpg(self.leader, signal.SIGTERM)
            else:
                os.kill(self.pid, signal.SIGTERM)
        for number in guard.members(self.mark.encode(), -1) if self.leader < 0 else ():
            with contextlib.suppress(OSError):
                if number != self.pid:
                    os.kill(number, signal.SIGTERM)


def start(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, own_session: bool = True, **options: Any
) -> Child:
    """Start a child; `options` are those of subprocess.Popen. Raises what Popen raises where it cannot be started.

    Without a session of its own it shares the terminal, as a command of the user's must.
    """
    if threading.current_thread() is threading.main_thread():
        return Child(command, env, own_session, options)
    return _starter().submit(Child, command, env, own_session, options).result()


def end_all() -> None:
    """Kill all children with all that they started; whoever waits for one of them finds it ended."""
    for mark, leader in _guard.families().items():
        guard.kill_family(mark, leader)


@lru_cache(maxsize=1)
def _starter() -> ThreadPoolExecutor:
    """The thread that starts what other threads ask for: it lives as long as this process."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")


def _wakes_without_parent() -> None:
    """In a new guard: have the kernel let it go on when its parent ends, should somebody have stopped it."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(signal.SIGCONT), 0, 0, 0)


class _Guard:
    """The guard of this process and what it was told; started with the first child, and again where it was killed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._families: dict[str, int] = {}
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, mark: str, leader: int) -> None:
        """A family lives, or has a leader now."""
        with self._lock:
            if self._owner != os.getpid():
                self._families, self._process, self._owner = {}, None, os.getpid()
            self._families[mark] = leader
            if self._process is None or self._process.poll() is not None or not self._tell(f"+ {mark} {leader}\n"):
                self._start()

    def forget(self, mark: str) -> None:
        """A family has ended."""
        with self._lock:
            if self._families.pop(mark, None) is not None:
                self._tell(f"- {mark}\n")

    def families(self) -> dict[str, int]:
        """Those that live, with their leaders."""
        with self._lock:
            return dict(self._families)

    def _start(self) -> None:
        command = [sys.executable, "-I", "-S", guard.__file__]
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
                preexec_fn=_wakes_without_parent,
            )
            if self._process.stdin is not None:
                os.set_blocking(self._process.stdin.fileno(), False)
            self._tell("".join(f"+ {mark} {leader}\n" for mark, leader in self._families.items()))

    def _tell(self, line: str) -> bool:
        if self._process is None or self._process.stdin is None:
            return False
        try:
            return self._process.stdin.write(line.encode("ascii")) == len(line)
        except OSError:
            return False


_guard = _Guard()
