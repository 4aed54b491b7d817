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

STATE, SESSION, FLAGS, ENVIRONMENT_START, ENVIRONMENT_END = 0, 3, 6, 47, 48
"""Places in /proc/PID/stat after the name of the program: fields 3, 6, 9, 50 and 51 of proc(5)."""

OF_THE_KERNEL = 0x00200000
"""The flag PF_KTHREAD of a thread of the kernel, which never has an environment."""

ATTEMPTS = 100
PAUSE_S = 0.01
IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU")


def members(mark: bytes, leader: int) -> list[int]:
    """Processes of a family that run; none where the system does not list its processes."""
    return [number for number, belongs in _looked_at(mark, leader) if belongs]


def _looked_at(mark: bytes, leader: int) -> list[tuple[int, bool | None]]:
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []
    return [(number, _belongs(number, mark, leader)) for number in numbers if number != os.getpid()]


def _belongs(number: int, mark: bytes, leader: int) -> bool | None:
    """Whether a process is of a family; None where it has an environment, or is about to get one, and shows none yet.

    Whoever started it is told of the start before its environment can be read.
    """
    try:
        with open(f"/proc/{number}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
        if fields[STATE] in b"ZX":
            return False
        if int(fields[SESSION]) == leader:
            return True
        with open(f"/proc/{number}/environ", "rb") as file:  # noqa: PTH123
            environment = file.read()
        is_of_the_kernel = int(fields[FLAGS]) & OF_THE_KERNEL
        has_one = int(fields[ENVIRONMENT_END]) == 0 or fields[ENVIRONMENT_START] != fields[ENVIRONMENT_END]
        if not environment and not is_of_the_kernel and has_one:
            return None
        return mark in environment
    except (OSError, ValueError, IndexError):
        return False


def kill_family(mark: str, leader: int) -> None:
    """Kill a family until nothing of it runs, for at most a second or so. Never raises.

    A leader must not have been waited for, so that its number still names it; -1 where the child leads no session.
    """
    if leader > 0:
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
    for _ in range(ATTEMPTS):
        looked_at = _looked_at(mark.encode(), leader)
        for number, belongs in looked_at:
            if belongs:
                with contextlib.suppress(OSError):
                    os.kill(number, signal.SIGKILL)
        if all(belongs is False for _, belongs in looked_at):
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
