"""Reading what npu-smi prints: recorded outputs, layouts made from their description, and tables made at random."""

from __future__ import annotations

import random

import pytest
from fake_npu_smi import mapping, power_block
from hypothesis import given, settings
from hypothesis import strategies as st
from npu_smi_outputs import A3_TABLE, DEVICE_TABLE_310P, NO_CHIP_TABLE, POWER_310, WIDE_TABLE_26
from shared import shared_path

from collectors.vendors.ascend.ascend_errors import error_in
from collectors.vendors.ascend.npu_smi_table import parse_table
from collectors.vendors.ascend.npu_smi_text import WatchRows, parse_blocks, parse_board, parse_listing, parse_mapping
from collectors.vendors.command import clean
from collectors.vendors.quantity import fraction, watts


def recorded(name: str) -> str:
    return clean(shared_path(f"power-samples/{name}").read_bytes())


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("22.0.4.1_910B_1card", "22.0.4.1", {0: (79.4, 0.0)}),
        ("24.1.rc1_910B4_proctable", "24.1.rc1", {0: (81.1, 0.0)}),
        ("25.2.0_910B4-1_3cards_alarm_FIXTURE", "25.2.0", {0: (91.8, 0.0), 1: (89.4, 0.0), 7: (310.5, 0.96)}),
        (
            "23.0.rc3_910B4_8cards",
            "23.0.rc3",
            dict(enumerate((w, 0.0) for w in (82.6, 81.6, 81.0, 83.8, 83.8, 83.8, 90.4, 83.7))),
        ),
        (
            "25.0.rc1.b010_910B3_8cards_load",
            "25.0.rc1.b010",
            dict(
                enumerate(
                    zip(
                        (124.9, 122.0, 124.0, 127.3, 128.3, 122.5, 127.4, 128.6),
                        (0.27, 0.29, 0.29, 0.29, 0.30, 0.29, 0.29, 0.29),
                        strict=True,
                    )
                )
            ),
        ),
    ],
)
def test_the_recorded_tables_give_the_watts_printed_in_them(name, version, expected):
    table = parse_table(recorded(f"npu-smi_info_{name}.txt"))
    assert {card: (read.power_w, read.utilisation) for (card, _), read in table.powers.items()} == expected
    assert (table.tool_version, table.driver_version) == (version, version)
    assert set(table.addresses) == set(table.powers)


def test_the_tables_of_other_chips_and_versions_are_read_by_their_titles():
    a3 = parse_table(A3_TABLE)
    assert {key: (read.power_w, read.absent) for key, read in a3.powers.items()} == {
        (0, 0): (171.5, False),
        (0, 1): (None, True),
        (3, 0): (168.1, False),
        (3, 1): (None, True),
    }
    assert [chip.physical for chip in a3.chips] == [0, 1, 2, 3]
    wide = parse_table(WIDE_TABLE_26)
    assert [(read.power_w, read.utilisation) for read in wide.powers.values()] == [(96.3, 0.17)]
    device = parse_table(DEVICE_TABLE_310P)
    assert [(read.power_w, read.raw) for read in device.powers.values()] == [(None, "NA"), (7.6, "7.6")]
    assert (device.chips[1].logic, device.addresses) == (1, {(2, 0): "0000:01:00.0"})
    assert parse_table(NO_CHIP_TABLE).powers[1, 0].power_w == 290.4


def test_a_device_that_is_told_of_twice_has_no_power():
    twice = parse_table(WIDE_TABLE_26 + WIDE_TABLE_26).powers
    assert twice
    assert [(read.power_w, read.raw) for read in twice.values()] == [(None, "listed twice")] * len(twice)
    block = "NPU ID : 3\nChip Count : 2\n\n"
    powers = "".join(
        f"NPU Real-time Power(W) : {power_w}\nChip ID : {chip}\n\n" for chip, power_w in ((0, 70), (1, 60))
    )
    again = "NPU Real-time Power(W) : 80\nChip ID : 0\n"
    assert {chip: read.power_w for chip, read in parse_blocks(block + powers + again).chips.items()} == {0: None, 1: 60}


def test_a_table_cut_anywhere_gives_right_watts_or_none():
    whole = parse_table(WIDE_TABLE_26 + A3_TABLE).powers
    text = WIDE_TABLE_26 + A3_TABLE
    for cut in range(0, len(text), 11):
        for key, read in parse_table(text[:cut]).powers.items():
            assert read.power_w in (None, whole[key].power_w)


