"""Finding collectors by entry point and choosing the first that works."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from powercap_tree import add_zone

from collectors.base import Probe, Sensor
from collectors.registry import Registry, choose, no_sensor_reason
from collectors.vendors.null import NullCollector


@pytest.fixture
def with_third_party(third_party, third_party_env, monkeypatch):
    monkeypatch.syspath_prepend(str(third_party))
    for name in ("TEST_POWERCAP", "TEST_CHILD_PID"):
        monkeypatch.setenv(name, third_party_env[name])


def test_own_collectors_are_registered():
    assert {"dcmi", "npu-smi", "null", "nvml", "rapl"} <= set(Registry.installed().names)


def test_null_says_why():
    choice = choose(["null"])
    assert choice.collector is None
    assert choice.reasons == {"null": "no power is collected by choice"}
    assert NullCollector("asked not to").probe() == Probe(reason="asked not to")


def test_unknown_name_suggests_the_nearest():
    assert choose(["nvlm"]).reasons["nvlm"] == "no collector of this name is installed, did you mean nvml?"
    assert "there are: " in choose(["abacus"]).reasons["abacus"]


@pytest.mark.usefixtures("with_third_party")
def test_first_that_works_is_chosen_with_the_reasons_of_those_before(tmp_path):
    add_zone(tmp_path / "powercap", "intel-rapl:0", "package-0")
    choice = choose(["unloadable", "raising-probe", "null", "live", "hanging"])
    assert choice.collector is not None
    assert choice.name == choice.collector.name == "live"
    assert [sensor.id for sensor in choice.probe.sensors] == ["intel-rapl:0"]
    assert choice.reasons == {
        "unloadable": "failed to load: ModuleNotFoundError: No module named 'module_that_is_not_there'",
        "raising-probe": "probe failed: KeyError: 'chip'",
        "null": "no power is collected by choice",
    }


@pytest.mark.usefixtures("with_third_party")
def test_failure_to_load_is_remembered():
    registry = Registry.installed()
    assert registry.create("unloadable") is None
    assert registry.create("unloadable") is None
    assert "module_that_is_not_there" in registry.failures["unloadable"]


def test_reason_in_one_line():
    assert no_sensor_reason({"nvml": "not found", "rapl": "no domain"}) == "no sensor: nvml: not found; rapl: no domain"
    assert no_sensor_reason({}) == "no sensor: no collector was asked for"


def test_sensor_survives_its_record():
    sensor = Sensor("GPU-1", "card", "average_window", window_s=1.0, devices=(0, 1), power_cap_w=400.0)
    assert Sensor.from_dict({**sensor.to_dict(), "of_a_later_version": 1}) == sensor
    with pytest.raises(ValueError, match="unknown scope 'rack'"):
        Sensor.from_dict({**sensor.to_dict(), "scope": "rack"})


def test_sampler_and_process_start_light():
    script = (
        "import sys, collectors.sampling.process, collectors.sampling.sampler, collectors.registry, collectors.samples;"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'torch', 'mindspore', 'harness', 'pynvml'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0
