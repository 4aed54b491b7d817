"""Energy of a real bench beside a power tool of a third party: phases, net energy, and a sampler that is killed."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from collectors.samples import read_parquet
from harness.calibration.store import Calibration, SensorCalibration, save
from harness.machine.environment import host_digest
from tests.launch.conftest import records
from tests.launch.stand_in import stand_in

pytestmark = [pytest.mark.slow, pytest.mark.alone]

COLLECTOR = '''
import time
from collectors.base import Probe, Reading, Sensor
from collectors.vendors.null import NullCollector


class Steady(NullCollector):
    """A device of 50 W; `mortal` kills its sampler after three seconds."""

    name = "steady"
    ends_after_s = None

    def __init__(self):
        super().__init__()
        self.begun_s = time.monotonic()

    def probe(self):
        return Probe((Sensor("die", "die", "instant", devices=(0,), update_period_s=0.05),))

    def sample(self):
        if self.ends_after_s and time.monotonic() - self.begun_s > self.ends_after_s:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        t_ns = time.monotonic_ns()
        return [Reading(t_ns, t_ns + 1, "die", 50.0)]


class Mortal(Steady):
    ends_after_s = 3.0
'''


WORKING = """
tell("working")
inference = rest(5.3)
measure(inference=inference)
end()
"""
"""Longer than the shortest window whose energy is told."""


@pytest.fixture
def bench(tmp_path, write_suite, crosscast, monkeypatch):
    """bench(collector): the record of one launch beside a made-up power tool, and its folder."""
    lab = tmp_path / "lab"
    metadata = lab / "lab_power-1.0.dist-info"
    metadata.mkdir(parents=True)
    (lab / "lab_power.py").write_text(COLLECTOR)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-power\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[crosscast.collectors]\nsteady = lab_power:Steady\nmortal = lab_power:Mortal\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(lab))

    def run(*collectors: str, behaviour: str | None = None):
        """A launch by a real worker, or by one that does so instead."""
        from harness.scenario.folders import ROOT

        chip = yaml.safe_load((ROOT / "chips" / "cpu.yaml").read_text()) | {"power_collectors": list(collectors)}
        path = tmp_path / "lab-cpu.yaml"
        path.write_text(yaml.safe_dump(chip))
        environment = dict(os.environ)
        if behaviour is not None:
            environment = stand_in(tmp_path / "stand_in", behaviour)
            environment["PYTHONPATH"] += os.pathsep + str(lab)
        done = crosscast("bench", "--chip", path, "--suite", write_suite(idle_s=1.0), env=environment)
        assert done.returncode == 0, done.stderr
        [record] = records(tmp_path / "results")
        [samples] = Path(tmp_path / "results").glob("*/*/*/power.parquet")
        return record, samples, crosscast("tables").stdout

    return run


def test_phases_get_their_energy_gross_and_net(bench):
    record, samples, shown = bench("steady")
    energy, phases = record["energy"], record["measurements"]["phases"]
    assert [phase["name"] for phase in phases] == [
        "idle before",
        "train pretrain 0",
        "train pretrain 1",
        "training",
        "warm-up",
        "inference",
        "idle after",
    ]
    windows = {entry["phase"]: entry for entry in energy["phases"]}
    inference = windows["inference"]
    assert inference["window"]["valid"], inference["window"]["reasons"]
    assert inference["window"]["duration_s"] >= 5
    assert inference["window"]["energy_j"] == pytest.approx(50 * inference["window"]["duration_s"], rel=1e-6)
    assert energy["idle"]["power_w"] == pytest.approx(50)
    assert inference["net_energy_j"] == pytest.approx(0, abs=1e-6)
    steps = next(phase["steps"] for phase in phases if phase["name"] == "inference")
    assert steps > record["measurements"]["inference"]["timed_steps"]["count"]
    first = windows["train pretrain 0"]["window"]
    assert first["valid"] == (first["duration_s"] >= 5)
    assert energy["calibrations"] == []
    assert energy["sampling"]["period_s"] == 0.05
    assert energy["sampling"]["interval_s"] == pytest.approx(0.05, rel=0.3)
    assert energy["sampling"]["ticks"] == pytest.approx(record["duration_s"] / 0.05, rel=0.3)
    log = read_parquet(samples)
    assert len(log.readings) == energy["sampling"]["ticks"]
    assert "samples/J" in shown


def test_a_sampler_that_is_killed_costs_the_energy_and_not_the_times(bench):
    record, _, _ = bench("mortal", behaviour=WORKING.replace("5.3", "4"))
    assert record["status"] == "completed"
    assert record["measurements"]["inference"]["timed_steps"]
    assert record["measurements"]["skill"]["scores"]
    assert "sampler died: killed by SIGKILL" in record["energy"]["reason"]
    windows = {entry["phase"]: entry["window"] for entry in record["energy"]["phases"]}
    assert windows["inference"]["energy_j"] is None
    assert any("the sampler died" in reason for reason in windows["inference"]["reasons"])


NVIDIA_SMI = """#!/bin/sh
case "$*" in
*--query-gpu=*) echo "GPU-aaaa-1111, NVIDIA A100-SXM4-80GB, 00000000:01:00.0" ;;
*--query-compute-apps=*)
    echo "pid, gpu_uuid, used_gpu_memory [MiB]"
    {row}
    for worker in $(pgrep -f "harness.worker {folder}"); do
        echo "$worker, GPU-aaaa-1111, 512 MiB"
    done ;;
