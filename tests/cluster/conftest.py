"""A lab: a real Slurm of two nodes, a site file for it, suites of cells so small that a launch takes a second."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.commands import cli
from harness.results.record import load
from tests.cluster.mini_slurm import MiniSlurm, lacking, wait_for
from tests.launch.conftest import write_micro
from tests.launch.stand_in import COMPLETE, stand_in

AT_GATE = """
tell("at the gate")
wait_for("open")
"""
"""A worker that waits for the file `open` beside the results."""


@pytest.fixture(scope="session")
def slurm() -> Iterator[MiniSlurm]:
    """The cluster, for all tests of a process."""
    if missing := lacking():
        pytest.skip(f"a Slurm needs {', '.join(missing)}")
    cluster = MiniSlurm()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


class Lab:
    """A folder with a site, suites and results, and the commands that are given there."""

    def __init__(self, folder: Path, slurm: MiniSlurm) -> None:
        self.folder, self.slurm = folder, slurm
        self.results = folder / "results"
        self.site: dict = {
            "title": "two nodes of a test",
            "scheduler": "slurm",
            "chip": "cpu",
            "partition": "debug",
            "cpus": 4,
            "time_limit_min": 10,
            "python": sys.executable,
            "setup": ['export CROSSCAST_TURNS="$CROSSCAST_TURNS $SLURMD_NODENAME $SLURM_JOB_ID"'],
        }

    def write_site(self, **changes) -> Path:
        """The site file with changes of its fields."""
        path = self.folder / "lab.yaml"
        path.write_text(yaml.safe_dump({**self.site, **changes}))
        return path

    def write_suite(self, name: str = "micro", models: int = 1, **changes) -> Path:
        """A suite of that many models of one cell each, of which a stand-in does the work."""
        write_micro(self.folder, name)
        text = (self.folder / f"{name}-model.yaml").read_text()
        paths = [self.folder / f"{name} {number}.yaml" for number in range(models)]
        for path in paths:
            path.write_text(text)
        entries = [{"model": str(path), "preset": "micro"} for path in paths]
        return write_micro(self.folder, name, models=entries, idle_s=0, **{"launches": 2, **changes})

    def submit(self, *arguments: object) -> list[str]:
        """Submit to the folder of results; the jobs."""
        before = self.submitted()
        cli.cli.main(["submit", "--results", str(self.results), *map(str, arguments)], standalone_mode=False)
        new = [each for each in self.submitted() if each not in before]
        return [block["job"] for each in new for block in each["blocks"]]

    def submitted(self) -> list[dict]:
        """All that was submitted, oldest first."""
        return [json.loads(path.read_text()) for path in sorted(self.results.glob("submissions/*/submitted.json"))]

    def states(self) -> list[dict]:
        """What the blocks' jobs have written of themselves."""
        return [json.loads(path.read_text()) for path in sorted(self.results.glob("submissions/*/*/state.json"))]

    def logs(self) -> str:
        """What all jobs have printed."""
        return "\n".join(path.read_text() for path in sorted(self.results.glob("submissions/*/*.out")))

    def wait(self, *jobs: str, state: str | None = None) -> None:
        """Until all jobs have ended, or are in this state of Slurm."""
        ended = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"}
        wanted = ended if state is None else {state}
        try:
            wait_for(lambda: all(self.slurm.jobs()[job] in wanted for job in jobs))
        finally:
            print(self.slurm.jobs(), self.states(), self.logs(), sep="\n")

    def records(self) -> list:
        """Every record, in order of time."""
        return sorted(map(load, self.results.glob("*/*/*/record.json")), key=lambda record: record.started_at)

    def completed(self) -> Counter:
        """How often each launch of each cell has been completed."""
        return Counter(
            (record.scenario.model, record.launch) for record in self.records() if record.status == "completed"
        )

    def wait_for_worker(self, count: int = 1) -> None:
        """Until that many workers have begun."""
        wait_for(lambda: len(list(self.folder.glob("begun-*"))) >= count)


@pytest.fixture
def lab(tmp_path, slurm, monkeypatch) -> Iterator[Lab]:
    """A lab whose workers complete at once; the cluster is whole again and idle afterwards."""
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    behave(tmp_path, COMPLETE, monkeypatch)
    yield Lab(tmp_path, slurm)
    slurm.heal()


def behave(folder: Path, behaviour: str, monkeypatch) -> None:
    """Have the workers of jobs that are submitted from now on do so, after they have left a file `begun-PID`."""
    begun = '(folder.parents[3] / f"begun-{folder.name}").touch()\n'
    environment = stand_in(folder / "stand_in", begun + behaviour)
    for name in ("PYTHONPATH", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", "/tmp"))
