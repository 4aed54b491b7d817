"""Recorded nvidia-smi logs through our accounting, against the mean powers found by others on the same files."""

from __future__ import annotations

import pytest
from power_logs import ANY_LENGTH
from shared import shared_path

from collectors.accounting.energy import window_energy
from collectors.accounting.energy_curve import midpoint_ns
from collectors.samples import SampleLog
from collectors.vendors.smi_csv import read_smi_log


def over_the_whole(log: SampleLog):
    times_ns = [midpoint_ns(reading) for reading in log.readings]
    return window_energy(log, min(times_ns), max(times_ns), limits=ANY_LENGTH)


@pytest.mark.parametrize(
    ("chip", "mean_power_w", "digit_w", "duration_s"), [("A100", 103.23, 0.01, 12.678), ("3090", 233.0, 0.1, 12.326)]
)
def test_mean_power_agrees_to_every_digit_given(chip, mean_power_w, digit_w, duration_s):
    log = read_smi_log(shared_path(f"power-samples/nvidia-smi_lms_5050load_{chip}.csv"), "power.draw")
    found = over_the_whole(log)
    assert found.reasons == ()
    assert abs(found.mean_power_w - mean_power_w) <= digit_w / 2
    assert found.duration_s == pytest.approx(duration_s, abs=1e-9)
    assert found.n_samples == len(log.readings) == {"A100": 965, "3090": 1690}[chip]
    assert log.n_bad_lines == 0


def test_the_momentary_column_is_preferred():
    path = shared_path("power-samples/nvidia-smi_lms_5050load_3090.csv")
    log = read_smi_log(path)
    assert log.readings[0].power_w == 126.80
    assert (log.sensors[0].kind, read_smi_log(path, "power.draw").sensors[0].kind) == ("instant", "average_window")


def test_boards_are_told_apart_and_bad_lines_are_counted(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "timestamp, index, power.draw [W]\n"
        "2023/07/14 10:12:46.000, 0, 100.00 W\n2023/07/14 10:12:46.010, 1, [N/A]\n"
        "Unable to determine the device handle\n"
        "2023/07/14 10:12:47.000, 0, 300.00 W\n2023/07/14 10:12:47.010, 1, 60.00 W\n2023/07/14 10:1\n"
    )
    log = read_smi_log(path)
    assert [sensor.id for sensor in log.sensors] == ["GPU 0", "GPU 1"]
    assert [reading.power_w for reading in log.readings] == [100.0, None, 300.0, 60.0]
    assert log.readings[3].t0_ns == 1_010_000_000
    assert log.n_bad_lines == 2
    assert log.header.wall_ns == 1_689_329_566_000_000_000


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        ("", "is no nvidia-smi log"),
        ("timestamp, utilization.gpu [%]\n", "is no nvidia-smi log"),
        ("timestamp, power.draw [W]\nyesterday, 3 W\n", "has no row with a time"),
    ],
)
def test_a_file_that_is_no_log_says_why(tmp_path, content, problem):
    path = tmp_path / "log.csv"
    if content is not None:
        path.write_text(content)
    assert problem in str(read_smi_log(path).problem)
