"""Outputs of npu-smi that once gave a wrong power, and their kinds: each gives the right watts or none."""

from __future__ import annotations

import random

import pytest
from fake_npu_smi import FakeNpuSmi, mapping, power_block, watch_row, watch_script
from npu_smi_outputs import A3_TABLE, WIDE_TABLE_26
from shared import shared_path

from collectors.vendors.ascend import npu_smi_reader
from collectors.vendors.ascend.ascend_cards import repeated
from collectors.vendors.ascend.npu_smi import NpuSmiCollector
from collectors.vendors.ascend.npu_smi_reader import CardReader, Round
from collectors.vendors.ascend.npu_smi_table import parse_table
from collectors.vendors.ascend.npu_smi_text import (
    CardPower,
    ChipPower,
    WatchRows,
    parse_blocks,
    parse_listing,
    parse_mapping,
)
from collectors.vendors.command import clean

RULE = "+===========================+===============+====================================================+\n"
TITLES = (
    "| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|\n"
    "| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |\n"
) + RULE
FIRST = "| 4     910B3               | OK            | 104.5       41                0    / 0             |\n"
SECOND = "| 0                         | 0000:C1:00.0  | 27          0    / 0          59718/ 65536         |\n"

TABLE_950 = """\
+--------+------------------+---------------+----------------------------------------------------------------------+
| npu-smi 25.6.rc1.b218                            Version: 25.6.rc1.b218                |
+--------+------------------+---------------+----------------------------------------------------------------------+
| NPU ID | Name             | Health        | Power(W)              Temp(C)                  Hugepages-Usage(page) |
|        |                  | Bus-Id        | NPU Util(%)           Memory-Usage(MB)         HBM-Usage(MB)         |
+========+==================+===============+======================================================================+
| 0      | Ascend950DT      | OK            | 398.6                 46                       0     / 0             |
|        |                  | NA            | 0                     0     / 0                4765  / 98304         |
+===========================+===============+======================================================================+
| 7      | Ascend950DT      | Warning       | 397.5                 61                       0     / 0             |
|        |                  | NA            | 42                    0     / 0                91000 / 98304         |
+===========================+===============+======================================================================+
"""
COMMON_310P = """\
NPU ID                         : 1
Chip Count                     : 2

Chip ID                        : 0
Temperature(C)                 : 60

Chip ID                        : 1
Temperature(C)                 : 59

Chip Name                      : mcu
Temperature(C)                 : 48
NPU Real-time Power(W)         : 45.2
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    program = FakeNpuSmi(tmp_path)
    for name in ("PATH", "NPU_SMI_FOLDER"):
        monkeypatch.setenv(name, program.environment[name])
    for name in ("LINE_LIMIT_S", "ASK_LIMIT_S"):
        monkeypatch.setattr(npu_smi_reader, name, 0.6)
    monkeypatch.setattr("collectors.vendors.ascend.npu_smi_inventory.ASK_LIMIT_S", 1.0)
    return program


def powers(text: str) -> dict[tuple[int, int], float | None]:
    return {key: read.power_w for key, read in parse_table(text).powers.items()}


def test_the_950_has_its_card_in_a_cell_of_its_own_and_no_chip(smi):
    assert powers(TABLE_950) == {(0, 0): 398.6, (7, 0): 397.5}
    assert [read.utilisation for read in parse_table(TABLE_950).powers.values()] == [0.0, 0.42]
    smi.say("table", TABLE_950)
    found = NpuSmiCollector({}).probe()
    assert [(sensor.name, sensor.devices) for sensor in found.sensors] == [("Ascend950DT", (0,)), ("Ascend950DT", (1,))]


def test_the_reason_is_what_each_call_said(smi):
    smi.say("map", "This device does not support querying map.\n")
    smi.say("table", "The table is under repair.\n")
    reason = str(NpuSmiCollector({}).probe().reason)
    assert "does not support querying map. (info -m)" in reason
    assert "Error parameter of list (info -l)" in reason
    assert "The table is under repair. (info)" in reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("dcmi module initialize failed. ret is -8005", "usermod"),
        ("device is used. ret is -8020", "not mounted"),
        ("ret is -8123", "not a documented code"),
    ],
)
def test_the_tools_own_error_reaches_the_user_with_what_it_means(smi, error, told):
    for name in ("map", "list", "table"):
        smi.say(name, f"DrvMngGetConsoleLogLevel failed. (ret=4)\n{error}\n")
    reason = str(NpuSmiCollector({}).probe().reason)
    assert error in reason
    assert told in reason


@pytest.mark.parametrize(
    "cell",
    ["10 4.5", "104. 5", "1 04.5", "104.5 OK", "1O4.5", "104.5.1", "104,500", "104.5C", "46%", "NA", "", "104.5 MW"],
)
def test_a_power_cell_of_another_form_is_no_power(cell):
    text = TITLES + FIRST.replace("104.5      ", f"{cell:<11}") + SECOND + RULE
    assert powers(text) == {(4, 0): None}
    assert powers(TITLES + FIRST + SECOND + RULE) == {(4, 0): 104.5}


@pytest.mark.parametrize(
    "rows",
    [
        SECOND + FIRST,
        SECOND.replace("0   ", "4   ", 1) + SECOND,
        FIRST + FIRST,
        FIRST.replace("OK          ", "0000:C1:00.0") + SECOND,
        FIRST.replace("41     ", "0 / 0  ") + SECOND.replace("0000:C1:00.0", "OK          "),
        FIRST + SECOND.replace("0000:C1:00.0", "27          "),
    ],
)
def test_a_row_under_the_titles_of_another_one_gives_no_power(rows):
    assert set(powers(TITLES + rows + RULE).values()) <= {None}


def test_units_in_cells_are_watts():
    for cell, power_w in (("104500 mW", 104.5), ("0.1045 kW", 104.5), ("104.5W", 104.5), ("104,5", 104.5)):
        text = TITLES.replace("Power(W)", "Power   ") + FIRST.replace("104.5      ", f"{cell:<11}") + SECOND + RULE
        expected = pytest.approx(power_w) if "W" in cell else None
        assert powers(text) == {(4, 0): expected}


def test_a_power_that_names_no_chip_is_that_of_an_only_chip_alone():
    head = "NPU ID : 1\nChip Count : {}\n\n"
    power = "Power Dissipation(W) : 42.9\n"
    assert parse_blocks(head.format(2) + power) == CardPower()
    assert parse_blocks(power) == CardPower()
    assert parse_blocks(head.format(1) + power).chips[0].power_w == 42.9
    assert parse_blocks("Chip ID : 1\n\nNPU Real-time Power(W) : 45.2\n") == CardPower()
    assert parse_blocks(head.format(1) + "Chip ID : 0\n\nNPU Real-time Power(W) : 45.2\n") == CardPower()
    assert parse_blocks(power_block((0, "50.1")) + power_block((0, "50.1"), card=1)) == CardPower()


def test_a_lost_name_makes_two_values_of_one_owner_and_no_power():
    both = "Chip ID : 0\nTemperature(C) : 46\nNPU Real-time Power(W) : 69.0\n"
    lost = "Temperature(C) : 48\nNPU Real-time Power(W) : 45.2\n"
    assert parse_blocks(both + lost).chips[0].power_w is None
    assert parse_blocks("WARN: low memory\n" + both + "Chip Name : mcu\n" + lost).chips[0].power_w == 69.0


def test_the_controllers_power_is_the_cards_on_a_310p_and_never_on_a_910(smi):
    smi.say("common", COMMON_310P)
    for name, works in (("Ascend 310P3", True), ("Ascend910", False)):
        smi.say("map", mapping((1, 0, 0, name), (1, 1, 1, name)))
        found = NpuSmiCollector({}).probe()
        assert found.works == works
    assert "that of the card's controller" in str(found.reason)
    smi.say("map", mapping((1, 0, 0, "Ascend xxx")))
    assert not NpuSmiCollector({}).probe().works
    only_controller = COMMON_310P[COMMON_310P.index("Chip Name") :]
    assert parse_blocks(only_controller) == CardPower()


def test_dies_that_repeat_a_power_have_one_and_a_single_die_shares_it(smi):
    smi.say("map", mapping((0, 0, 0, "Ascend910"), (0, 1, 1, "Ascend910")))
    smi.say("power", power_block((0, "166.6"), (1, "166.6")))
    (sensor,) = NpuSmiCollector({}).probe().sensors
    assert (sensor.devices, sensor.scope, sensor.shared) == ((0, 1), "card", None)
    (sensor,) = NpuSmiCollector({"ASCEND_RT_VISIBLE_DEVICES": "1"}).probe().sensors
    assert sensor.devices == (0,)
    assert "not the job's" in str(sensor.shared)
    rows = watch_script(watch_row(0, 0, "166.6"), watch_row(0, 1, "166.6"), after="again")
    smi.do("watch", rows)
    assert len(NpuSmiCollector({}).probe().sensors) == 1


def test_dies_of_nearly_one_power_are_not_guessed(smi):
    assert repeated({0: 166.6, 1: 166.6}) is True
    assert repeated({0: 166.6, 1: 160.0}) is None
    assert repeated({0: 50.1, 1: 60.2}) is False
    assert repeated({0: 50.1}) is False
    smi.say("map", mapping((0, 0, 0, "Ascend910"), (0, 1, 1, "Ascend910")))
    smi.say("power", power_block((0, "166.6"), (1, "167.0")))
    found = NpuSmiCollector({}).probe()
    assert not found.works
    assert "166.6, 167 W: whether these are one power or more cannot be told" in str(found.reason)


def test_dies_that_no_longer_repeat_a_power_are_failed_reads():
    reader = CardReader(0, {0: "card"}, repeats={1: 0})
    for other_w, n_failed in ((166.6, 0), (170.0, 0), (92.0, 1)):
        reads = {0: ChipPower(166.6, "166.6"), 1: ChipPower(other_w, str(other_w))}
        reader._take(Round(1, 2, CardPower(reads)), every_chip=True)
        readings = reader.readings()
        assert [reading.power_w for reading in readings if reading.power_w] == [166.6]
        assert sum("now print 166.6 and 92 W" in str(reading.raw) for reading in readings) == n_failed


def test_lists_that_no_machine_has_are_no_list():
    assert parse_listing("NPU ID : 0\nChip Count : 999999999\n") == []
    assert parse_listing(f"NPU ID : {'9' * 5000}\nChip Count : 1\n") == []
    assert parse_mapping(mapping(*((card, 0, card, "A") for card in range(300)))) == []


WHOLE = {
    "table": (TABLE_950 + A3_TABLE.replace("| 0  ", "| 4  ").replace("| 3  ", "| 5  "), powers),
    "power": (
        power_block((0, "50.1"), (1, "60.2")),
        lambda text: {chip: read.power_w for chip, read in parse_blocks(text).chips.items()},
    ),
    "power without blank lines": (
        "\n".join(line for line in power_block((0, "50.1"), (1, "60.2")).split("\n") if line) + "\n",
        lambda text: {chip: read.power_w for chip, read in parse_blocks(text).chips.items()},
    ),
    "common": (
        "Chip Count : 2\n\nChip ID : 0\nNPU Real-time Power(W) : 50.1\n\nChip ID : 1\nNPU Real-time Power(W) : 60.2\n\n"
        "Chip Name : mcu\nNPU Real-time Power(W) : 45.2\n",
        lambda text: {chip: read.power_w for chip, read in parse_blocks(text).chips.items()},
    ),
    "310P": (COMMON_310P, lambda text: {0: board.power_w} if (board := parse_blocks(text).board) else {}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_output_cut_anywhere_gives_the_right_watts_or_none(name):
    text, read = WHOLE[name]
    expected = read(text)
    assert expected
    places = set(range(0, len(text), 7)) | {
        place for k, sign in enumerate(text) if sign == "\n" for place in (k, k + 1)
    }
    for place in places:
        for key, power_w in read(text[:place]).items():
            assert power_w in (None, expected[key])


def test_watch_columns_in_any_order_give_the_right_power():
    made = random.Random(5)
    titles = ["NpuID(Idx)", "ChipId(Idx)", "Pwr(W)", "Temp(C)", "AI Core(%)", "Memory(%)"]
    values = dict(zip(titles, ["2", "0", "90.1", "34", "7", "5"], strict=True))
    for _ in range(30):
        made.shuffle(titles)
        rows = WatchRows()
        assert rows.read("".join(f"{title:<14}" for title in titles)) is None
        line = "".join(f"{values[title]:<14}" for title in titles)
        key, read = rows.read(line)
        assert (key, read.power_w, read.utilisation) == ((2, 0), 90.1, 0.07)
        broken = rows.read(line.replace("34  ", "OK  "))
        assert broken[1].power_w is None


@pytest.mark.parametrize("change", [lambda b: b.replace(b"\n", b"\r\n"), lambda b: b"\xef\xbb\xbf" + b])
def test_line_ends_and_marks_change_nothing(change):
    for text in (TABLE_950, A3_TABLE, WIDE_TABLE_26):
        assert powers(clean(change(text.encode()))) == powers(text)


@pytest.mark.parametrize(
    ("name", "read", "expected"),
    [
        ("11-npu-950dt.table", powers, {(0, 0): 398.6, (1, 0): 401.0, (7, 0): 397.5}),
        ("12-310p-common-mcu", lambda text: parse_blocks(text).board.power_w, 45.2),
        ("13-npu-rows-swapped", lambda text: [w for w in powers(text).values() if w is not None], []),
        ("18-cell-with-blank", powers, {(0, 0): None}),
        ("20-mcu-name-line-lost", parse_blocks, CardPower()),
        ("09-310p-power-without-owner", parse_blocks, CardPower()),
    ],
)
def test_the_cases_that_were_found(name, read, expected):
    assert read(clean(shared_path(f"cases/power/{name}.txt").read_bytes())) == expected