def test_blocks_give_each_chip_its_own_power_and_never_the_controllers():
    assert parse_blocks(recorded("npu-smi_t-power_910B_25.5.1.txt")).chips[0].power_w == 103.5
    common = parse_blocks(recorded("npu-smi_t-common_910B_mcu.txt"))
    assert {chip: (read.power_w, read.utilisation) for chip, read in common.chips.items()} == {0: (69.0, 0.0)}
    assert parse_blocks(recorded("npu-smi_t-usages_910B_25.5.1.txt")).chips == {}
    two = power_block((0, "50.1"), (1, "60.2"))
    for text in (two, "\n".join(line for line in two.split("\n") if line.strip()) + "\n"):
        assert {chip: read.power_w for chip, read in parse_blocks(text).chips.items()} == {0: 50.1, 1: 60.2}
    before = "Chip ID : 0\nNPU Real-time Power(W) : 50.1\nChip ID : 1\nNPU Real-time Power(W) : 60.2\n"
    mcu = "Chip Name : mcu\nNPU Real-time Power(W) : 45.2\n"
    for text in (before, before + mcu, f"{before}\n{mcu}"):
        assert {chip: read.power_w for chip, read in parse_blocks(text).chips.items()} == {0: 50.1, 1: 60.2}
    assert parse_blocks(mcu) == parse_blocks("")


def test_the_310_has_the_power_of_its_card_and_never_the_rated_one():
    read = parse_blocks(POWER_310)
    assert (read.chips, read.board.power_w) == ({}, 31.4)
    assert parse_blocks(power_block((0, "12.8"), label="Power Dissipation(W)")).chips[0].power_w == 12.8
    assert parse_blocks(power_block((0, "12.8"), label="Rated Power Dissipation(W)")).chips == {}


@pytest.mark.parametrize(
    ("label", "value", "expected"),
    [
        ("NPU Real-time Power(W)", "103,5", 103.5),
        ("NPU Real-time Power(mW)", "103500", 103.5),
        ("NPU Real-time Power(W)", "103.5 W", 103.5),
        ("NPU Real-time Power", "103.5", None),
        ("NPU Real-time Power(W)", "103500 mW", None),
        ("NPU Real-time Power(W)", "103,500", None),
        ("NPU Real-time Power(BTU/h)", "353", None),
        ("NPU Real-time Power(W)", "NA", None),
        ("NPU Real-time Power(W)", "-", None),
        ("NPU Real-time Power(W)", "1O3.5", None),
    ],
)
def test_a_value_is_right_or_none_with_its_raw_text(label, value, expected):
    read = parse_blocks(power_block((0, value), label=label)).chips[0]
    assert (read.power_w, read.raw) == (expected if expected is None else pytest.approx(expected), value)


def test_a_cut_last_line_is_left_out():
    text = power_block((0, "103.5"))
    for cut in range(len(text)):
        assert [read.power_w for read in parse_blocks(text[:cut]).chips.values()] in ([], [103.5])


def test_numbers_without_a_unit_or_out_of_range_are_none():
    assert watts("90.1", None) is None
    assert watts("90.1", "W") == 90.1
    assert (fraction("100"), fraction("101"), fraction("NA"), fraction(None)) == (1.0, None, None, None)


def test_the_recorded_watch_stream_gives_all_its_rows():
    rows = WatchRows()
    text = recorded("npu-smi_watch_910B_31s.txt")
    read = [row for line in text.splitlines() if (row := rows.read(line))]
    expected = [float(line.split()[2]) for line in text.splitlines()[1:]]
    assert len(expected) == 31
    assert [power.power_w for _, power in read] == expected
    assert {key for key, _ in read} == {(2, 0)}


def test_watch_rows_are_read_under_their_titles_and_a_torn_one_has_no_power():
    rows = WatchRows()
    assert rows.read("2           0           90.1        34") is None
    rows.read("NpuID(Idx)  AI Core(%)  Pwr(W)      ")
    key, read = rows.read("5           30          290.4       ")
    assert (key, read.power_w, read.utilisation) == ((5, 0), 290.4, 0.3)
    rows.read("NpuID(Idx)  ChipId(Idx) Pwr(W)      AI Core(%)  ")
    assert rows.read("2           0           9")[1].power_w is None
    assert rows.read("2           0           NA          0           ")[1].power_w is None
    assert rows.read("2           1           -           0           ")[1].absent
    assert rows.read("dcmi module initialize failed. ret is -8005") is None


