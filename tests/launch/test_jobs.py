"""Jobs of blocks on their node: whose word counts, what is asked of which scheduler, mistakes in one line."""

import os
import signal
import subprocess

import pytest
import yaml

from harness import stopping
from harness.errors import UserError
from harness.launch.bench import Outcome
from harness.launch.schedulers import NoAnswer, running, scheduler_of, slurm
from harness.launch.schedulers.local import Local
from harness.launch.submission import job, ledger
from harness.launch.submission.blocks import Block, demand_of
from harness.launch.submission.claim import ClaimFile, LostClaim
from harness.launch.submission.state import BlockState
from harness.launch.submission.submit import submit
from harness.scenario.scenario import Selection
from harness.scenario.schema import SuiteConfig
from harness.scenario.sites import SiteConfig

LAB = {"title": "lab", "scheduler": "slurm", "time_limit_min": 10}
NONE = Outcome("micro", (), 0)


@pytest.fixture
def block(tmp_path, monkeypatch):
    """block(bench, ...): the folder of a block whose bench is this function, which is given the block's state file."""
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "ASCEND_RT_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(stopping.IN_A_JOB, "")

    def make(bench=lambda: NONE, **changes):
        folder = tmp_path / "submission/00"
        folder.mkdir(parents=True)
        fields = {
            "name": "micro",
            "key": "k",
            "suite": "micro.yaml",
            "chip": "chip/npu.yaml",
            "devices": 0,
            "results": str(tmp_path / "results"),
            "scheduler": "local",
            **changes,
        }
        (folder / "block.json").write_text(Block(**fields).model_dump_json())
        suite = {
            "models": [{"model": "fourcastnet", "preset": "tiny"}],
            "frameworks": [{"framework": "pytorch"}],
        }
        (folder / "micro.yaml").write_text(yaml.safe_dump(suite))
        monkeypatch.setattr(job, "bench", lambda selection, here, console, between: bench())
        return folder

    return make


def claim_of(tmp_path) -> ClaimFile:
    return ClaimFile(tmp_path / "results" / ledger.SUBMISSIONS / job.CLAIMS, "k")


def test_a_job_of_this_host_asks_no_scheduler_for_its_devices(block):
    folder = block(devices=2, visible_devices="ASCEND_RT_VISIBLE_DEVICES")
    job.run_block(folder)
    state = BlockState.read(folder)
    assert state.reason is None
    assert set(state.read_files) == {"scenarios/models/fourcastnet.yaml", "scenarios/data/rossby.yaml"}
    assert "ASCEND_RT_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize("end", [LostClaim("lost"), UserError("no disk"), stopping.Stopped(signal.SIGTERM)])
def test_a_start_that_has_lost_the_claim_leaves_the_state_of_the_one_that_has_it(block, tmp_path, end):
    """The scheduler has started the job again elsewhere, and the first start ends later, in whatever way."""

    def started_again():
        claim_of(tmp_path).take(job.this_job(), "n2", lambda other: True, print)
        BlockState(stage="running", job=job.this_job(), node="n2", started_at="later").write(folder)
        raise end

    folder = block(started_again)
    assert job.run_block(folder) in (2, 128 + signal.SIGTERM)
    state = BlockState.read(folder)
    assert (state.stage, state.node, state.started_at) == ("running", "n2", "later")


def test_a_block_that_another_submission_makes_says_so_in_its_own_folder(block, tmp_path):
    claim_of(tmp_path).take(job.this_job() + "0", "n2", lambda other: False, print)
    with subprocess.Popen(["sleep", "600"]) as other:
        holder = f"{job.this_machine()}-{other.pid}-{job.started(other.pid)}"
        claim_of(tmp_path).take(holder, "n2", lambda other: False, print)
        folder = block(lambda: pytest.fail("it was made twice"))
        status = job.run_block(folder)
        other.kill()
    assert status == 2
    state = BlockState.read(folder)
    assert (state.stage, state.reason) == ("failed", f"job {holder} on n2 makes the launches of this block")


@pytest.fixture
def _signals_as_before():
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals_as_before")
def test_what_a_job_cannot_read_or_write_is_one_line(block, tmp_path, capsys):
    assert running.run("harness.launch.submission.job:run_block", str(tmp_path / "nowhere")) == 2
    assert running.run("harness.nightly.rounds:run_night", str(tmp_path / "nowhere")) == 2
    assert running.run("harness.nightly.night:called_back", str(tmp_path / "nowhere/job")) == 2
    folder = block(lambda: pytest.fail("it must not begin"))
    (tmp_path / "results/submissions").mkdir(parents=True)
    (tmp_path / "results/submissions/claims").touch()
    assert running.run("harness.launch.submission.job:run_block", str(folder)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("crosscast: ") for line in lines)
    assert "claims: cannot be written: File exists" in lines[3]
    assert BlockState.read(folder).stage == "failed"


