"""How busy the machine was with anything but a launch."""

import os
import time

import psutil


class ForeignLoadMeter:
    """Mean cores that anything but this process and its finished children kept busy since the meter was made."""

    def __init__(self) -> None:
        self._begun_s, self._begun_busy_s, self._begun_own_s = time.monotonic(), _busy_s(), _own_s()
        self.elapsed_s = 0.0

    def foreign_cores(self) -> float:
        """Read the meter; `elapsed_s` then holds the time it covers."""
        self.elapsed_s = time.monotonic() - self._begun_s
        foreign_s = (_busy_s() - self._begun_busy_s) - (_own_s() - self._begun_own_s)
        return max(0.0, foreign_s / self.elapsed_s)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