esac
"""


@pytest.mark.skipif(shutil.which("pgrep") is None, reason="no pgrep to find the worker with")
def test_a_calibration_is_applied_and_another_jobs_process_costs_the_energy(bench, tmp_path, monkeypatch):
    """The program lists the worker, too, which is the launch's own. The calibration's delay is taken off all reads."""
    found = SensorCalibration(
        sensor="die", tool_version=None, driver_version=None, delay_s=0.4, window_s=0.2, update_period_s=0.05
    )
    made = Calibration(
        chip="lab-cpu",
        collector="steady",
        host=host_digest(),
        device_name="some CPU",
        framework="pytorch",
        made_at="2026-01-01T00:00:00+00:00",
        half_period_s=4.0,
        sensors=(found,),
    )
    save(made, tmp_path / "results")
    tools = tmp_path / "tools"
    tools.mkdir()
    row = f'echo "{os.getpid()}, GPU-aaaa-1111, 20480 MiB"'
    (tools / "nvidia-smi").write_text(NVIDIA_SMI.replace("{row}", row).replace("{folder}", str(tmp_path)))
    (tools / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    record, samples, shown = bench("steady", "nvidia-smi", behaviour=WORKING)
    [applied] = record["energy"]["calibrations"]
    assert (applied["sensor"], applied["delay_s"], applied["file"]) == ("die", 0.4, made.file_name)
    devices = record["load"]["devices"]
    assert (devices["tool"], devices["looks_before"], devices["looks_after"]) == ("nvidia-smi", 1, 1)
    assert devices["looks_during"] >= 1
    (other,) = devices["others"]
    assert (other["pid"], other["memory_bytes"], other["device"]) == (os.getpid(), 20 << 30, 0)
    assert other["seen"] == ["before", "during", "after"]
    inference = next(each["window"] for each in record["energy"]["phases"] if each["phase"] == "inference")
    reads_ns = [reading.t0_ns - 500_000_000 for reading in read_parquet(samples).readings]
    assert inference["n_samples"] == sum(inference["t0_ns"] <= t_ns <= inference["t1_ns"] for t_ns in reads_ns)
    assert inference["energy_j"] == pytest.approx(50 * inference["duration_s"], rel=1e-6)
    assert (inference["valid"], inference["shared_device"]) == (False, True)
    told = f"shared device: process {os.getpid()} of another job (before, during, after)"
    assert inference["reasons"] == [told]
    assert record["measurements"]["inference"]["timed_steps"]
    assert "1 process of another job with 20 GiB on the device beside launch 0" in " ".join(shown.split())
    assert record["load"]["cores"] == len(os.sched_getaffinity(0))
