"""The whole of `crosscast calibrate` on this machine's CPU, with a sensor whose delay and window are known."""

import json
from dataclasses import replace

import pytest

from collectors.base import Sensor
from harness.calibration.store import Calibration, load
from tests.power.test_power_commands import refused

pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_delay_window_and_update_of_a_sensor_that_follows_the_cpu(crosscast, tmp_path):
    """To 0.12 s: the load of other processes on the machine is in the values."""
    done = crosscast("calibrate", "--collectors", "cpu-meter", "--period", 5, "--cycles", 6)
    assert done.returncode == 0, done.stderr + done.stdout
    (path,) = (tmp_path / "results" / "calibration").glob("cpu.cpu-meter.*.json")
    (found,) = Calibration.model_validate_json(path.read_text()).sensors
    assert found.delay_s == pytest.approx(0.3, abs=0.12)
    assert found.window_s == pytest.approx(0.8, abs=0.12)
    assert found.update_period_s == pytest.approx(0.1, rel=0.25)
    assert found.rise_s == pytest.approx(0.64, abs=0.3)
    assert found.loaded_w > found.idle_w + 20

    kept = load(tmp_path / "results", "cpu", "cpu-meter")
    sensor = Sensor("cpu", "node", "average_window", tool_version="1")
    assert kept.of(sensor, "cpu") == kept.of(sensor, None) == found
    assert kept.of(sensor, "another") is None
    assert kept.of(replace(sensor, tool_version="2"), "cpu") is None
    assert load(tmp_path / "results", "cpu", "rapl") is None
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    assert load(tmp_path / "results", "cpu", "cpu-meter") is None


@pytest.mark.slow
def test_sensor_that_does_not_respond_gives_no_numbers(crosscast, tmp_path):
    assert "no sensor responds" in refused(crosscast("calibrate", "--collectors", "deaf", "--period", 2, "--cycles", 3))
    (path,) = (tmp_path / "results" / "calibration").glob("cpu.deaf.*.json")
    (found,) = Calibration.model_validate_json(path.read_text()).sensors
    assert "does not show" in found.reason
    assert (found.delay_s, found.window_s, found.loaded_w) == (None, None, None)


def test_mistakes_are_one_line(crosscast, tmp_path):
    assert "--period" in refused(crosscast("calibrate", "--period", 0))
    assert "did you mean 'ascend910b'" in refused(crosscast("calibrate", "--chip", "ascend910"))
    assert "did you mean 'pytorch'" in refused(crosscast("calibrate", "--framework", "pytorc"))
    assert "no power is collected by choice" in refused(crosscast("calibrate", "--collectors", "null"))
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(crosscast("calibrate", "--results", "file/results"))
