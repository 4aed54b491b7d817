"""Collectors made for the tests, installed as a third party would: by an entry point of a distribution."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_tools import fake_tool as fake_tool

LIVE = '''
import os
from collections.abc import Callable
from pathlib import Path
from collectors.vendors.host.rapl import RaplCollector


class LiveCollector(RaplCollector):
    """RAPL on the tree named by the environment."""

    name = "live"

    def __init__(self):
        super().__init__(Path(os.environ["TEST_POWERCAP"]))
'''

FAULTY = """
import os
import subprocess
import time
from pathlib import Path
from collectors.base import Probe, Reading, Sensor
from collectors.vendors.null import NullCollector


class Base(NullCollector):
    def __init__(self):
        super().__init__()

    def probe(self):
        return Probe((Sensor("gpu", "card", "instant", update_period_s=0.02),))


class Hanging(Base):
    name = "hanging"

    def sample(self):
        child = subprocess.Popen(["sleep", "600"], preexec_fn=os.setpgrp)
        Path(os.environ["TEST_CHILD_PID"]).write_text(str(child.pid))
        time.sleep(600)


class Raising(Base):
    name = "raising"

    def sample(self):
        raise RuntimeError("device fell off the bus")


class Checked(Base):  # its second opinion answers after half a second, as a program does
    name = "checked"

    def probe(self):
        gpu = Sensor("gpu", "card", "instant", update_period_s=0.02)
        return Probe((gpu, Sensor("cli", "card", "instant", update_period_s=0.5, checks="gpu")))

    def start(self, period_s):
        self.asked_ns = time.monotonic_ns()

    def sample(self):
        now_ns = time.monotonic_ns()
        readings = [Reading(now_ns, now_ns, "gpu", 50.0)]
        if now_ns > self.asked_ns + 500_000_000:
            readings.append(Reading(self.asked_ns, now_ns, "cli", 50.0))
            self.asked_ns = now_ns
        return readings


class Unstartable(Base):
    name = "registered by another name"

    def start(self, period_s):
        raise OSError("device is taken")


class RaisingProbe(Base):
    name = "raising-probe"

    def probe(self):
        raise KeyError("chip")
"""

ENTRY_POINTS = """
[crosscast.collectors]
live = live_collector:LiveCollector
hanging = faulty_collectors:Hanging
raising = faulty_collectors:Raising
checked = faulty_collectors:Checked
unstartable = faulty_collectors:Unstartable
raising-probe = faulty_collectors:RaisingProbe
unloadable = module_that_is_not_there:Collector
"""


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to put on the path that holds a distribution with collectors of its own."""
    folder = tmp_path_factory.mktemp("third_party")
    (folder / "live_collector.py").write_text(LIVE)
    (folder / "faulty_collectors.py").write_text(FAULTY)
    metadata = folder / "lab_collectors-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-collectors\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def third_party_env(third_party: Path, tmp_path: Path) -> dict[str, str]:
    """An environment in which those collectors are installed."""
    return {
        **os.environ,
        "PYTHONPATH": str(third_party),
        "TEST_POWERCAP": str(tmp_path / "powercap"),
        "TEST_CHILD_PID": str(tmp_path / "child.pid"),
    }


FAULT_TABLE = pytest.StashKey[dict]()
VERDICTS = ("valid", "invalid", "none")


@pytest.fixture
def note_fault(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """note_fault(tool, fault, verdict): a row of the table of faults in the summary."""
    table = request.config.stash.setdefault(FAULT_TABLE, {})

    def note(tool: str, fault: str, verdict: str) -> None:
        table[tool, fault] = verdict

    return note


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash.get(FAULT_TABLE, {})
    if not table:
        return
    terminalreporter.section("energy under faults of the tools")
    for (tool, fault), verdict in table.items():
        told = verdict if len(verdict) <= 103 else verdict[:100] + "..."
        terminalreporter.write_line(f"{tool:<17} {fault:<38} {told}")
    for tool in dict.fromkeys(tool for tool, _ in table):
        kinds = [verdict.split(":")[0] for (row_tool, _), verdict in table.items() if row_tool == tool]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in VERDICTS)
        terminalreporter.write_line(f"{tool:<17} {len(kinds)} cases: {counts}")
