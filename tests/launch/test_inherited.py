"""What jobs of Slurm inherit, and what its lists leave out: the site's file decides, not the shell of whoever calls."""

import json
import os
import subprocess
import sys

import pytest

from harness.errors import UserError
from harness.launch.schedulers import Task, scheduler_of
from harness.scenario.sites import SiteConfig
from tests.launch.processes import wait_until

SBATCH = """#!{python}
import json, os, sys
json.dump(dict(os.environ), open("{folder}/environment.json", "w"))
print("Submitted batch job 7")
"""
SQUEUE = """#!/bin/sh
echo "CLUSTER: here"
if test -n "$SQUEUE_USERS$SQUEUE_PARTITION"; then exit 0; fi
echo "7|RUNNING|None|n1"
"""
SHELL = {
    "SBATCH_ACCOUNT": "of the shell",
    "SBATCH_PARTITION": "of the shell",
    "SBATCH_TIMELIMIT": "3",
    "SBATCH_SIGNAL": "USR2@10",
    "SBATCH_NO_REQUEUE": "1",
    "SBATCH_WAIT": "1",
    "SBATCH_MEM_PER_CPU": "100",
    "ASCEND_RT_VISIBLE_DEVICES": "6,7",
    "CUDA_VISIBLE_DEVICES": "1",
    "CROSSCAST_FAMILY": "0" * 32,
    "CROSSCAST_TURNS": "of a test",
}
JOB = {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": "3", "SLURM_MEM_PER_CPU": "100"}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Stand-ins for Slurm's programs: sbatch keeps the environment that it hands on to the job."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    sbatch = SBATCH.format(python=sys.executable, folder=tmp_path)
    for name, text in (("sbatch", sbatch), ("srun", "#!/bin/sh\n"), ("squeue", SQUEUE)):
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    for name in JOB:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def handed_on(folder, after: bool = False, **fields) -> dict[str, str]:
    """The environment that a job of a site gets from whoever submits it."""
    site = SiteConfig(title="lab", scheduler="slurm", time_limit_min=10, chip="ascend910b", **fields)
    (folder / "job").mkdir(exist_ok=True)
    scheduler, task = scheduler_of(site), Task("a:b", folder / "job")
    if after:
        assert scheduler.submit_after(["6"], task, folder / "job", "x") == "7"
    else:
        assert scheduler.submit([task], folder / "job", "x", 0) == ["7"]
    return json.loads((folder / "environment.json").read_text())


@pytest.mark.parametrize("after", [False, True])
def test_a_job_asks_for_what_its_site_says_and_has_the_devices_that_slurm_gives_it(programs, after, monkeypatch):
    kept = {name for name in handed_on(programs, after, partition="npu") if name in SHELL}
    assert kept == {"SBATCH_ACCOUNT", "SBATCH_MEM_PER_CPU", "CUDA_VISIBLE_DEVICES", "CROSSCAST_TURNS"}
    every = handed_on(programs, after, partition="npu", account="weather", memory_gib=8, sbatch={"exclusive": True})
    assert {name for name in every if name in SHELL} == {"CUDA_VISIBLE_DEVICES", "CROSSCAST_TURNS"}
    assert every["SLURM_CONF"] == "/etc/slurm.conf"


def test_a_job_that_judges_takes_no_more_time_than_the_site_and_is_not_ended_as_it_begins(programs):
    for number, (limit_min, before_s, time, signal) in enumerate(
        ((10, 120, 10, 120), (10, 599, 10, 300), (240, 120, 60, 120), (240, 7200, 60, 1800))
    ):
        (folder := programs / str(number)).mkdir()
        site = SiteConfig(title="lab", scheduler="slurm", time_limit_min=limit_min, end_before_s=before_s)
        scheduler_of(site).submit_after(["6"], Task("a:b", folder), folder, "x")
        (script,) = folder.glob("*_submission.sh")
        lines = script.read_text().splitlines()
        assert f"#SBATCH --time={time}" in lines
        assert f"#SBATCH --signal=B:TERM@{signal}" in lines


def test_a_job_runs_the_harness_that_submits_it_and_none_of_the_folder_in_which_that_is_done(programs, monkeypatch):
    """A runner of CI stands in a checkout of the commit that is judged: that must not be who measures and judges."""
    there = programs / "workspace/harness"
    there.mkdir(parents=True)
    (there / "__init__.py").write_text("raise SystemExit('the harness of the workspace')")
    monkeypatch.chdir(there.parent)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    site = SiteConfig(title="lab", scheduler="slurm", time_limit_min=10, python=sys.executable)
    scheduler_of(site).submit([Task("os.path:isfile", programs)], programs, "x", 0)
    (script,) = programs.glob("*_submission.sh")
    done = subprocess.run(
        ["bash", str(script)], env={**os.environ, "SLURM_JOB_ID": "7"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Exiting after successful completion" in done.stdout + done.stderr
    here = SiteConfig(title="here", scheduler="local")
    (job,) = scheduler_of(here).submit([Task("os.path:isfile", programs)], programs, "x", 0)
    wait_until(lambda: not scheduler_of(here).states([job])[job].is_active)
    assert (programs / "log.txt").read_text() == ""


def test_a_place_that_slurm_would_not_keep_is_refused(programs, monkeypatch):
    scheduler = scheduler_of(SiteConfig(title="lab", scheduler="slurm", time_limit_min=10))
    scheduler.refuse_unusable(programs / "#1 it's")
    for name in ("50 %", "a\\b"):
        with pytest.raises(UserError, match="Slurm replaces % and"):
            scheduler.refuse_unusable(programs / name)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(UserError, match="no sbatch here"):
        scheduler.refuse_unusable(programs)


def test_a_job_that_another_job_submits_is_none_of_its_array(programs, monkeypatch):
    assert "SLURM_MEM_PER_CPU" not in handed_on(programs)
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "of the shell")
    assert "SLURM_MEM_PER_CPU" in handed_on(programs)
    for name, value in JOB.items():
        monkeypatch.setenv(name, value)
    every = handed_on(programs)
    assert not JOB.keys() & every.keys()
    assert every["SLURM_CONF"] == "/etc/slurm.conf"


def test_only_a_job_that_can_run_no_more_has_ended(programs):
    """The words of squeue in its manual, and one of a version to come."""
    phases = {
        "running": "RUNNING COMPLETING SIGNALING STAGE_OUT STOPPED RESIZING",
        "ended": "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT",
        "waiting": "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT SUSPENDED "
        "POWER_UP_NODE OF_A_VERSION_TO_COME",
    }
    wanted = {word: phase for phase, words in phases.items() for word in words.split()}
    lines = "".join(f"echo '{word}|{word}|None|n1'\n" for word in wanted)
    (programs / "bin/squeue").write_text(f"#!/bin/sh\n{lines}")
    found = scheduler_of(SiteConfig(title="lab", scheduler="slurm", time_limit_min=10)).states(list(wanted))
    assert {job: state.phase for job, state in found.items()} == wanted


def test_a_job_is_seen_whatever_the_shell_has_squeue_leave_out(programs, monkeypatch):
    monkeypatch.setenv("SQUEUE_USERS", "somebody")
    monkeypatch.setenv("SQUEUE_PARTITION", "gpu")
    state = scheduler_of(SiteConfig(title="lab", scheduler="slurm", time_limit_min=10)).states(["7"])["7"]
    assert (state.phase, state.node) == ("running", "n1")
