"""`crosscast doctor` through the real command line, on this machine and with a power tool that works."""

import json

import pytest
import yaml

from harness.machine import identity as machine
from harness.scenario import catalogue
from tests.power.test_power_commands import refused


@pytest.mark.slow
def test_facts_of_this_machine_with_a_sensor(crosscast):
    overruling = {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}
    done = crosscast("doctor", "--collectors", "deaf", "--seconds", 6, "--json", **overruling)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [framework["name"] for framework in report["frameworks"]] == ["pytorch", "mindspore"]
    for framework in report["frameworks"]:
        assert (framework["reason"], framework["device_name"]) == (None, "cpu")
        assert framework["packages"]
        assert framework["numerics"]["matmul_bits"] == 24
        assert framework["numerics"]["dropped"] == overruling
    assert (report["host_identity"], report["host"]) == machine.identity()
    assert report["chosen_collector"] == "deaf"
    (sensor,) = report["sensors"]
    assert sensor["update_period_s"] == pytest.approx(0.1, rel=0.3)
    assert sensor["read_interval_s"] == pytest.approx(0.02, rel=0.4)
    assert sensor["n_unique"] == 5
    collectors = {found["name"]: found for found in report["collectors"]}
    assert collectors["deaf"]["sensors"][0]["id"] == "cpu"
    assert collectors["null"]["reason"]
    assert report["load"]["cpu_count"] >= 1


@pytest.mark.slow
def test_tables_name_what_can_be_benched(crosscast, tmp_path):
    chip = yaml.safe_load(catalogue.path_of("chips", "cpu").read_text())
    frameworks = {"pytorch": chip["frameworks"]["pytorch"]}
    (tmp_path / "ours.yaml").write_text(yaml.safe_dump({**chip, "frameworks": frameworks}))
    done = crosscast("doctor", "--chip", "ours.yaml", "--collectors", "null", "--seconds", 1)
    assert done.returncode == 0, done.stderr
    known = machine.identity()
    assert f"Host {known.digest}, known by its {known.kind}" in done.stdout.splitlines()[0]
    assert "ours.yaml can be benched with pytorch\n" in done.stdout
    assert done.stdout.count("24 of 24") == 1
    assert "float32_matmul_precision=highest" in done.stdout
    assert "no power is collected by choice" in " ".join(done.stdout.split())


def test_chip_that_is_not_here_and_mistakes(crosscast):
    message = refused(crosscast("doctor", "--chip", "dcu-z100l", "--json"))
    assert "pytorch: no Hygon DCU Z100L here" in message
    assert "did you mean 'ascend910b'" in refused(crosscast("doctor", "--chip", "ascend910"))
    assert "--seconds" in refused(crosscast("doctor", "--seconds", 0))
