"""Which board each device's power belongs to: rocm-smi, hy-smi and amd-smi without sysfs, and beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from drm_tree import add_board, add_node
from fake_tools import Reply

from collectors.vendors.hygon_amd.amd_smi import AmdSmiCollector
from collectors.vendors.hygon_amd.rocm_smi import HySmiCollector, RocmSmiCollector
from tests.shared import shared_path

A, B, C = "0000:03:00.0", "0000:26:00.0", "0000:43:00.0"
MI250 = {"vendor": "0x1002", "device": "0x740c"}


@pytest.fixture
def sensors(fake_tool, tmp_path: Path, monkeypatch):
    """sensors(kind, *replies, **environ): what a collector finds with this tool, sysfs as the test made it."""

    def find(kind, *replies: Reply, **environ: str):
        fake_tool(kind.tool.program, *replies)
        found = kind(environ, tmp_path / "sys", tmp_path / "dev", 3.0).probe()
        return found.sensors or found.reason

    return find


def lines(*powers: str, prefix: str = "GPU") -> str:
    label = "Average Graphics Package Power (W)"
    return "".join(f"{prefix}[{k}]\t\t: {label}: {power}\n" for k, power in enumerate(powers))


def bus(*addresses: str) -> str:
    return "".join(f"GPU[{k}]\t\t: PCI Bus: {address}\n" for k, address in enumerate(addresses))


def metric(*powers: object) -> str:
    gpus = (f'{{"gpu": {k}, "power": {{"socket_power": {{"value": {w}, "unit": "W"}}}}}}' for k, w in enumerate(powers))
    return f"[{', '.join(gpus)}]"


def listed(*addresses: str) -> str:
    gpus = (f'{{"gpu": {number}, "bdf": "{address}"}}' for number, address in enumerate(addresses))
    return f"[{', '.join(gpus)}]"


@pytest.mark.parametrize(
    "text",
    [
        '{"card0": {"GPU use (%)": "7%"}, "card1": {"Average Graphics Package Power (W)": "250.0"}}',
        "GPU[0]\t\t: get_power_avg, Not supported on the given system\n"
        "GPU[0]\t\t: GPU use (%): 7\nGPU[1]\t\t: Average Graphics Package Power (W): 250.0\n",
        "device,Average Graphics Package Power (W)\ncard0,N/A\ncard1,250.0\n",
        "GPU  Temp   AvgPwr  Perf\n0    30.0c  N/A     auto\n1    30.0c  250.0W  auto\n",
    ],
)
def test_a_device_without_power_never_gets_that_of_the_next(sensors, text):
    (sensor,) = sensors(RocmSmiCollector, Reply("showbus", status=2), Reply("", text))
    assert (sensor.devices, sensor.power_cap_w) == ((1,), None)
    assert isinstance(sensors(RocmSmiCollector, Reply("", text), HIP_VISIBLE_DEVICES="0"), str)


@pytest.mark.parametrize("numbers", [(1,), (0, 2), (2, 3)])
def test_numbers_with_gaps_need_addresses(sensors, numbers):
    text = "".join(f"GPU[{k}]\t\t: Average Graphics Package Power (W): {50 + k}.0\n" for k in numbers)
    reason = sensors(RocmSmiCollector, Reply("", text))
    assert f"devices {', '.join(map(str, numbers))} are listed without addresses" in reason
    addresses = bus(A, B, C, "0000:63:00.0")
    found = sensors(RocmSmiCollector, Reply("showbus", addresses), Reply("", text))
    assert [sensor.devices for sensor in found] == [(k,) for k in numbers]


def test_a_table_may_count_from_one(sensors):
    table = "DCU  Temp   AvgPwr  Perf\n1    30.0c  50.0W   auto\n2    30.0c  60.0W   auto\n"
    found = sensors(HySmiCollector, Reply("showbus", status=2), Reply("^$", table))
    assert [sensor.devices for sensor in found] == [(0,), (1,)]


def test_one_die_of_two_shares_the_cards_power(sensors):
    text = lines("237.0", "N/A (Secondary die)")
    (sensor,) = sensors(RocmSmiCollector, Reply("showbus", status=2), Reply("", text))
    assert (sensor.devices, sensor.shared) == ((0, 1), None)
    for die in ("0", "1"):
        (sensor,) = sensors(RocmSmiCollector, Reply("", text), HIP_VISIBLE_DEVICES=die)
        assert sensor.devices == (0,)
        assert "both dies" in str(sensor.shared)


def test_dies_that_repeat_a_power_in_hwmon_or_in_the_tool_are_one_card(sensors, tmp_path):
    for card, pci in enumerate((A, B)):
        add_board(tmp_path, card, pci, power_uw=237_000_000, **MI250)
    (sensor,) = sensors(RocmSmiCollector, Reply("", status=2))
    assert (sensor.id, sensor.devices) == (A, (0, 1))
    (sensor,) = sensors(RocmSmiCollector, Reply("", status=2), HIP_VISIBLE_DEVICES="1")
    assert "both dies" in str(sensor.shared)
    (tmp_path / "sys/devices/pci0000:00" / B / "hwmon/hwmon3/power1_average").write_text("200000000\n")
    assert len(sensors(RocmSmiCollector, Reply("", status=2))) == 2
    main, check = sensors(RocmSmiCollector, Reply("showbus", bus(A, B)), Reply("", lines("237.0", "237.0")))
    assert (main.devices, check.checks) == ((0, 1), A)


@pytest.mark.parametrize("functions", [range(8), [0] * 8])
@pytest.mark.parametrize("powers", [[140] * 8, [140, *['"N/A"'] * 7], ['"N/A"', *[140] * 7]])
def test_partitions_have_their_boards_power_once_and_shared(sensors, functions, powers):
    addresses = listed(*(f"0000:0c:00.{function}" for function in functions))
    replies = Reply("^list", addresses), Reply("^metric", metric(*powers))
    (sensor,) = sensors(AmdSmiCollector, *replies)
    assert (sensor.id, sensor.devices) == ("0000:0c:00.0", tuple(range(8)))
    assert "8 partitions" in str(sensor.shared)
    (sensor,) = sensors(AmdSmiCollector, *replies, HIP_VISIBLE_DEVICES="3")
    assert sensor.devices == (0,)
    assert "8 partitions" in str(sensor.shared)


def test_partitions_without_addresses_are_shared_or_left_out(sensors):
    found = sensors(AmdSmiCollector, Reply("^list", status=2), Reply("^metric", metric(140, 140, 140)))
    assert all("partitions of one board" in str(sensor.shared) for sensor in found)
    (sensor,) = sensors(AmdSmiCollector, Reply("^list", listed(A, "N/A")), Reply("^metric", metric(140, 140)))
    assert sensor.devices == (0,)


def test_partitions_that_only_the_kernel_shows_have_the_tools_power_once(sensors, tmp_path):
    add_board(tmp_path, 0, A, partition="CPX", vendor="0x1002", device="0x74a1")
    for number in range(4):
        add_node(tmp_path, number + 1, A, function=number)
    addresses = listed(*(f"0000:03:00.{function}" for function in range(4)))
    (sensor,) = sensors(AmdSmiCollector, Reply("^list", addresses), Reply("^metric", metric(140, 140, 140, 140)))
    assert (sensor.id, sensor.devices) == (A, (0, 1, 2, 3))
    assert "CPX" in str(sensor.shared)


@pytest.mark.parametrize(("mode", "shared"), [("Normal", False), ("N/A", False), ("MIG", True), ("vDCU", True)])
def test_a_mode_that_divides_a_board_is_shared(sensors, tmp_path, mode, shared):
    table = f"HCU  Temp   AvgPwr  Perf  PwrCap   HCU%  Mode\n0    51.0C  91.0W   auto  1000.0W  0.0%  {mode}\n"
    (sensor,) = sensors(HySmiCollector, Reply("showbus", status=2), Reply("^$", table))
    assert (mode in str(sensor.shared)) == shared
    add_board(tmp_path, 0, A, power_uw=91_000_000)
    main, check = sensors(HySmiCollector, Reply("showbus", bus(A)), Reply("^$", table))
    assert [mode in str(sensor.shared) for sensor in (main, check)] == [shared, shared]


@pytest.mark.parametrize("form", ["{}", "{} --> SN: 01-000000-00AAA0 --> OAM ID: 1", "0000{}"])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_boards_are_found_by_their_address_in_any_form(sensors, tmp_path, form, case):
    add_board(tmp_path, 0, "0000:0a:00.0")
    add_board(tmp_path, 1, "0000:36:00.0")
    replies = (
        Reply("showbus", bus(*(form.format(case(pci)) for pci in ("0000:36:00.0", "0000:0a:00.0")))),
        Reply("", lines("10.0", "20.0", prefix="HCU")),
    )
    (sensor,) = sensors(RocmSmiCollector, *replies, HIP_VISIBLE_DEVICES="1")
    assert sensor.id == "0000:36:00.0"
    (sensor,) = sensors(RocmSmiCollector, replies[0], Reply("", lines("10.0", prefix="HCU")))
    assert (sensor.id, sensor.devices) == ("0000:36:00.0", (1,))


def test_a_wide_domain_keeps_its_board(sensors, tmp_path):
    add_board(tmp_path, 0, "10000:0a:00.0")
    (sensor,) = sensors(
        RocmSmiCollector, Reply("showbus", bus("00010000:0A:00.0")), Reply("", lines("20.0", prefix="HCU"))
    )
    assert sensor.id == "10000:0a:00.0"


def test_output_that_cannot_be_read_is_named(sensors):
    reason = sensors(AmdSmiCollector, Reply("", "[" * 100_000 + "\n"))
    assert "amd-smi cannot be read: its JSON is nested too deep to be read" in reason


def test_the_cases_that_were_found(sensors):
    case = {path.name: path.read_text() for path in shared_path("cases/power").glob("0*.*")}
    (sensor,) = sensors(RocmSmiCollector, Reply("bus", status=2), Reply("", case["04-first-device-without-power.json"]))
    assert sensor.devices == (1,)
    one = {"HIP_VISIBLE_DEVICES": "0"}
    (sensor,) = sensors(RocmSmiCollector, Reply("", case["05-mi250-one-die.lines.txt"]), **one)
    assert sensor.shared
    replies = Reply("^list", case["06-amd-smi-cpx.list.json"]), Reply("", case["06-amd-smi-cpx.metric.json"])
    assert len(sensors(AmdSmiCollector, *replies)) == 1
    found = sensors(HySmiCollector, Reply("", case["07-hy-smi-mode-mig.txt"]))
    assert [bool(sensor.shared) for sensor in found] == [False, True]
    replies = Reply("bus", case["08-showbus-suffix.txt"]), Reply("", lines("10.0", "20.0", prefix="HCU"))
    assert [sensor.id for sensor in sensors(HySmiCollector, *replies)] == ["0000:36:00.0", "0000:09:00.0"]
