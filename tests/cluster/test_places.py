"""What a job finds on its node: names with odd characters, devices of an allocation, other people's submissions."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.cluster.conftest import AT_GATE, Lab, behave
from tests.launch.conftest import command, write_micro
from tests.launch.stand_in import COMPLETE
from tests.shared import REPOSITORY

ODD = "it's 5 o'clock; $(touch x) `touch x` \"q\" #1 & é"


def test_names_with_odd_characters(slurm, tmp_path, lab):
    folder = tmp_path / f"{ODD} *?[a]"
    folder.mkdir()
    odd = Lab(folder, slurm)
    suite = odd.write_suite(ODD, launches=1)
    (job,) = odd.submit("--site", odd.write_site(), "--suite", suite)
    odd.wait(job, state="COMPLETED")
    assert odd.completed() == {(f"{ODD} 0", 0): 1}
    assert not list(tmp_path.rglob("x"))


def test_a_real_cell_is_trained_in_a_job(lab, monkeypatch):
    monkeypatch.delenv("PYTHONPATH")
    suite = write_micro(lab.folder, "real", idle_s=0)
    site = lab.write_site(container=["env", "OMP_NUM_THREADS=3"], variables={"OMP_NUM_THREADS": "2"})
    (job,) = lab.submit("--site", site, "--suite", suite)
    lab.wait(job, state="COMPLETED")
    (record,) = lab.records()
    assert record.status == "completed"
    assert record.environment.threads == {"OMP_NUM_THREADS": "3"}
    assert len(record.measurements.training[0].epochs) == 2


def test_devices_of_the_allocation_are_those_that_the_job_sees(lab):
    """Two jobs on one node at once, of two and one of its eight NPUs: no device is in both."""
    chip = yaml.safe_load((REPOSITORY / "scenarios/chips/cpu.yaml").read_text())
    chip |= {"device_nodes": "/dev/nul[l]", "visible_devices": "ASCEND_RT_VISIBLE_DEVICES"}
    (lab.folder / "npu.yaml").write_text(yaml.safe_dump(chip))
    behaviour = AT_GATE + COMPLETE
    with pytest.MonkeyPatch.context() as patch:
        behave(lab.folder, behaviour, patch)
        jobs = []
        for devices in (2, 1):
            site = lab.write_site(
                chip=str(lab.folder / "npu.yaml"),
                gres={"npu": "npu:ascend910b"},
                cpus=1,
                sbatch={"nodelist": "n1"},
                variables={"CROSSCAST_TEST": "a b'c"},
            )
            suite = lab.write_suite(f"of{devices}", launches=1)
            content = yaml.safe_load(suite.read_text())
            suite.write_text(
                yaml.safe_dump(content | {"axes": {"world.devices": sorted({1, devices})}, "design": "full"})
            )
            jobs += lab.submit("--site", site, "--suite", suite, "--framework", "pytorch")
        (lab.folder / "open").touch()
        lab.wait(*jobs)
    seen = {record.scenario.suite: record.environment.visible_devices.split(",") for record in lab.records()}
    assert {name: len(devices) for name, devices in seen.items()} == {"of2": 2, "of1": 1}
    assert not set(seen["of2"]) & set(seen["of1"])


def test_two_people_submit_into_one_folder(lab, slurm, monkeypatch):
    """The other one's submission of the same suite is left out, that of another suite is made beside it."""
    behave(lab.folder, AT_GATE + COMPLETE, monkeypatch)
    for folder in (lab.folder, *lab.folder.parents[: len(lab.folder.parents) - 2]):
        folder.chmod(0o777)
    lab.results.mkdir(mode=0o777)
    lab.results.chmod(0o777)
    site, shared, own = lab.write_site(), lab.write_suite("shared", launches=1), lab.write_suite("own", launches=1)
    other, previous = Other(), os.umask(0)
    try:
        (first,) = lab.submit("--site", site, "--suite", shared)
        lab.wait_for_worker()
        left_out = other.run(lab, "submit", "--site", site, "--suite", shared)
        assert f"not submitted: job {first} of root runs for the same launches" in left_out
        other.run(lab, "submit", "--site", lab.write_site(python=other.python), "--suite", own)
    finally:
        os.umask(previous)
    second = lab.submitted()[-1]
    assert second["user"] == "nobody"
    (lab.folder / "open").touch()
    lab.wait(first, second["blocks"][0]["job"])
    assert lab.completed() == {("shared 0", 0): 1, ("own 0", 0): 1}


class Other:
    """Another user of the cluster, with a Python that this one may run."""

    def __init__(self) -> None:
        same = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        drop = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
        for self.python in (sys.executable, same):
            self._prefix = ["setpriv", *drop]
            tried = [*self._prefix, "sh", "-c", 'exec "$0" -c ""', self.python]
            if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
                return
        pytest.skip(f"neither {sys.executable} nor {same} can be run by another user")

    def run(self, lab: Lab, *arguments: object) -> str:
        """What a command of this user prints."""
        home = lab.folder / "home"
        home.mkdir(mode=0o777, exist_ok=True)
        path = os.pathsep.join((os.environ["PYTHONPATH"], *filter(None, sys.path)))
        done = subprocess.run(
            [*self._prefix, self.python, *command(*arguments, "--results", lab.results)[1:]],
            cwd=lab.folder,
            env={**os.environ, "HOME": str(home), "USER": "nobody", "LOGNAME": "nobody", "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
