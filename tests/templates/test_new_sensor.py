"""The package of a power sensor that `crosscast new sensor` writes reads what a command prints."""

import os
import sys
from importlib import import_module

import pytest
from click.testing import CliRunner

from collectors.registry import Registry, choose
from harness import templates
from harness.commands.new import new
from harness.errors import UserError
from harness.scenario import catalogue


@pytest.fixture
def sensor(tmp_path, monkeypatch):
    """sensor(shell lines): the module of a new package, installed, whose command runs these lines."""
    templates.write("sensor", "labmeter", tmp_path)
    package = tmp_path / "labmeter"
    metadata = package / "labmeter-0.1.0.dist-info"
    metadata.mkdir()
    project = (package / "pyproject.toml").read_text()
    entry = project.partition('[project.entry-points."crosscast.collectors"]\n')[2].splitlines()[0]
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: labmeter\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(f"[crosscast.collectors]\n{entry.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def made(lines):
        command = tmp_path / "labmeter-watts"
        command.write_text(f"#!/bin/sh\n{lines}\n")
        command.chmod(0o755)
        return import_module("labmeter")

    yield made
    sys.modules.pop("labmeter", None)


@pytest.mark.parametrize(("lines", "power_w"), [("echo 231.5", 231.5), ("echo '231.5 W'", 231.5), ("printf 40", 40.0)])
def test_a_number_is_watts(sensor, lines, power_w):
    sensor(lines)
    choice = choose(["labmeter"], Registry.installed())
    assert choice.reasons == {}
    (found,) = choice.probe.sensors
    assert (found.id, found.scope, found.devices) == ("labmeter:0", "node", ())
    (reading,) = choice.collector.sample()
    assert (reading.sensor, reading.power_w, reading.status) == ("labmeter:0", power_w, "ok")
    assert choice.collector.sample() == ()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("echo N/A", "'N/A' is no power"),
        ("echo 1 kWh", "is not in watts"),
        ("printf '40\\n41\\n'", "is no power"),
        ("true", "'' is no power"),
        ("echo 40; exit 3", "labmeter-watts ended with status 3; 40"),
        ("echo 0", "0"),
    ],
)
def test_anything_else_is_no_measurement(sensor, lines, told):
    (reading,) = sensor(lines).Collector().sample()
    assert reading.power_w is None
    assert told in str(reading.raw)
    assert told in str(choose(["labmeter"], Registry.installed()).probe.reason)


def test_a_command_that_is_not_there_is_named(sensor, tmp_path):
    module = sensor("echo 40")
    (tmp_path / "labmeter-watts").unlink()
    assert module.Collector().probe().reason == "labmeter-watts is not on PATH"


def test_a_chip_takes_its_name_once_it_is_installed(sensor, tmp_path):
    templates.write("chip", "lab", tmp_path)
    path = tmp_path / "lab.yaml"
    path.write_text(path.read_text().replace("[nvml, nvidia-smi]", "[labmetre]"))
    sensor("echo 40")
    with pytest.raises(
        UserError, match=r"did you mean 'labmeter'\?; or make one of your own: crosscast new sensor NAME"
    ):
        catalogue.chip(str(path))
    path.write_text(path.read_text().replace("[labmetre]", "[labmeter]"))
    assert catalogue.chip(str(path)).power_collectors == ("labmeter",)


def test_what_to_do_next_is_said(tmp_path):
    done = CliRunner().invoke(new, ["sensor", "labmeter", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert f"put your command into {tmp_path}/labmeter/labmeter/__init__.py\npip install -e" in done.output
    assert "crosscast doctor --collectors labmeter" in done.output
