"""One launch over both nodes of a real Slurm: the network that one node trains, and how it ends when a node fails."""

import stat

import pytest

from harness.launch.worker_process import THREADS
from harness.results import steps
from tests.cluster.conftest import Lab
from tests.cluster.mini_slurm import wait_for
from tests.launch.conftest import write_micro
from tests.launch.test_ranks import IN_A_STEP, IN_RANKS, PRESET

pytestmark = pytest.mark.slow

WITHOUT_SKILL = PRESET | {"inference": {"min_steps": 2, "max_steps": 3, "skill": "none"}}
IPMITOOL = """#!/bin/sh
case $(hostname) in n1) watts=250 ;; *) watts=150 ;; esac
echo "    Instantaneous power reading:                   $watts Watts"
echo "    Power reading state is:                   activated"
"""
FAILS_ELSEWHERE = """
import json
import signal

launch = json.loads((Path(sys.orig_argv[-1]) / "launch.json").read_text())["launch"]

def after(step):
    if (rank, step, launch) == (1, 2, 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if (rank, step, launch) == (1, 2, 1):
        (here / "waits").touch()
        time.sleep(600)
"""
"""Of the rank on the second node: in the first launch it is killed, in the second one it works until its node fails."""


@pytest.fixture
def of_ranks(lab, monkeypatch):
    """of_ranks(behaviour): a lab whose ranks do so, with a controller of power on each node."""

    def prepare(behaviour: str = "") -> Lab:
        tool = lab.folder / "bin" / "ipmitool"
        tool.parent.mkdir()
        tool.write_text(IPMITOOL)
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PYTHONPATH", str(lab.folder))
        (lab.folder / "sitecustomize.py").write_text(IN_RANKS)
        (lab.folder / "behaviour.py").write_text(behaviour)
        lab.site |= {"variables": dict.fromkeys(THREADS, "1"), "cpus": 2}
        lab.site["setup"] = [*lab.site["setup"], f'export PATH="{tool.parent}:$PATH"']
        return lab

    return prepare


def losses_of(lab: Lab) -> dict[tuple[str, int], list[float]]:
    """The loss of every step of a completed launch, by its framework and number of nodes."""
    found = {}
    for path in lab.results.glob("*/*/*/record.json"):
        record = next(each for each in lab.records() if each.attempt == path.parent.name[-8:])
        assert (record.status, record.reason) == ("completed", None)
        table = steps.load(path.parent, record.steps)
        of_first = table[(table.part == "training") & (table["rank"] == 0)].sort_values("step")
        found[record.scenario.framework, record.scenario.execution.world.nodes] = list(of_first.loss)
    return found


def test_two_nodes_train_the_network_that_one_node_trains(of_ranks):
    """A rank on each of two nodes: the losses of both on one, to the last bit, and those of MindSpore; all joules."""
    lab = of_ranks()
    alike = {"preset": WITHOUT_SKILL, "bounds": {"max_steps_per_epoch": 4}, "idle_s": 0}
    suites = (
        write_micro(
            lab.folder,
            "both",
            execution={"world": {"devices": 2}},
            axes={"world.nodes": [1, 2]},
            design="full",
            **alike,
        ),
        write_micro(
            lab.folder,
            "far",
            frameworks=[{"framework": "mindspore"}],
            execution={"world": {"devices": 2, "nodes": 2}},
            **alike,
        ),
    )
    site = lab.write_site()
    lab.wait(*(job for suite in suites for job in lab.submit("--site", site, "--suite", suite)))
    losses = losses_of(lab)
    assert set(losses) == {("pytorch", 1), ("pytorch", 2), ("mindspore", 2)}
    assert len(losses["pytorch", 2]) == 4
    assert losses["pytorch", 2] == losses["pytorch", 1]
    assert losses["mindspore", 2] == pytest.approx(losses["pytorch", 1], rel=1e-6)
    for record in lab.records():
        nodes = record.scenario.execution.world.nodes
        assert [node.node for node in record.nodes] == ([0, 1] if nodes == 2 else [])
        assert all(node.differences == () for node in record.nodes)
        (scope,) = [each for each in record.energy.hosts if each.scope == "node"]
        window = next(each.window for each in scope.phases if each.phase == "training")
        assert window.mean_power_w == pytest.approx(400 if nodes == 2 else 250)


def test_a_failure_on_the_other_node_ends_the_launch_and_is_named(of_ranks):
    lab = of_ranks(FAILS_ELSEWHERE + IN_A_STEP)
    suite = write_micro(lab.folder, preset=WITHOUT_SKILL, bounds={"max_steps_per_epoch": 4}, idle_s=0, launches=2)
    (job,) = lab.submit("--site", lab.write_site(), "--suite", suite, "--devices", "2", "--nodes", "2")
    wait_for((lab.folder / "waits").exists)
    (killed,) = lab.records()
    assert (killed.status, killed.reason) == ("crashed", "node n2: rank 1: killed by SIGKILL")
    assert [node.environment is not None for node in killed.nodes] == [True, True]
    lab.slurm.power_off("n2")
    wait_for(lambda: len(lab.records()) == 2)
    lost = lab.records()[-1]
    assert lost.status in ("crashed", "interrupted")
    assert "node n2" in lost.reason
    assert job in lab.slurm.jobs()