def test_a_chip_that_is_asked_for_is_asked_of_slurm_by_its_own_resource(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    names = []
    monkeypatch.setattr(
        slurm.Slurm,
        "submit",
        lambda self, tasks, folder, name, devices, nodes: (
            names.append(slurm.gres_of(self._site, devices)) or ["1"] * len(tasks)
        ),
    )
    site = SiteConfig(**LAB, chip="ascend910b", gres={"ascend910b": "npu:ascend910b", "a100": "gpu:a100"})
    submit(Selection("a100", "timing", repeats=1), site, "lab", tmp_path / "one", print)
    submit(Selection("ascend910b", "timing", repeats=1), site, "lab", tmp_path / "two", print)
    submit(Selection("cpu", "smoke", repeats=1), site, "lab", tmp_path / "three", print)
    assert names == ["gpu:a100:1", "npu:ascend910b:1", None]
    with pytest.raises(UserError, match=r"gres of the site 'lab' has no entry for chip 'h100': .* a100, ascend910b$"):
        submit(Selection("h100", "timing", repeats=1), site, "lab", tmp_path / "four", print)
    assert not list((tmp_path / "four").glob("*/*/"))
    whole_nodes = SiteConfig(**LAB, chip="ascend910b")
    submit(Selection("ascend910b", "timing", repeats=1), whole_nodes, "lab", tmp_path / "five", print)
    assert names[3:] == [None]


def test_a_submission_that_is_stopped_as_slurm_answers_leaves_no_job(tmp_path, monkeypatch):
    cancelled = []

    def hand_in(self, tasks, folder, name, devices, nodes):
        os.kill(os.getpid(), signal.SIGTERM)
        return ["7"] * len(tasks)

    monkeypatch.setattr(slurm.Slurm, "submit", hand_in)
    monkeypatch.setattr(slurm.Slurm, "cancel", lambda self, jobs: cancelled.extend(jobs))
    with pytest.raises(stopping.Stopped), stopping.catching():
        submit(Selection("cpu", "smoke", repeats=1), SiteConfig(**LAB), "lab", tmp_path, print)
    assert set(cancelled) == {"7"}
    assert not list(tmp_path.glob("submissions/*/"))


def test_a_job_of_another_user_is_not_cancelled_and_ones_own_is(monkeypatch):
    local = Local(SiteConfig(title="t", scheduler="local"))
    with subprocess.Popen(["sleep", "600"]) as own, subprocess.Popen(["sleep", "600"]) as other:
        jobs = [f"{job.this_machine()}-{each.pid}-{job.started(each.pid)}" for each in (other, own)]
        kill = os.kill

        def refuse(pid, number):
            if pid == other.pid and number:
                raise PermissionError(1, "Operation not permitted")
            kill(pid, number)

        monkeypatch.setattr(os, "kill", refuse)
        try:
            with pytest.raises(UserError, match=f"job {jobs[0]}: of another user"):
                local.cancel(jobs)
            assert own.wait(60) == -signal.SIGTERM
            assert other.poll() is None
        finally:
            monkeypatch.undo()
            own.kill()
            other.kill()


def test_a_user_without_a_name_is_told_what_slurm_says(tmp_path, monkeypatch):
    (tmp_path / "squeue").write_text("#!/bin/sh\necho 'slurm_load_jobs error: no controller' >&2\nexit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    with pytest.raises(NoAnswer, match="squeue, asked by unknown: slurm_load_jobs error: no controller"):
        scheduler_of(SiteConfig(**LAB)).states(["1"])


def test_a_program_of_slurm_that_cannot_be_started_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "squeue").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="squeue cannot be started: Permission denied"):
        scheduler_of(SiteConfig(**LAB)).states(["1"])
    (tmp_path / "squeue").unlink()
    with pytest.raises(UserError, match="no squeue here"):
        scheduler_of(SiteConfig(**LAB)).states(["1"])


@pytest.mark.parametrize(("written", "devices"), [("2", 2), ("'2'", 2), ("2.0", 2), ("[1, '8', 4]", 8), ("x", 1)])
def test_devices_count_as_the_suite_reads_them(tmp_path, written, devices):
    content = yaml.safe_load(f"{{models: [], devices: {written}}}")
    site = SiteConfig(title="t", scheduler="local", devices_per_node=8)
    assert demand_of(content, "it", site, Selection(), accelerator=True) == (1, devices)
    assert demand_of(content, "it", site, Selection(), accelerator=False) == (1, 0)
    if devices > 1:
        fields = {"models": [{"model": "fourcastnet", "preset": "tiny"}], "frameworks": [{"framework": "pytorch"}]}
        numbers = content["devices"] if isinstance(content["devices"], list) else [content["devices"]]
        assert max(SuiteConfig.model_validate({**fields, "devices": numbers}).devices) == devices
    small = SiteConfig(title="t", scheduler="local", devices_per_node=1)
    if devices > 1:
        with pytest.raises(UserError, match=f"it takes {devices} devices, and a node of this site has 1"):
            demand_of(content, "it", small, Selection(), accelerator=True)
