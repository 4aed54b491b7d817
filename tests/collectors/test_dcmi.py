"""The DCMI collector on a small libdcmi.so compiled for the test, with npu-smi beside it."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_npu_smi import FakeNpuSmi, mapping, power_block, watch_row, watch_script
from npu_smi_outputs import A3_TABLE

from collectors.samples import read_samples
from collectors.sampling.process import SamplerProcess
from tests.shared import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the DCMI stub with")

TWO_910B = "0|0|0|0|910B3|c1|1035;5|0|1|5|910B3|42|1280"
SCRIPT = """
import json, os, sys, time
from collectors.vendors.ascend.dcmi import DcmiCollector
collector = DcmiCollector()
began_s = time.monotonic()
found = collector.probe()
result = {"sensors": [sensor.to_dict() for sensor in found.sensors], "reason": found.reason}
result["probe_s"] = time.monotonic() - began_s
if found.works:
    collector.start(0.1)
    os.environ.update(json.loads(sys.argv[1]))
    began_s = time.monotonic()
    result["readings"] = [vars(reading) for reading in collector.sample()]
    result["sample_s"] = time.monotonic() - began_s
    deadline_s = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < deadline_s:
        time.sleep(0.05)
        result["readings"] += [vars(reading) for reading in collector.sample()]
    result["counter"] = collector.read_counter(found.sensors[0].id)
    collector.stop()
    collector.stop()
print(json.dumps(result))
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory):
    """Folders of the stub: that of a driver of today and of one whose functions have older names."""

    def compile_stub(*flags: str) -> Path:
        folder = tmp_path_factory.mktemp("dcmi")
        source = REPOSITORY / "harness/rehearsal/stand_ins/libdcmi.c"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", *flags, "-o", folder / "libdcmi.so", source], check=True)
        return folder

    return {"new": compile_stub(), "old": compile_stub("-DOLD_DRIVER")}


@pytest.fixture
def collect(library, tmp_path):
    """collect(chips, ...): what a fresh process finds and reads, for `wait_s` after the first sample."""
    smi = FakeNpuSmi(tmp_path)

    def run(chips=TWO_910B, later=None, wait_s=0.0, driver="new", **variables):
        env = {**smi.environment, "LD_LIBRARY_PATH": str(library.get(driver, tmp_path)), "STUB_CHIPS": chips}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(later or {}), str(wait_s)],
            env={**env, **variables},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    run.smi = smi
    return run


def test_power_in_tenths_of_a_watt_and_what_the_sensor_says(collect):
    found = collect()
    first, second = found["sensors"]
    assert (first["id"], first["devices"], second["id"], second["devices"]) == (
        "0000:C1:00.0",
        [0],
        "0000:42:00.0",
        [1],
    )
    assert (first["name"], first["scope"], first["kind"], first["checks"]) == ("910B3", "card", "instant", None)
    assert (first["tool_version"], first["driver_version"]) == ("libdcmi 25.5.2", "25.5.1")
    assert (first["update_period_s"], first["resolution_w"]) == (0.1, 0.1)
    assert [reading["power_w"] for reading in found["readings"]] == [103.5, 128.0]
    assert found["readings"][0]["utilisation"] == 0.97
    assert [reading["memory_bytes"] for reading in found["readings"]] == [3390 << 20, 3390 << 20]
    assert found["readings"][0]["t0_ns"] <= found["readings"][0]["t1_ns"]
    assert found["counter"] is None


def test_an_older_driver_with_other_names_works_too(collect):
    found = collect(driver="old")
    assert [sensor["devices"] for sensor in found["sensors"]] == [[0], [1]]
    assert found["sensors"][0]["tool_version"] == "libdcmi of unknown version"
    assert [reading["power_w"] for reading in found["readings"]] == [103.5, 128.0]
    assert {reading["memory_bytes"] for reading in found["readings"]} == {None}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ASCEND_RT_VISIBLE_DEVICES": "1"}, {"0000:42:00.0": [0]}),
        ({"ASCEND_VISIBLE_DEVICES": "5"}, {"0000:42:00.0": [0]}),
        ({"STUB_ERR": "pcie=-8255"}, {"npu-0": [0], "npu-5": [1]}),
    ],
)
def test_only_the_jobs_devices_are_read(collect, variables, expected):
    found = collect(**variables)
    assert {sensor["id"]: sensor["devices"] for sensor in found["sensors"]} == expected
    assert {reading["sensor"] for reading in found["readings"]} == set(expected)


def test_two_dies_are_one_sensor_even_where_the_library_gives_both_a_power(collect):
    found = collect("2|0|0|4|Ascend910|9d|1715;2|1|1|5|Ascend910|9f|1715")
    (sensor,) = found["sensors"]
    assert (sensor["id"], sensor["devices"], sensor["scope"]) == ("0000:9D:00.0", [0, 1], "card")
    assert [reading["power_w"] for reading in found["readings"]] == [171.5]


