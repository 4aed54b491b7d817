"""The end of a sampler and of every program that it started, whatever group they are in."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil


def kill_session(leader: int) -> None:
    """Kills all processes of the session that `leader` leads, the leader last. Never raises.

    `leader` must not have been waited for, so that its number still names it.
    """
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if pid != leader and os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(leader, signal.SIGKILL)
