"""Ends families of processes, and does so for a parent that can no longer do it: `python -I -S guard.py`.

A family is a child with all that it started. Its members carry a mark in their environment, whatever session or group
they are in, and most of them are in the session that the child leads. The guard reads lines on its standard input, of
which its parent holds the only other end: `+ MARK LEADER` for a family that lives (-1 for no session), `- MARK` for
one that has ended. When the input ends, the parent is gone, and the guard kills the families that are left.

Imports nothing but what Python has built in or beside it, so that it starts in milliseconds on any Python.
"""

import contextlib
import os
import signal
import sys
import time

ATTEMPTS = 100
PAUSE_S = 0.01
IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU")


def members(mark: bytes, leader: int) -> list[int]:
    """Processes of a family that run; none where the system does not list its processes."""
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []
    return [number for number in numbers if number != os.getpid() and _belongs(number, mark, leader)]


def _belongs(number: int, mark: bytes, leader: int) -> bool:
    try:
        with open(f"/proc/{number}/stat", "rb") as file:  # noqa: PTH123
            state, _, _, session = file.read().rpartition(b")")[2].split()[:4]
        if state in b"ZX":
            return False
        if int(session) == leader:
            return True
        with open(f"/proc/{number}/environ", "rb") as file:  # noqa: PTH123
            return mark in file.read()
    except (OSError, ValueError):
        return False


def kill_family(mark: str, leader: int) -> None:
    """Kill a family until nothing of it runs, for at most a second or so. Never raises.

    A leader must not have been waited for, so that its number still names it; -1 where the child leads no session.
    """
    if leader > 0:
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
    for _ in range(ATTEMPTS):
        left = members(mark.encode(), leader)
        for number in left:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        if not left:
            return
        time.sleep(PAUSE_S)


def main() -> None:
    """Watch over the families that the parent names until it is gone."""
    for name in IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.chdir("/")
    families: dict[str, int] = {}
    for line in sys.stdin.buffer:
        sign, mark, *leader = line.decode("ascii").split()
        if sign == "+":
            families[mark] = int(leader[0])
        else:
            families.pop(mark, None)
    for mark, number in families.items():
        kill_family(mark, number)


if __name__ == "__main__":
    main()
