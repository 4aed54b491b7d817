"""The nvidia-smi collector on a program of that name: fields, units, fallback. Outputs are made after recorded ones."""

from __future__ import annotations

import re
import time

import pytest
from fake_tools import FOREVER, Block, Reply
from shared import shared_path

from collectors.vendors.nvidia.nvidia_smi import NvidiaSmiCollector
from collectors.vendors.quantity import parse_watts
from collectors.vendors.smi_csv import Columns, power_reading

A, B = "GPU-aaaaaaaa-1111", "GPU-bbbbbbbb-2222"
FIELDS = {
    "uuid": A,
    "name": "NVIDIA A100-SXM4-40GB",
    "power.draw.instant [W]": "255.50 W",
    "power.draw [W]": "250.25 W",
    "utilization.gpu [%]": "97 %",
    "enforced.power.limit [W]": "400.00 W",
    "mig.mode.current": "Disabled",
    "compute_cap": "8.0",
    "driver_version": "550.90.12",
    "pci.bus_id": "00000000:01:00.0",
}
LOOP_TITLES = ("uuid", "power.draw.instant [W]", "power.draw [W]", "utilization.gpu [%]", "pci.bus_id")


def csv(*boards: dict[str, str], titles: tuple[str, ...] | None = None) -> str:
    titles = titles or tuple(boards[0])
    rows = [titles, *([board[title] for title in titles] for board in boards)]
    return "".join(", ".join(row) + "\n" for row in rows)


def without(board: dict[str, str], *names: str) -> dict[str, str]:
    return {title: cell for title, cell in board.items() if title.split()[0] not in names}


def help_of(board: dict[str, str]) -> str:
    return "".join(f'"{title.split()[0]}"\nSection about it.\n\n' for title in board)


def probing(*boards: dict[str, str]) -> list[Reply]:
    return [
        Reply("--help-query-gpu", help_of(boards[0])),
        Reply("^-h", "NVIDIA System Management Interface -- v550.90.12\n"),
        Reply("enforced.power.limit", csv(*boards)),
    ]


def loop(*boards: dict[str, str], n: int = FOREVER) -> Reply:
    header, rows = csv(*boards, titles=LOOP_TITLES).split("\n", 1)
    return Reply("-lms", header + "\n", Block(rows, repeat=n, delay_s=0.02))


@pytest.fixture
def started():
    collectors = []

    def start() -> NvidiaSmiCollector:
        collector = NvidiaSmiCollector({})
        collectors.append(collector)
        assert collector.probe().reason is None
        collector.start(0.1)
        return collector

    yield start
    for collector in collectors:
        collector.stop()
        collector.stop()


def collect(collector: NvidiaSmiCollector, seconds: float) -> list:
    readings, end_s = [], time.monotonic() + seconds
    while time.monotonic() < end_s:
        readings += collector.sample()
        time.sleep(0.02)
    return readings


def test_what_the_sensor_says(fake_tool):
    tool = fake_tool("nvidia-smi", *probing(FIELDS, {**FIELDS, "uuid": B, "pci.bus_id": "00000000:41:00.0"}))
    first, second = NvidiaSmiCollector({}).probe().sensors
    assert (first.id, first.devices, second.id, second.devices) == (A, (0,), B, (1,))
    assert (first.kind, first.window_s, first.power_cap_w, first.shared) == ("instant", 0.025, 400.0, None)
    assert (first.tool_version, first.driver_version) == ("550.90.12", "550.90.12")
    assert [sensor.id for sensor in NvidiaSmiCollector({"CUDA_VISIBLE_DEVICES": B}).probe().sensors] == [B]
    turned = NvidiaSmiCollector({"CUDA_VISIBLE_DEVICES": f"{B},{A}"}).probe().sensors
    assert {sensor.id: sensor.devices for sensor in turned} == {A: (1,), B: (0,)}
    assert "shows no GPU to the job" in str(NvidiaSmiCollector({"CUDA_VISIBLE_DEVICES": ""}).probe().reason)
    assert "power.draw.average" not in tool.calls[1]


