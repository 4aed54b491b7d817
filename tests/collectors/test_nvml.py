"""The NVML collector through the real nvidia-ml-py, on a small libnvidia-ml.so.1 compiled for the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from power_logs import ANY_LENGTH

from collectors.accounting.energy import window_energy
from collectors.samples import read_samples
from collectors.sampling.process import SamplerProcess
from tests.shared import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the NVML stub with")

A, B = "GPU-aaaaaaaa-1111", "GPU-bbbbbbbb-2222"
TWO_A100 = f"{A}|A100-SXM4-80GB|00000000:01:00.0|8.0|;{B}|A100-SXM4-80GB|00000000:41:00.0|8.0|"
RTX3090 = f"{A}|GeForce RTX 3090|00000000:01:00.0|8.6|"

SCRIPT = """
import json, os, sys
from collectors.vendors.nvidia.nvml import NvmlCollector
collector = NvmlCollector()
found = collector.probe()
result = {"sensors": [sensor.to_dict() for sensor in found.sensors], "reason": found.reason}
if found.works:
    collector.start(0.1)
    os.environ.update(json.loads(sys.argv[1]))
    result["readings"] = [vars(reading) for reading in collector.sample()]
    result["counters"] = [collector.read_counter(sensor.id) for sensor in found.sensors]
    collector.stop()
    collector.stop()
print(json.dumps(result))
"""


@pytest.fixture(scope="session")
def stub_folder(tmp_path_factory: pytest.TempPathFactory):
    """Compiles the stub once for each driver generation and returns the folder that holds it."""

    def compile_stub(*flags: str) -> Path:
        folder = tmp_path_factory.mktemp("nvml")
        library = folder / "libnvidia-ml.so.1"
        source = REPOSITORY / "harness/rehearsal/stand_ins/libnvidia_ml_power.c"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", *flags, "-o", str(library), str(source)], check=True)
        return folder

    return {"new": compile_stub(), "old": compile_stub("-DOLD_DRIVER")}


def environment(folder: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
    return {**kept, "LD_LIBRARY_PATH": str(folder), **variables}


def collect(folder: Path, later: dict[str, str] | None = None, **variables: str):
    """Probes, starts and reads once in a fresh process; `later` is set in its environment after the start."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(later or {})],
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_power_counter_and_what_the_sensor_says(stub_folder):
    found = collect(stub_folder["new"], STUB_GPUS=TWO_A100)
    first, second = found["sensors"]
    assert (first["id"], first["devices"], second["id"], second["devices"]) == (A, [0], B, [1])
    assert (first["scope"], first["kind"], first["window_s"], first["power_cap_w"]) == ("card", "instant", 0.025, 400)
    assert (first["tool_version"], first["driver_version"]) == ("13.615.71", "615.71.05")
    assert [reading["power_w"] for reading in found["readings"]] == [255.0, 256.0]
    assert found["readings"][0]["utilisation"] == 0.97
    assert [reading["memory_bytes"] for reading in found["readings"]] == [3 << 30, 4 << 30]
    assert found["readings"][0]["t0_ns"] <= found["readings"][0]["t1_ns"]
    now_s = time.monotonic()
    assert found["counters"] == pytest.approx([250 * now_s, 251 * now_s], abs=251 * 30)


@pytest.mark.parametrize(
    ("driver", "gpus", "kind", "window_s", "power_w"),
    [
        ("new", RTX3090, "instant", None, 255.0),
        ("old", RTX3090, "average_window", 1.0, 250.0),
        ("old", TWO_A100, "instant", 0.025, 250.0),
    ],
)
def test_kind_of_the_value_by_driver_and_chip(stub_folder, driver, gpus, kind, window_s, power_w):
    found = collect(stub_folder[driver], STUB_GPUS=gpus)
    assert (found["sensors"][0]["kind"], found["sensors"][0]["window_s"]) == (kind, window_s)
    assert found["readings"][0]["power_w"] == power_w


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("1", {B: [0]}), (f"{B},{A}", {A: [1], B: [0]}), ("GPU-bbb", {B: [0]}), ("0,-1,1", {A: [0]})],
)
def test_visible_devices_are_mapped_by_uuid(stub_folder, visible, expected):
    found = collect(stub_folder["new"], STUB_GPUS=TWO_A100, CUDA_VISIBLE_DEVICES=visible)
    assert {sensor["id"]: sensor["devices"] for sensor in found["sensors"]} == expected
    assert {reading["sensor"] for reading in found["readings"]} == set(expected)


