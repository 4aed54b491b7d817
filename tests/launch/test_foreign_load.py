"""Foreign load of the CPU within the cores of a job, on trees of files as the kernel lays them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.launch.foreign_load import (
    ForeignLoadMeter,
    busy_seconds,
    cores_of_the_job,
    foreign_cores_allowed,
    parse_cores,
)

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def write_stat(proc: Path, **busy_s: float) -> None:
    """/proc/stat with so many busy seconds a core, half of them user, and much idle, iowait and guest time."""
    proc.mkdir(exist_ok=True)
    lines = ["cpu  9 9 9 9 9 9 9 9 9 9"]
    for name, seconds in busy_s.items():
        half = round(seconds / 2 / TICK_S)
        lines.append(f"{name} {half} 0 {half} 123456 7890 0 0 0 {half} 0")
    lines += ["intr 1 2 3", "ctxt 5", "cpus 7"]
    (proc / "stat").write_text("\n".join(lines) + "\n")


@pytest.fixture
def affinity(monkeypatch):
    def set_to(*cores: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(cores))

    return set_to


def test_only_the_cores_of_the_job_count(tmp_path, affinity, monkeypatch):
    """A neighbour keeps cores 2 and 3 of a shared node busy; the job may run on 0 and 5, core 4 is off line."""
    affinity(0, 5)
    proc = tmp_path / "proc"
    write_stat(proc, cpu0=10, cpu1=10, cpu2=10, cpu3=10, cpu5=10)
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    meter = ForeignLoadMeter(proc, tmp_path / "cgroup")
    write_stat(proc, cpu0=11, cpu1=10, cpu2=110, cpu3=110, cpu5=14)
    monkeypatch.setattr("time.monotonic", lambda: 200.0)
    assert meter.cores == 2
    assert meter.foreign_cores() == pytest.approx(0.05, abs=0.002)
    assert meter.elapsed_s == 100.0


def test_the_launchs_own_time_is_not_foreign(tmp_path, affinity, monkeypatch):
    affinity(0, 1)
    proc = tmp_path / "proc"
    write_stat(proc, cpu0=0, cpu1=0)
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    monkeypatch.setattr(os, "times", lambda: os.times_result((1.0, 1.0, 0.0, 0.0, 0.0)))
    meter = ForeignLoadMeter(proc, tmp_path / "cgroup")
    write_stat(proc, cpu0=60, cpu1=60)
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    monkeypatch.setattr(os, "times", lambda: os.times_result((2.0, 1.0, 80.0, 9.0, 0.0)))
    assert meter.foreign_cores() == pytest.approx((120 - 90) / 100)


@pytest.mark.parametrize(
    ("files", "cgroup", "cores"),
    [
        ({"cpuset.cpus.effective": "0-3\n"}, "0::/\n", {0, 1, 2, 3}),
        ({"job/step/cpuset.cpus.effective": "2,4-5\n"}, "0::/job/step\n", {2, 4, 5}),
        ({"cpuset/slurm/cpuset.effective_cpus": "6\n"}, "4:memory:/x\n3:cpu,cpuset:/slurm\n0::/\n", {6}),
        ({"cpuset/cpuset.cpus": "1,3\n"}, "3:cpuset:/elsewhere\n", {1, 3}),
        ({"cpuset.cpus.effective": "\n"}, "0::/\n", set(range(8))),
        ({"cpuset.cpus.effective": "many\n"}, "odd line\n", set(range(8))),
        ({"cpuset.cpus.effective": "90-99\n"}, "0::/\n", set(range(8))),
        ({}, None, set(range(8))),
    ],
)
def test_the_cpuset_of_either_version_of_cgroups_is_read(tmp_path, affinity, files, cgroup, cores):
    affinity(*range(8))
    for name, content in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    if cgroup is not None:
        (tmp_path / "proc" / "self").mkdir(parents=True)
        (tmp_path / "proc" / "self" / "cgroup").write_text(cgroup)
    assert cores_of_the_job(tmp_path / "proc", tmp_path / "cgroup") == cores


def test_lists_of_cores():
    assert parse_cores("0-2,7, 9-9\n") == {0, 1, 2, 7, 9}
    assert parse_cores("") == set()
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cores("a-b")


@pytest.mark.parametrize(("cores", "allowed"), [(1, 0.25), (25, 0.25), (26, 0.26), (192, 1.92)])
def test_a_large_node_may_have_its_daemons(cores, allowed):
    assert foreign_cores_allowed(cores) == pytest.approx(allowed)


def test_without_proc_all_cores_are_taken_together(tmp_path):
    assert busy_seconds(tmp_path / "stat") == {}
    meter = ForeignLoadMeter(tmp_path, tmp_path)
    assert meter.foreign_cores() >= 0.0


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="no /proc on this machine")
def test_the_cores_of_this_machine():
    meter = ForeignLoadMeter()
    assert meter.cores == len(os.sched_getaffinity(0))
    assert set(busy_seconds(Path("/proc/stat"))) >= cores_of_the_job(Path("/proc"), Path("/sys/fs/cgroup"))