@pytest.mark.parametrize(
    ("board", "kind", "window_s"),
    [
        ({**FIELDS, "compute_cap": "8.6"}, "instant", None),
        (without({**FIELDS, "compute_cap": "8.6"}, "power.draw.instant"), "average_window", 1.0),
        (without(FIELDS, "power.draw.instant"), "instant", 0.025),
        ({**FIELDS, "compute_cap": "8.6", "power.draw.instant [W]": "[N/A]"}, "average_window", 1.0),
        (without(FIELDS, "power.draw.instant", "compute_cap"), "average_window", 1.0),
        (
            without({**FIELDS, "power.draw.average [W]": "251.00 W"}, "power.draw.instant", "power.draw"),
            "average_window",
            1.0,
        ),
    ],
)
def test_kind_of_the_value_by_driver_and_chip(fake_tool, board, kind, window_s):
    fake_tool("nvidia-smi", *probing(board))
    (sensor,) = NvidiaSmiCollector({}).probe().sensors
    assert (sensor.kind, sensor.window_s) == (kind, window_s)


def test_fields_that_the_driver_does_not_know_are_left_out_one_by_one(fake_tool):
    board = without(FIELDS, "power.draw.instant", "compute_cap")
    refuse = [
        Reply(name, f'Field "{name}" is not a valid field to query.\n', status=2)
        for name in ("power.draw.instant", "power.draw.average", "compute_cap")
    ]
    fake_tool("nvidia-smi", Reply("--help-query-gpu", "No help.\n"), *refuse, *probing(board)[2:])
    assert [sensor.id for sensor in NvidiaSmiCollector({}).probe().sensors] == [A]


def test_mig_instance_reads_its_board_and_is_shared(fake_tool):
    listing = f"GPU 0: A100 (UUID: {A})\n  MIG 1g.5gb     Device  0: (UUID: MIG-1111)\n"
    fake_tool("nvidia-smi", Reply("^-L", listing), *probing({**FIELDS, "mig.mode.current": "Enabled"}))
    (sensor,) = NvidiaSmiCollector({"CUDA_VISIBLE_DEVICES": "MIG-1111"}).probe().sensors
    assert (sensor.id, sensor.devices) == (A, (0,))
    assert "MIG" in str(sensor.shared)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (
            Reply("", "NVIDIA-SMI has failed because it couldn't communicate with the driver.\n", status=9),
            "communicate",
        ),
        (Reply("", "Failed to initialize NVML: Unknown Error\n"), "Failed to initialize NVML"),
        (Reply("", ""), "printed nothing"),
    ],
)
def test_program_that_does_not_list_a_gpu_says_why(fake_tool, reply, reason):
    fake_tool("nvidia-smi", reply)
    found = NvidiaSmiCollector({}).probe()
    assert found.sensors == ()
    assert reason in str(found.reason)


def test_board_without_power_is_a_reason(fake_tool):
    board = {**FIELDS, "power.draw.instant [W]": "[N/A]", "power.draw [W]": "[Not Supported]"}
    fake_tool("nvidia-smi", *probing(board))
    assert NvidiaSmiCollector({}).probe().reason == f"{A}: power.draw.instant is [N/A], power.draw is [Not Supported]"


def test_rows_of_the_loop_are_readings_at_the_time_they_came(fake_tool, started):
    fake_tool("nvidia-smi", loop(FIELDS, {**FIELDS, "uuid": "GPU-of-another-job"}), *probing(FIELDS))
    before_ns = time.monotonic_ns()
    readings = collect(started(), 0.6)
    assert len(readings) > 10
    assert {(reading.sensor, reading.power_w, reading.utilisation) for reading in readings} == {(A, 255.5, 0.97)}
    times = [reading.t0_ns for reading in readings]
    assert before_ns < times[0] < times[-1] == max(times) < time.monotonic_ns()