@pytest.mark.parametrize("visible", ["", "-1", "9"])
def test_no_visible_device_is_a_reason(stub_folder, visible):
    found = collect(stub_folder["new"], STUB_GPUS=TWO_A100, CUDA_VISIBLE_DEVICES=visible)
    assert found["sensors"] == []
    assert "shows no GPU to the job" in found["reason"]


def test_mig_instance_reads_its_board_and_is_shared(stub_folder):
    gpus = f"{A}|A100|00000000:01:00.0|8.0|MIG-1111,MIG-2222;{B}|A100|00000000:41:00.0|8.0|"
    found = collect(stub_folder["new"], STUB_GPUS=gpus, CUDA_VISIBLE_DEVICES="MIG-2222")
    (sensor,) = found["sensors"]
    assert (sensor["id"], sensor["devices"]) == (A, [0])
    assert "MIG" in sensor["shared"]


def test_board_that_may_not_be_opened_is_not_counted(stub_folder):
    found = collect(stub_folder["new"], STUB_GPUS=TWO_A100, STUB_FORBIDDEN="0", CUDA_VISIBLE_DEVICES="0")
    assert [(sensor["id"], sensor["devices"]) for sensor in found["sensors"]] == [(B, [0])]


def test_error_in_the_run_is_none_with_its_text_and_never_zero(stub_folder):
    later = {"STUB_ERR": "instant=15,counter=999"}
    found = collect(stub_folder["new"], later, STUB_GPUS=RTX3090)
    (reading,) = found["readings"]
    assert (reading["power_w"], reading["status"], reading["raw"]) == (None, "error", "GPU is lost")
    assert found["counters"] == [None]


def test_zero_watts_is_a_failed_read(stub_folder):
    found = collect(stub_folder["old"], {"STUB_POWER_MW": "0"}, STUB_GPUS=RTX3090)
    assert (found["readings"][0]["power_w"], found["readings"][0]["status"]) == (None, "not_physical")


def test_chip_without_counter_or_memory_and_chip_without_power(stub_folder):
    pascal = f"{A}|P100|00000000:01:00.0|6.0|"
    found = collect(stub_folder["old"], STUB_GPUS=pascal, STUB_ERR="counter=3,memory=3")
    assert (found["sensors"][0]["has_counter"], found["counters"]) == (False, [None])
    assert (found["readings"][0]["power_w"], found["readings"][0]["memory_bytes"]) == (250.0, None)
    counter_only = collect(stub_folder["old"], STUB_GPUS=pascal, STUB_ERR="power=3")
    assert (counter_only["sensors"][0]["kind"], counter_only["readings"]) == ("counter", [])
    neither = collect(stub_folder["old"], STUB_GPUS=pascal, STUB_ERR="power=3,counter=3")
    assert neither["sensors"] == []
    assert neither["reason"] == f"{A}: Not Supported"


def test_driver_that_does_not_answer_is_a_reason(stub_folder, tmp_path):
    assert collect(stub_folder["new"], STUB_ERR="init=9")["reason"] == "NVML: Driver Not Loaded"
    assert collect(stub_folder["new"], STUB_GPUS="")["reason"] == "NVML lists no GPU"
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    assert "NVML library not found" in collect(tmp_path)["reason"]


def test_sampler_measures_the_energy_of_the_jobs_board(stub_folder, tmp_path):
    env = environment(stub_folder["old"], STUB_GPUS=TWO_A100, CUDA_VISIBLE_DEVICES="1")
    sampler = SamplerProcess.start(tmp_path / "power.jsonl", ["nvml", "rapl"], env, period_s=0.02)
    assert sampler.wait_ready()
    t0_ns = time.monotonic_ns()
    time.sleep(0.5)
    t1_ns = time.monotonic_ns()
    outcome = sampler.stop()
    assert (outcome.collector, outcome.reason, outcome.sampler_died) == ("nvml", None, False)
    found = window_energy(read_samples(tmp_path / "power.jsonl"), t0_ns, t1_ns, device_count=1, limits=ANY_LENGTH)
    assert found.reasons == ()
    assert found.source == "counter"
    assert found.energy_j == pytest.approx(251 * found.duration_s, rel=0.01)
    assert found.integral_j == pytest.approx(251 * found.duration_s, rel=1e-6)
