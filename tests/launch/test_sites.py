"""Sites, blocks and claims, without a scheduler: what a file may say, what a job is told, who makes a block."""

import sys
from pathlib import Path

import pytest
import yaml

from harness.commands.submit import submit
from harness.errors import UserError
from harness.launch.schedulers import Task, scheduler_of
from harness.launch.schedulers.base import command, preparation
from harness.launch.schedulers.slurm import gres_of
from harness.launch.submission.blocks import blocks_of
from harness.launch.submission.carrying import node_folder
from harness.launch.submission.claim import ClaimFile, LostClaim
from harness.launch.submission.devices import allocated, select_devices
from harness.scenario import catalogue
from harness.scenario.scenario import Selection
from harness.scenario.sites import SiteConfig
from tests.launch.conftest import records
from tests.launch.processes import wait_until
from tests.launch.stand_in import COMPLETE, stand_in

SLURM = {"title": "t", "scheduler": "slurm", "time_limit_min": 10}


@pytest.mark.parametrize("name", catalogue.names("sites"))
def test_the_examples_name_chips_and_suites_that_exist(name):
    site = catalogue.site(name)
    catalogue.chip(site.chip)
    catalogue.suite(site.night.suite)
    assert set(site.gres) <= {site.chip}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"scheduler": "pbs"}, "scheduler: 'pbs' is not one of them; choose from: local, slurm"),
        ({"time_limit_min": None}, "time_limit_min: a job of Slurm needs a wall time"),
        ({"end_before_s": 600}, "end_before_s must be shorter"),
        ({"sbatch": {"output": "x"}}, "output is set by the submission itself"),
        ({"sbatch": {"partition": "x"}}, "partition has a field of its own"),
        ({"results": {"place": "node"}}, "scratch belongs to place: node"),
        ({"results": {"scratch": "/x"}}, "scratch belongs to place: node"),
        ({"variables": {"A-B": "x"}}, "variables"),
        ({"partition": "a b"}, "partition"),
        ({"setup": ["module load x\nrm -rf /"]}, "setup"),
        ({"python": "python3"}, "python"),
        ({"partiton": "x"}, "unknown field; did you mean 'partition'?"),
        ({"scheduler": "local", "partition": "x"}, "partition is of Slurm"),
    ],
)
def test_a_site_that_cannot_be_is_one_line_with_its_place(tmp_path, changes, complaint):
    path = tmp_path / "lab.yaml"
    content = {name: value for name, value in {**SLURM, **changes}.items() if value is not None}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as raised:
        catalogue.site(str(path))
    assert str(raised.value).startswith(f"{path}:")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_job_replaces_its_shell_in_the_container_after_the_sites_lines():
    site = SiteConfig(
        **SLURM,
        setup=("module load cann",),
        variables={"A": "it's $HOME"},
        container=("apptainer", "exec", "my image.sif"),
        python="/opt/py thon",
    )
    assert preparation(site) == ["export A='it'\"'\"'s $HOME'", "module load cann"]
    assert command(site, "-m", "x") == "exec apptainer exec 'my image.sif' '/opt/py thon' -m x"


@pytest.mark.parametrize(
    ("told", "devices"),
    [
        ("JobId=1   Nodes=n1 CPU_IDs=0 Mem=0 GRES=npu:ascend910b:3(IDX:0-1,5) MinCPUsNode=1", [0, 1, 5]),
        ("JobId=1   Nodes=n1 CPU_IDs=0 Mem=0 GRES=npu:ascend910b:1(IDX:7) MinCPUsNode=1", [7]),
        ("JobId=1   Nodes=n1 CPU_IDs=0 Mem=0 GRES= MinCPUsNode=1", []),
        ("JobId=1   Nodes=n1 GRES=npu:a(CNT:3) OverSubscribe=OK", []),
        ("JobId=1   Nodes=n1 GRES=npu:a(CNT:3) OverSubscribe=NO", [0, 1, 2]),
        ("", []),
    ],
)
def test_devices_in_what_slurm_says(told, devices):
    assert allocated(told) == devices


def test_devices_that_slurm_has_set_stay_and_none_are_asked_for_on_a_cpu():
    environment = {"CUDA_VISIBLE_DEVICES": "GPU-1"}
    select_devices("slurm", "CUDA_VISIBLE_DEVICES", 1, environment)
    select_devices("slurm", "ASCEND_RT_VISIBLE_DEVICES", 0, environment)
    select_devices("local", "ASCEND_RT_VISIBLE_DEVICES", 1, environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "GPU-1"}
    with pytest.raises(UserError, match="does not say which devices"):
        select_devices("slurm", "ASCEND_RT_VISIBLE_DEVICES", 1, environment)
    with pytest.raises(UserError, match="several kinds"):
        allocated("  Nodes=n1 GRES=npu:a(IDX:0),gpu:b(IDX:0)")