@pytest.mark.parametrize(
    "ending",
    [
        Reply("-lms", *loop(FIELDS, n=3).blocks),
        Reply("-lms", *loop(FIELDS, n=3).blocks, Block("Unable to determine the device handle\n", FOREVER, 0.02)),
        Reply("-lms", *loop({**FIELDS, "power.draw.instant [W]": "[Unknown Error]"}).blocks),
        Reply("-lms", status=1),
        Reply("-lms", *loop(FIELDS, n=3).blocks, hang=True),
    ],
    ids=["ends", "prints errors", "cells are errors", "never starts", "falls silent"],
)
def test_loop_that_fails_is_replaced_by_single_calls(fake_tool, started, ending):
    single = {**FIELDS, "power.draw.instant [W]": "199.00 W"}
    tool = fake_tool("nvidia-smi", ending, *probing(FIELDS), Reply("query", csv(single, titles=LOOP_TITLES)))
    readings = collect(started(), 3.2 if ending.hang else 1.2)
    powers = [reading.power_w for reading in readings if reading.power_w is not None]
    assert powers[-1] == 199.0
    assert set(powers) <= {255.5, 199.0}
    assert sum("-lms" in call for call in tool.calls) == 1


def test_single_call_that_fails_is_a_failed_reading_with_the_text(fake_tool, started):
    fake_tool("nvidia-smi", Reply("-lms", status=1), *probing(FIELDS), Reply("query", "GPU is lost\n"))
    readings = collect(started(), 0.8)
    assert readings
    assert {(reading.sensor, reading.power_w, reading.raw) for reading in readings} == {(A, None, "GPU is lost")}


@pytest.mark.parametrize(
    ("cell", "unit", "watts"),
    [
        ("208.36 W", None, 208.36),
        ("208.36", "W", 208.36),
        ("208.36 W", "W", 208.36),
        ("103,5 W", "W", 103.5),
        ("220 Watts", None, 220.0),
        *[(cell, unit, None) for cell in ("208.36 BTU/h", "208.36W W", "208.36 MW") for unit in ("W", None)],
        ("208360 mW", "W", None),
        ("208360 mW", None, 208.36),
        ("208360", "mW", 208.36),
        ("0.20836 kW", None, 208.36),
        ("9" * 5000, "W", None),
        ("208.36 W", "mW", None),
        ("208.36", None, None),
        ("1,234.5 W", None, None),
        ("1,234 W", None, None),
        ("208.", "W", None),
        ("20x.3", "W", None),
        *[
            (sentinel, "W", None)
            for sentinel in (
                "[N/A]",
                "[Not Supported]",
                "[Unknown Error]",
                "[GPU requires reset]",
                "[Insufficient Permissions]",
                "ERR!",
                "",
                "N/A",
            )
        ],
    ],
)
def test_a_cell_is_watts_or_refused(cell, unit, watts):
    if watts is None:
        with pytest.raises(ValueError, match=re.escape(repr(cell[:40]))):
            parse_watts(cell, unit)
    else:
        assert parse_watts(cell, unit) == pytest.approx(watts)


def test_a_cut_row_is_never_read_by_its_decimal_comma():
    columns = Columns.from_line("uuid, power.draw [W], utilization.gpu [%], pci.bus_id", ("uuid",))
    assert columns is not None
    whole = columns.row(f"{A}, 208,36 W, 9 %, 0000:01:00.0")
    assert whole is not None
    assert power_reading(5, A, whole, "power.draw", columns).power_w == 208.36
    for cut in (f"{A}, 208,36, 9", f"{A}, 208", f"{A}, 20{A}, 208.36 W, 9 %, 0000:01:00.0", A):
        assert columns.row(cut) is None


@pytest.mark.parametrize(
    ("name", "powers", "uses"),
    [
        ("nvidia-smi_csv_2080Ti_index_units.txt", [208.36, 249.62, 205.51], {None}),
        ("nvidia-smi_csv_l1_units.txt", [44.94, 45.06, 45.05], {1.0}),
        ("nvidia-smi_csv_GPU-requires-reset.txt", [None], {None}),
    ],
)
def test_recorded_rows_with_units(name, powers, uses):
    header, *rows = shared_path(f"power-samples/{name}").read_text().splitlines()
    columns = Columns.from_line(header, ("power.draw", "index"))
    assert columns is not None
    readings = [power_reading(5, A, columns.row(row) or {}, "power.draw", columns) for row in rows]
    assert [reading.power_w for reading in readings] == powers
    assert {reading.utilisation for reading in readings} == uses