def test_a_value_that_is_the_rated_power_is_refused(collect):
    assert "rated power of a 310" in collect("0|0|0|0|310|1|128")["reason"]


@pytest.mark.parametrize(
    ("later", "status", "raw"),
    [
        ({"STUB_ERR": "power@0=-8008"}, "error", "dcmi_get_device_power_info: error -8008 (the device does not exist)"),
        ({"STUB_POWER": "0"}, "not_physical", "0.0 W"),
        ({"STUB_POWER": "2147483647"}, "not_physical", "214748364.7 W"),
        ({"STUB_POWER": "-1"}, "not_physical", "-0.1 W"),
    ],
)
def test_a_failed_read_in_the_run_is_none_with_its_text(collect, later, status, raw):
    first = collect(later=later)["readings"][0]
    assert (first["power_w"], first["status"], first["raw"]) == (None, status, raw)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("init=-8005", "usermod -aG HwHiAiUser"),
        ("init=-8020", "not mounted into this one"),
        ("list=-8002", "not permitted"),
        ("power=-8255", "not supported by this device"),
        ("init=-9999", "not a documented code"),
    ],
)
def test_error_codes_are_reasons_with_remedies(collect, error, why):
    found = collect(STUB_ERR=error)
    assert found["sensors"] == []
    assert found["reason"].startswith("DCMI: ")
    assert why in found["reason"]


def test_a_library_that_is_not_there_or_no_library_is_a_reason(collect, tmp_path):
    assert "no Ascend driver here" in collect(driver="none")["reason"]
    (tmp_path / "libdcmi.so").write_bytes(b"not a library")
    assert "libdcmi.so cannot be loaded" in collect(driver="none")["reason"]


def test_npu_smi_stands_in_where_the_library_cannot_be_used(collect):
    collect.smi.say("map", mapping((0, 0, 0, "Ascend 910B")))
    collect.smi.say("power", power_block((0, "103.5")))
    found = collect(wait_s=0.5, driver="none")
    (sensor,) = found["sensors"]
    assert "through npu-smi, as DCMI cannot be used: libdcmi.so is neither" in sensor["name"]
    assert sensor["tool_version"].endswith("info -t power")
    assert found["readings"][0]["power_w"] == 103.5


def test_npu_smi_checks_dcmi_beside_it(collect):
    collect.smi.say("table", A3_TABLE)
    collect.smi.do("watch-0", watch_script(watch_row(0, 0, "171.5"), watch_row(0, 1, "-"), delay_s=0.2, after="again"))
    found = collect("0|0|0|0|Ascend910|9d|1720;0|1|1|1|Ascend910|9f|0", wait_s=1.0)
    main, check = found["sensors"]
    assert (main["id"], main["checks"]) == ("0000:9D:00.0", None)
    assert (check["id"], check["checks"], check["devices"]) == ("npu-smi 0000:9D:00.0", main["id"], [0, 1])
    assert (check["update_period_s"], check["driver_version"]) == (1.0, "25.2.1")
    values = {sensor["id"]: set() for sensor in found["sensors"]}
    for reading in found["readings"]:
        values[reading["sensor"]].add(reading["power_w"])
    assert values == {main["id"]: {172.0}, check["id"]: {171.5}}


def test_npu_smi_that_hangs_holds_up_neither_probe_nor_sampling(collect):
    collect.smi.do("table", "sleep 600\n")
    found = collect()
    assert [sensor["checks"] for sensor in found["sensors"]] == [None, None]
    assert found["probe_s"] < 5


@pytest.mark.alone
def test_npu_smi_that_hangs_in_mid_run_costs_the_main_path_nothing(collect, library, tmp_path):
    collect.smi.say("table", A3_TABLE)
    for name in ("watch", "power", "common"):
        collect.smi.do(name, "sleep 600\n")
    env = {
        **collect.smi.environment,
        "LD_LIBRARY_PATH": str(library["new"]),
        "STUB_CHIPS": "0|0|0|0|Ascend910|9d|1720;0|1|1|1|Ascend910|9f|0",
    }
    sampler = SamplerProcess.start(tmp_path / "power.jsonl", ["dcmi"], env)
    assert sampler.wait_ready()
    time.sleep(1.5)
    outcome = sampler.stop()
    assert (outcome.collector, outcome.reason, outcome.sampler_died) == ("dcmi", None, False)
    log = read_samples(tmp_path / "power.jsonl")
    main = [reading for reading in log.readings if reading.sensor == "0000:9D:00.0"]
    gaps_s = [(b.t0_ns - a.t0_ns) / 1e9 for a, b in itertools.pairwise(main)]
    assert len(main) >= 14
    assert max(gaps_s) < 0.3
    assert {reading.power_w for reading in main} == {172.0}