def test_a_block_is_what_is_compared_and_freezes_what_was_submitted(tmp_path):
    site = SiteConfig(**SLURM, pythons={"mindspore": "/opt/ms/bin/python"}, devices_per_node=2)
    found = blocks_of(Selection("cpu", "smoke"), site, tmp_path)
    assert [new.block.name for new in found] == ["fourcastnet", "graphcast", "aigoms"]
    assert len({new.block.key for new in found}) == 3
    again = blocks_of(Selection("cpu", "smoke"), site, tmp_path / "elsewhere")
    assert [new.block.key for new in again] == [new.block.key for new in found]
    assert blocks_of(Selection("cpu", "smoke", repeats=9), site, tmp_path)[0].block.key != found[0].block.key
    found[1].write(tmp_path / "01")
    selection = found[1].block.selection(tmp_path / "01")
    assert [entry.model for entry in catalogue.suite(selection.suite).models] == ["graphcast"]
    assert Path(selection.suite).stem == "smoke"
    chip = catalogue.chip(selection.chip)
    assert Path(selection.chip).stem == "cpu"
    assert {name: entry.python for name, entry in chip.frameworks.items()} == {
        "pytorch": None,
        "mindspore": "/opt/ms/bin/python",
    }
    with pytest.raises(UserError, match="takes 8 devices, and a node of this site has 2"):
        blocks_of(Selection("cpu", "study"), site, tmp_path)
    own = tmp_path / "own.yaml"
    own.write_text(catalogue.path_of("models", "graphcast").read_text())
    (of_own,) = blocks_of(Selection("cpu", "smoke", model=str(own)), site, tmp_path)
    of_own.write(tmp_path / "own")
    (entry,) = catalogue.suite(of_own.block.selection(tmp_path / "own").suite).models
    assert (entry.model, entry.preset, entry.data) == (str(own), "tiny", "rossby_forced")
    with pytest.raises(UserError, match="did you mean 'graphcast'"):
        blocks_of(Selection("cpu", "smoke", model="grapcast"), site, tmp_path)


def test_devices_are_asked_for_by_the_name_of_the_chip(tmp_path):
    site = SiteConfig(**SLURM, chip="ascend910b", gres={"ascend910b": "npu:ascend910b"})
    devices = [new.block.devices for new in blocks_of(Selection("ascend910b", "study"), site, tmp_path)]
    assert devices == [8, 8, 8]
    assert gres_of(site, 8) == "npu:ascend910b:8"
    assert gres_of(site, 0) is None


def test_a_claim_passes_to_the_same_job_and_from_one_that_is_gone(tmp_path):
    def alive(job):
        return job == "1"

    first, again, other, third = (ClaimFile(tmp_path, "key") for _ in range(4))
    first.take("1", "n1", alive, print)
    first.check()
    again.take("1", "n2", alive, print)
    again.check()
    with pytest.raises(LostClaim, match="job 1, started on n2, makes"):
        first.check()
    with pytest.raises(LostClaim, match="job 1 on n2 makes"):
        other.take("2", "n3", alive, print)
    third.take("3", "n3", lambda job: False, print)
    with pytest.raises(LostClaim):
        again.check()


def test_scratch_that_cannot_be_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("PLACE", str(tmp_path))
    for scratch, why in (("$NOT_SET/x", "a variable in it is not set"), ("$PLACE/absent", "No such file")):
        with pytest.raises(UserError, match=why), node_folder(scratch, "1"):
            pass
    with node_folder("$PLACE", "1") as folder:
        assert folder.parent == tmp_path
    assert not folder.exists()


def test_blocks_on_this_host_run_one_after_the_other(tmp_path, write_suite, crosscast, monkeypatch):
    """A submission returns while its process works on; the next one leaves out what that has made."""
    site = tmp_path / "here.yaml"
    site.write_text(yaml.safe_dump({"title": "here", "scheduler": "local", "python": sys.executable}))
    environment = stand_in(tmp_path / "stand_in", COMPLETE)
    words = ("--site", site, "--suite", write_suite(launches=2, idle_s=0))
    done = crosscast("submit", *words, env=environment)
    assert done.returncode == 0, done.stderr
    job = done.stdout.splitlines()[0].removeprefix("micro-model: job ")
    scheduler = scheduler_of(catalogue.site(str(site)))
    wait_until(lambda: not scheduler.states([job])[job].is_active)
    assert [record["launch"] for record in records(tmp_path / "results")] == [0, 1]
    told = crosscast("submit", *words, env=environment).stdout
    assert told == f"micro-model: not submitted: all its launches are done, by job {job} of {user()}\n"
    assert "2 of 2" in crosscast("status", env={**environment, "COLUMNS": "200"}).stdout
    assert "nothing waits or runs" in crosscast("cancel", "--all", env=environment).stdout
    assert "name the submission to cancel" in crosscast("cancel", env=environment).stderr
    assert "no submission 'x'" in crosscast("status", "x", env=environment).stderr


def test_data_that_are_not_here_are_refused_where_the_jobs_run_here(tmp_path, write_suite):
    site = tmp_path / "here.yaml"
    site.write_text(yaml.safe_dump({"title": "here", "scheduler": "local", "python": sys.executable}))
    words = ["--site", str(site), "--suite", str(write_suite()), "--data", str(tmp_path / "era6"), "--mapping", "era5"]
    with pytest.raises(UserError, match="era6: there is no such file or folder; nothing was submitted"):
        submit.main([*words, "--results", str(tmp_path / "results")], standalone_mode=False)
    assert not (tmp_path / "results").exists()


def user() -> str:
    from harness.launch.user import user_name

    return user_name()


def test_a_task_that_waits_for_others_needs_a_scheduler(tmp_path):
    site = SiteConfig(title="t", scheduler="local")
    with pytest.raises(UserError, match="no jobs that wait for others"):
        scheduler_of(site).submit_after(["1"], Task("a:b", tmp_path), tmp_path, "x")
