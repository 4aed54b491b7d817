"""A power tool whose watts follow the load of this machine's CPU, installed as a third party would."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import started

CPU_METER = '''
import os
import threading
import time

from collectors.base import Probe, Reading, Sensor
from collectors.vendors.null import NullCollector

DELAY_S, WINDOW_S, UPDATE_S = 0.3, 0.8, 0.1
TICK_S = 0.02


def busy():
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


class CpuMeter(NullCollector):
    """20 W idle and 100 W more with every core busy: the mean over a window, late, renewed every update."""

    name = "cpu-meter"

    def probe(self):
        sensor = Sensor("cpu", "node", "average_window", name="made", update_period_s=UPDATE_S, tool_version="1")
        return Probe((sensor,))

    def start(self, period_s):
        self.history, self.value, self.renewed_s = [], None, 0.0
        self.ended = threading.Event()
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while not self.ended.wait(TICK_S):
            now_s = time.monotonic()
            self.history.append((now_s, *busy()))
            if now_s - self.renewed_s >= UPDATE_S:
                self.renewed_s = now_s
                inside = [h for h in self.history if now_s - DELAY_S - WINDOW_S <= h[0] <= now_s - DELAY_S]
                if len(inside) > 10 and inside[-1][2] > inside[0][2]:
                    share = (inside[-1][1] - inside[0][1]) / (inside[-1][2] - inside[0][2])
                    self.value = 20 + 100 * share
                self.history = [h for h in self.history if h[0] > now_s - 3]

    def sample(self):
        t0_ns = time.monotonic_ns()
        if self.value is None:
            return ()
        failed = os.environ.get("TEST_FAIL") and int(t0_ns / 1e9 * 2) % 4 == 0
        if failed:
            return (Reading(t0_ns, time.monotonic_ns(), "cpu", None, "error", "N/A"),)
        return (Reading(t0_ns, time.monotonic_ns(), "cpu", self.value),)

    def stop(self):
        self.ended.set()


class Deaf(CpuMeter):
    """Never sees a load."""

    name = "deaf"

    def watch(self):
        number = 0
        while not self.ended.wait(0.1):
            number += 1
            self.value = 50 + number * 7 % 5
'''

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to put on the path that holds the collectors cpu-meter and deaf."""
    folder = tmp_path_factory.mktemp("meters")
    (folder / "cpu_meter.py").write_text(CPU_METER)
    metadata = folder / "cpu_meter-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: cpu-meter\nVersion: 1.0\n")
    names = "cpu-meter = cpu_meter:CpuMeter\ndeaf = cpu_meter:Deaf\n"
    (metadata / "entry_points.txt").write_text(f"[crosscast.collectors]\n{names}")
    return folder


@pytest.fixture
def crosscast(meters: Path, tmp_path: Path) -> Run:
    """Run the command line in tmp_path with those collectors installed."""

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return started.run(tmp_path, arguments, {**os.environ, "PYTHONPATH": str(meters), **environment}, timeout=200)

    return run
