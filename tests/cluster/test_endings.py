"""Jobs that end before they are done, in every way that a cluster knows: one launch is lost, nothing made twice."""

import pytest

from tests.cluster.conftest import AT_GATE, behave
from tests.cluster.mini_slurm import wait_for
from tests.launch.stand_in import COMPLETE

SECOND_AT_GATE = f"""
if plan["launch"] == 1:
    {AT_GATE.strip().replace(chr(10), chr(10) + "    ")}
"""
"""The first launch completes, the second one waits for the file `open`."""

FILLS_THE_DISK = """
if not (Path(os.environ["CROSSCAST_TEST_FOLDER"]) / "cleared").exists():
    with (folder / "log.txt").open("ab") as log:
        try:
            while True:
                log.write(bytes(2**20))
                log.flush()
        except OSError:
            pass
"""

ONE_OF_TWO = {("micro 0", 0): 1}
BOTH = {("micro 0", 0): 1, ("micro 0", 1): 1}


@pytest.fixture
def at_gate(lab, monkeypatch):
    """A lab with a job whose first launch is done and whose second one waits; the job."""
    behave(lab.folder, SECOND_AT_GATE + COMPLETE, monkeypatch)

    def start(**site) -> str:
        (job,) = lab.submit("--site", lab.write_site(**site), "--suite", lab.write_suite())
        lab.wait_for_worker(2)
        return job

    return start


def open_gate(lab) -> None:
    (lab.folder / "open").touch()


def test_the_end_of_the_wall_time_ends_the_launch_with_a_record(lab, monkeypatch):
    """Slurm looks every 30 s and signals as much too early, so that the launch has 15 s to begin."""
    behave(lab.folder, SECOND_AT_GATE + COMPLETE, monkeypatch)
    site, suite = lab.write_site(time_limit_min=1, end_before_s=15), lab.write_suite()
    (job,) = lab.submit("--site", site, "--suite", suite)
    lab.wait(job)
    (cut,) = [record for record in lab.records() if record.status != "completed"]
    assert (cut.status, cut.reason.partition(":")[0]) == ("interrupted", "ended by the scheduler (SIGTERM)")
    (state,) = lab.states()
    assert (state["stage"], state["reason"]) == ("stopped", cut.reason)
    assert lab.slurm.jobs()[job] != "TIMEOUT"


def test_a_requeued_job_goes_on(lab, at_gate):
    job = at_gate()
    lab.slurm.output("scontrol", "requeue", job)
    wait_for(lambda: any(record.status == "interrupted" for record in lab.records()))
    open_gate(lab)
    lab.wait(job, state="COMPLETED")
    assert lab.completed() == BOTH
    (cut,) = [record for record in lab.records() if record.status != "completed"]
    assert cut.reason.startswith("ended by the scheduler")
    (state,) = lab.states()
    assert (state["stage"], state["restarts"], len(state["records"])) == ("done", 1, 2)


def test_a_node_that_loses_its_power_costs_one_launch(lab, at_gate):
    job = at_gate()
    node = lab.slurm.node_of(job)
    lab.slurm.power_off(node)
    open_gate(lab)
    lab.wait(job, state="COMPLETED")
    assert lab.slurm.node_of(job) != node
    assert lab.completed() == BOTH
    assert len(lab.records()) == 2


def test_a_node_that_is_lost_and_works_on_makes_nothing_twice(lab, at_gate):
    """Its daemon is dead, so Slurm starts the job elsewhere, while the launch there is still going on."""
    job = at_gate()
    node = lab.slurm.node_of(job)
    lab.slurm.lose_daemon(node)
    wait_for(lambda: lab.states()[0]["restarts"] == 1)
    lab.wait_for_worker(3)
    open_gate(lab)
    lab.wait(job, state="COMPLETED")
    wait_for(lambda: not lab.slurm.on(node, "pgrep", "-f", "harness.worker|submitit.core"))
    assert lab.completed() == BOTH
    assert len(lab.records()) == 2


def test_a_full_disk_on_the_node_leaves_nothing_half_written(lab, monkeypatch):
    monkeypatch.setenv("CROSSCAST_TEST_FOLDER", str(lab.folder))
    monkeypatch.setenv("NODE_DISK", str(lab.slurm.disk))
    behave(lab.folder, FILLS_THE_DISK + COMPLETE, monkeypatch)
    site = lab.write_site(results={"place": "node", "scratch": "$NODE_DISK"})
    suite = lab.write_suite(launches=1)
    (job,) = lab.submit("--site", site, "--suite", suite)
    lab.wait(job, state="FAILED")
    (state,) = lab.states()
    assert state["stage"] in ("incomplete", "failed")
    assert "No space left on device" in state["reason"]
    assert not lab.completed()
    assert len(lab.records()) == len(list(lab.results.glob("micro/*/*/")))
    assert "crosscast-" not in "".join(lab.slurm.on(node, "ls", str(lab.slurm.disk)) for node in ("n1", "n2"))
    (lab.folder / "cleared").touch()
    (job,) = lab.submit("--site", site, "--suite", suite)
    lab.wait(job, state="COMPLETED")
    assert lab.completed() == ONE_OF_TWO
    (state,) = [state for state in lab.states() if state["stage"] == "done"]
    (record,) = (lab.results / name for name in state["records"])
    assert {path.name for path in record.parent.iterdir()} >= {"log.txt", "record.json", "steps.parquet"}