def test_mappings_have_gaps_controllers_and_more_than_one_chip_a_card():
    chips = parse_mapping(recorded("npu-smi_info-m_910B.txt"))
    assert [(chip.card, chip.chip, chip.logic, chip.name) for chip in chips] == [
        (k, 0, k, "Ascend xxx") for k in range(8)
    ]
    assert [chip.key for chip in parse_mapping(mapping((0, 0, 0, "Ascend 910B3"), (7, 0, 1, "Ascend 910B3")))] == [
        (0, 0),
        (7, 0),
    ]
    physical = """
    NPU ID   Chip ID  Chip Logic ID  Chip Phy-ID Chip Name
    5        0        0              10          Ascend910
    5        1        1              11          Ascend910
    5        2        -              -           Mcu
"""
    assert [(chip.key, chip.logic, chip.physical) for chip in parse_mapping(physical)] == [
        ((5, 0), 0, 10),
        ((5, 1), 1, 11),
    ]
    assert parse_mapping(mapping((0, 0, 0, "A"), (1, 0, 0, "A"))) == []


def test_listing_and_board():
    assert [chip.key for chip in parse_listing(recorded("npu-smi_info-l_910B_25.5.1.txt"))] == [
        (k, 0) for k in range(8)
    ]
    board = parse_board(recorded("npu-smi_t-board_910B_25.5.1.txt"))
    assert (board["pcie bus info"], board["serial number"]) == ("0000:C1:00.0", "1025C9048791")
    assert "model" not in board


def test_errors_that_are_printed_name_the_remedy():
    assert "usermod -aG HwHiAiUser" in str(error_in(recorded("npu-smi_error_no-permission_8005.txt")))
    assert "not mounted" in str(error_in(recorded("npu-smi_error_device-used_8020.txt")))
    assert error_in(recorded("npu-smi_info_23.0.rc3_910B4_8cards.txt")) is None


@pytest.mark.parametrize("values", ["            47", "            12 30", "90.1 ", "   90.1     12"])
def test_a_value_that_stands_under_another_title_is_never_the_power(values):
    rows = WatchRows()
    rows.read("NpuID(Idx)  Pwr(W)      Temp(C)     ")
    read = rows.read(f"3           {values}")
    assert read is None or read[1].power_w in (None, 90.1)


OTHERS = ("Temp(C)", "Volt(mV)", "Fan", "Power Cap(W)", "Slot", "HBM Temp(C)", "Aging")


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), devices=st.integers(1, 4), empty_cells=st.booleans())
def test_any_table_gives_the_right_watts_of_each_device_or_none(seed, devices, empty_cells):
    made = random.Random(seed)
    columns = [["NPU", "Name"], ["Health"], ["Power(W)", "Temp(C)"]], [["Chip"], ["Bus-Id"], ["AICore(%)"]]
    for row in columns:
        for _ in range(made.randrange(3)):
            cell = made.choice(row)
            cell.insert(made.randrange(len(cell) + 1), made.choice(OTHERS))
    if made.random() < 0.5:
        for row in columns:
            row.insert(made.randrange(len(row) + 1), [made.choice(OTHERS)])
    if made.random() < 0.2:
        columns[0][-1] = ["Temp(C)"]
    widths = [[[max(len(title), 12) + made.randint(2, 12) for title in cell] for cell in row] for row in columns]

    def line(row: int, values) -> str:
        cells = (
            " " + "".join(f"{values(title)!s:<{width}}" for title, width in zip(cell, sizes, strict=True))
            for cell, sizes in zip(columns[row], widths[row], strict=True)
        )
        return "|" + "|".join(cells) + "|\n"

    expected = {}
    rule = "+=====+====+\n"
    text = "+----+\n" + line(0, str) + line(1, str) + rule
    for device in range(devices):
        power = f"{made.randint(600, 3500) / 10}"
        has_power = any("Power(W)" in cell for cell in columns[0])
        if empty_cells and made.random() < 0.4:
            power = ""
        expected[device * 2, 0] = float(power) if has_power and power else None
        told = {
            "NPU": device * 2,
            "Chip": 0,
            "Power(W)": power,
            "Name": made.choice(("910B3", "Ascend 910B3", "310 910")),
        }

        def value(title, told=told):
            if title in told:
                return told[title]
            number = (made.randint(0, 99), "NA", "-")
            forms = {"Health": ("OK", "Alarm", "NA"), "Bus-Id": ("0000:C1:00.0", "NA")}
            anything = (*number, "1 / 2", "OK")
            fitting = forms.get(title, number if title.endswith(("(C)", "(mV)", "(%)")) else anything)
            return made.choice((*fitting, "", "12 30") if empty_cells else fitting)

        text += line(0, value) + line(1, value) + rule
    read = parse_table(text).powers
    for key, power in read.items():
        assert power.power_w in (None, expected[key])
    if not empty_cells and None not in expected.values():
        assert {key: power.power_w for key, power in read.items()} == expected
