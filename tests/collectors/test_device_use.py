"""Memory and use of devices as tools tell them beside their power: from what they print to what a launch keeps."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from drm_tree import add_board
from power_logs import at_ns, every, log_of

from collectors.accounting.device_use import DeviceUse, device_uses
from collectors.base import Reading, Sensor
from collectors.samples import encode, read_parquet, reading_record, to_parquet
from collectors.sampling.log_lines import BadLine, check_fields
from collectors.vendors.ascend.npu_smi_table import parse_table
from collectors.vendors.host.hwmon import HYGON, find_machine
from collectors.vendors.hygon_amd import rocm_smi_text
from collectors.vendors.smi_csv import read_smi_log
from tests.shared import shared_path

GIB = 1 << 30
MIB = 1 << 20


def recorded(name: str) -> str:
    return shared_path(f"power-samples/{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "taken_mib"),
    [
        ("npu-smi_info_25.0.rc1.b010_910B3_8cards_load", [59718, 59715, 59714, 59716, 59714, 59715, 59714, 59715]),
        ("npu-smi_info_22.0.4.1_910B_1card", [None]),
    ],
)
def test_table_of_npu_smi_tells_hbm_and_nothing_is_not_0(name, taken_mib):
    powers = parse_table(recorded(name)).powers
    assert [power.taken_bytes and power.taken_bytes / MIB for power in powers.values()] == taken_mib


def test_without_hbm_the_memory_of_the_chip_is_ddr():
    table = recorded("npu-smi_info_22.0.4.1_910B_1card").replace("0    / 32768 ", "0    / 0     ")
    assert [power.taken_bytes for power in parse_table(table).powers.values()] == [1979 * MIB]


def test_table_of_hy_smi_tells_whole_per_cent():
    table = recorded("hy-smi_table_HCU_K100AI_dtk25.04.2").replace("400.0W     0%", "400.0W     53%", 1)
    assert [row.taken for row in rocm_smi_text.rows(table).values()] == [0.53, None, None, None]


def test_nvidia_smi_tells_mib():
    log = read_smi_log(shared_path("power-samples/nvidia-smi_csv_l1_units.txt"))
    assert {reading.memory_bytes for reading in log.readings} == {2163 * MIB}
    older = read_smi_log(shared_path("power-samples/nvidia-smi_csv_2080Ti_index_units.txt"))
    assert {reading.memory_bytes for reading in older.readings} == {None}


def test_kernel_tells_bytes_of_a_board(tmp_path):
    monitor = add_board(tmp_path, 0, "0000:33:00.0", power_uw=90_000_000)
    (board,) = find_machine((HYGON,), tmp_path / "sys", tmp_path / "dev").boards
    assert board.read().memory_bytes is None
    (monitor.parents[1] / "mem_info_vram_used").write_text("17179869184\n")
    assert board.read().memory_bytes == 16 * GIB


POWER = Sensor("gpu", "card", "instant", devices=(0,))
SHARED = replace(POWER, shared="MIG: the power is that of the whole board")
CHECK = Sensor("tool", "card", "instant", devices=(0,), checks="gpu")


def reading(t_s: float, sensor: str = "gpu", **told) -> Reading:
    return Reading(at_ns(t_s), at_ns(t_s), sensor, 100.0, **told)


def uses(readings, sensors=(POWER,), count=1, whole=(0.0, 20.0), busy=((5.0, 15.0),)):
    log = log_of(readings, sensors=sensors)
    return device_uses(log, count, tuple(map(at_ns, whole)), [tuple(map(at_ns, span)) for span in busy])


def test_most_memory_of_the_work_and_median_use_of_the_epochs():
    """30 % in the first half of the epochs, 40 % in the second: of 11 readings the sixth is 40 %."""
    readings = [
        reading(t_s, utilisation=0.3 if t_s < 10 else 0.4 if t_s <= 15 else 1.0, memory_bytes=round(t_s) * GIB)
        for t_s in every(1, 30)
    ]
    assert uses(readings) == (DeviceUse(device=0, memory_bytes=20 * GIB, utilisation=0.4),)


@pytest.mark.parametrize("busy", [(), ((5.0, 9.9),), ((5.0, 9.0), (9.5, 9.9))])
def test_no_use_of_epochs_shorter_than_5_s(busy):
    readings = [reading(t_s, utilisation=0.3) for t_s in every(0.1, 20)]
    assert uses(readings, busy=busy) == ()


def test_use_that_was_read_less_than_5_times_is_none():
    assert uses([reading(t_s, utilisation=0.3) for t_s in every(3, 18)]) == ()


def test_second_opinion_tells_what_the_first_does_not():
    readings = [reading(t_s, utilisation=0.9) for t_s in every(1, 20)]
    readings += [reading(t_s, "tool", utilisation=0.1, memory_fraction=0.5) for t_s in every(1, 20)]
    assert uses(readings, (CHECK, POWER)) == (DeviceUse(device=0, memory_fraction=0.5, utilisation=0.9),)


@pytest.mark.parametrize(
    "sensors",
    [
        (SHARED,),
        (replace(POWER, devices=(0, 1)),),
        (replace(POWER, devices=(1,)),),
        (replace(POWER, kind="replay"),),
        (replace(POWER, devices=()), Sensor("other", "card", "instant")),
        (replace(POWER, scope="node", devices=()),),
    ],
    ids=["shared", "two devices", "another device", "replay", "which one", "host"],
)
def test_nothing_is_told_of_a_device_by_what_is_not_its_own_sensor(sensors):
    assert uses([reading(t_s, utilisation=0.3, memory_bytes=GIB) for t_s in every(1, 20)], sensors) == ()


def test_only_board_of_a_job_on_one_device_is_that_device():
    (use,) = uses([reading(1.0, memory_bytes=GIB)], (replace(POWER, devices=()),))
    assert use == DeviceUse(device=0, memory_bytes=GIB)


def test_log_keeps_both_and_a_file_of_before_has_neither(tmp_path):
    lines = tmp_path / "power.jsonl"
    told = [reading(1.0, memory_bytes=3 * GIB, utilisation=0.25), reading(2.0, memory_fraction=0.5), reading(3.0)]
    log = log_of(told)
    records = [log.header.to_dict(), *map(reading_record, told), log.end]
    lines.write_bytes(b"".join(map(encode, records)))
    kept = tmp_path / "power.parquet"
    assert to_parquet(lines, kept).readings == read_parquet(kept).readings == log.readings
    old = pq.read_table(kept).drop_columns(["memory_bytes", "memory_fraction"])
    pq.write_table(old, kept)
    assert [each.utilisation for each in read_parquet(kept).readings] == [0.25, None, None]
    assert {(each.memory_bytes, each.memory_fraction) for each in read_parquet(kept).readings} == {(None, None)}


@pytest.mark.parametrize("size", [-1, 1.5, True, "3 GiB", 10**16])
def test_size_that_no_device_has_is_a_bad_line(size):
    record = {"t0_ns": 1, "t1_ns": 2, "sensor": "gpu", "power_w": 1.0, "memory_bytes": size}
    with pytest.raises(BadLine, match=f"memory_bytes is {json.dumps(size)}"):
        check_fields("power", record)
