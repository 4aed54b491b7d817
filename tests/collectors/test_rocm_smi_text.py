"""What rocm-smi and hy-smi print: recorded outputs, layouts without a record (made), and tables in any shape."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.vendors.host.hwmon import AMD, HYGON
from collectors.vendors.hygon_amd.amd_smi_text import list_addresses, metric_rows
from collectors.vendors.hygon_amd.rocm_smi_text import bus_addresses, rows, vendor_of_output
from collectors.vendors.quantity import watts
from tests.shared import shared_path


def powers(text: str) -> dict[int, float | None]:
    return {number: row.power_w for number, row in rows(text).items()}


@pytest.mark.parametrize(
    ("name", "watts_by_device", "cap_w", "use", "vendor"),
    [
        ("rocm-smi_table_Z100L_dtk23.10.1_4cards", [38, 41, 38, 39], 280, 0.0, HYGON),
        ("rocm-smi_table_Z100_450W_1card", [58], 450, 0.0, HYGON),
        ("hy-smi_table_HCU_K100AI_dtk25.04.2", [109, 112, 100, 112], 400, 0.0, HYGON),
        ("hy-smi_table_K100_load_8cards", [259, 251, 245, 249, 104, 108, 103, 107], 400, 0.342, HYGON),
        ("hy-smi_table_K100AI_8W_implausible", [8] * 8, 600, 0.74, HYGON),
        ("hy-smi_table_sugon_300W_dtk24.04_ModeNA", [25, 24, 22, 24], 300, 0.0, HYGON),
        ("rocm-smi_json_MI250_secondary-die", [101, None], None, None, None),
        ("rocm-smi_showpower_Vega_EXCERPT", [119, 129], None, None, None),
    ],
)
def test_recorded_outputs(name, watts_by_device, cap_w, use, vendor):
    text = shared_path(f"power-samples/{name}.txt").read_text()
    found = rows(text)
    assert [row.power_w for row in found.values()] == watts_by_device
    assert (found[0].cap_w, found[0].utilisation, vendor_of_output(text)) == (cap_w, use, vendor)


def test_the_second_die_is_told_as_such():
    assert rows(shared_path("power-samples/rocm-smi_json_MI250_secondary-die.txt").read_text())[1].second_die


MADE_NODES = """\
WARNING: AMD GPU device(s) is/are in a low-power state. Check power control/runtime_status

============================ ROCm System Management Interface ============================
Device  Node  IDs              Temp        Power     Partitions          SCLK     MCLK     Fan  Perf    PwrCap   GPU%
              (DID,     GUID)  (Junction)  (Socket)  (Mem, Compute, ID)
==========================================================================================
0       2     0x75a0,   24959  60.0°C      319.0W    NPS1, DPX, 0        2203Mhz  1900Mhz  0%   manual  1000.0W  7%
1       3     0x75a0,   20862  N/A         N/A       N/A, N/A, 1         N/A      N/A      0%   n/a     N/A      N/A
==========================================================================================
"""
MADE_EDGE = """\
GPU  Temp (DieEdge)  AvgPwr  SCLK    MCLK     Fan   Perf  PwrCap  VRAM%  GPU%
0    33.0c           37.0W   800Mhz  1600Mhz  0%    auto  560.0W    0%   5%
"""
MADE_HCU_LINES = "HCU[1]\t\t: Average Graphics Package Power (W): 108,5\nHCU[1]\t\t: HCU use (%): 15.0\n"
MADE_JSON = """WARNING: low power
{"card0": {"Current Socket Graphics Package Power (W)": "7.222", "GPU use (%)": "19",},
 "card1": {"Average Graphics Package Power (W)": 90.0, "Max Graphics Package Power (W)": "300.0"},
 "system": {"Driver version": "6.1"},}
trailing"""
MADE_CSV = "\ndevice,Average Graphics Package Power (W),GPU use (%)\ncard0,119.0,3\ncard1,N/A,0\ncard2,103,5,0\n"
MADE_CLOCKS = """\
DCU  Temp   AvgPwr  SCLK     MCLK    Fan   Perf  PwrCap  VRAM%  DCU%
1    30.0c  138.0W  1000Mhz  800Mhz  0.0%  auto  280.0W    0%   0%
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MADE_NODES, {0: 319.0, 1: None}),
        (MADE_EDGE, {0: 37.0}),
        (MADE_HCU_LINES, {1: 108.5}),
        (MADE_JSON, {0: 7.222, 1: 90.0}),
        (MADE_CSV, {0: 119.0, 1: None, 2: None}),
        (MADE_CLOCKS, {1: 138.0}),
    ],
)
def test_made_layouts_without_a_record(text, expected):
    assert powers(text) == expected
    assert powers(text.replace("\n", "\r\n")) == expected


def test_use_and_cap_stand_beside_the_power():
    found = rows(MADE_JSON)
    assert (found[0].utilisation, found[1].cap_w) == (0.19, 300.0)
    assert (rows(MADE_NODES)[0].cap_w, rows(MADE_NODES)[0].utilisation) == (1000.0, 0.07)
    assert [vendor_of_output(text) for text in (MADE_NODES, MADE_EDGE, MADE_CLOCKS)] == [AMD, AMD, HYGON]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("38.0W", 38.0),
        ("103,5 W", 103.5),
        ("900mW", 0.9),
        ("38.0", None),
        ("1,234W", None),
        ("0.9 kW", 900.0),
        ("140000000 uW", 140.0),
        ("140000000\u00b5W", 140.0),
        ("12 MW", None),
        ("N/A", None),
        ("5 V", None),
        ("nanW", None),
        ("30.0c", None),
    ],
)
def test_a_value_is_watts_or_nothing(value, expected):
    assert watts(value) == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ERROR: driver not loaded\n",
        "功率 12.0W\n",
        "GPU[0]\t\t: Average Graphics Package Power (W): 11",
        "GPU[0]\t\t: Average Graphics Package Power (W): 119.0\nGPU[0]\t\t: Average Graphics Package Power (W): 60.0\n",
        "DCU  Temp   AvgPwr  PwrCap\n0    30.0c  13",
        "DCU  Temp   AvgPwr  Perf  PwrCap\n0    30.0c          auto  280.0W\n",
        "DCU  Temp   AvgPwr  PwrCap\n0    30.0c  280.0W\n0    30.0c  38.0W   280.0W\n",
        "DCU  AvgPwr  PwrCap  Temp\n0            280.0W  30 C\n",
        '{"card0": {"Average Graphics Package Power (W)": "11',
        '{"card0": {"Max Graphics Package Power (W)": "300.0", "Power Cap (W)": "200"}}',
    ],
)
def test_half_lines_and_errors_give_no_power(text):
    assert [power for power in powers(text).values() if power is not None] == []


OTHERS = {
    "Temp": st.floats(20, 99).map(lambda value: f"{value:.1f}C"),
    "Fan": st.floats(0, 99).map(lambda value: f"{value:.1f}%"),
    "Perf": st.sampled_from(["auto", "manual", "N/A"]),
    "PwrCap": st.integers(100, 1000).map(lambda value: f"{value}.0W"),
    "VRAM%": st.integers(0, 100).map(lambda value: f"{value}%"),
    "DCU%": st.floats(0, 100).map(lambda value: f"{value:.1f}%"),
    "Mode": st.sampled_from(["Normal", "N/A"]),
    "Dec%": st.integers(0, 100).map(lambda value: f"{value}%"),
    "SCLK": st.integers(1, 3000).map(lambda value: f"{value}Mhz"),
}


@given(st.data())
def test_a_table_of_any_columns_gives_the_right_watts_or_none(data):
    """Only aligned tables have blanks: in another one a blank cannot be told from a blank in the next column."""
    names = data.draw(st.permutations([*data.draw(st.sets(st.sampled_from(sorted(OTHERS)))), "AvgPwr"]))
    base = data.draw(st.integers(0, 1))
    truth = data.draw(st.lists(st.integers(1, 9999), min_size=1, max_size=4))
    gap = data.draw(st.integers(1, 9))
    aligned = data.draw(st.booleans())
    blank = data.draw(st.sampled_from([None, *names])) if aligned else None
    table = [["DCU", *names]]
    for offset, power_w in enumerate(truth):
        cells = [f"{power_w}.0W" if name == "AvgPwr" else data.draw(OTHERS[name]) for name in names]
        cells = ["" if name == blank else cell for name, cell in zip(names, cells, strict=True)]
        table.append([str(base + offset), *cells])
    widths = [max(len(row[place]) for row in table) + gap for place in range(len(table[0]))]
    lines = [
        "".join(cell.ljust(width) if aligned else cell + " " * gap for cell, width in zip(row, widths, strict=True))
        for row in table
    ]
    found = powers("\n".join(lines) + "\n")
    for offset, power_w in enumerate(truth):
        expected = {None} if blank == "AvgPwr" else {float(power_w)} if blank is None else {float(power_w), None}
        assert found[base + offset] in expected


def labelled(power: str, label: str = "Average Graphics Package Power (W)") -> dict[str, str]:
    return {label: power, "GPU use (%)": "7", "Average Memory Power (W)": "38.0", "Temperature (Sensor edge) (C)": "40"}


@pytest.mark.parametrize(
    "label",
    [
        "Average GFX Core Power (W)",
        "Average Memory Power (W)",
        "Average SoC Power (W)",
        "CPU Socket Power (W)",
        "Current Socket Power (W)",
        "Socket Power (W)",
        "CPU Package Power (W)",
        "Max Graphics Package Power (W)",
        "Default Power Cap (W)",
        "Average Graphics Package Power (V)",
        "Power Profile (W)",
    ],
)
def test_the_power_of_a_part_is_never_the_boards(label):
    text = json.dumps({"card0": {label: "20.0"}, "card1": labelled("91.0") | {label: "20.0"}})
    assert powers(text) == {0: None, 1: 91.0}
    lines = f"HCU[0]\t\t: {label}: 20.0\nHCU[0]\t\t: Average Graphics Package Power (W): 91.0\n"
    assert powers(lines) == {0: 91.0}
    assert powers(f"device,{label}\ncard0,20.0\n") == {0: None}


@pytest.mark.parametrize(
    ("label", "value", "power_w"),
    [
        ("Current Socket Graphics Package Power (W)", "7.222", 7.222),
        ("average graphics package power (w)", "91.0", 91.0),
        ("Average Graphics Package Power (mW)", "91000", 91.0),
        ("Average Graphics Package Power", "91.0 W", 91.0),
        ("Average Graphics Package Power", "91.0W", 91.0),
        ("Average Graphics Package Power (W)", "91,5", 91.5),
        ("Average Graphics Package Power", "91.0", None),
        ("Average Graphics Package Power (W)", "91000 mW", None),
        ("Average Graphics Package Power (W)", "9 1.0", None),
    ],
)
def test_labels_and_units_of_the_boards_power(label, value, power_w):
    for text in (json.dumps({"card0": {label: value}}), f"GPU[0]\t\t: {label}: {value}\n"):
        assert powers(text) == {0: power_w if power_w is None else pytest.approx(power_w)}


def test_a_label_told_twice_with_two_values_is_no_power():
    label = "Average Graphics Package Power (W)"
    assert powers(f'{{"card0": {{"{label}": "91.0", "{label}": "60.0"}}}}') == {0: None}
    assert powers(f'{{"card0": {{"{label}": "91.0", "{label}": "91.0"}}}}') == {0: 91.0}


def test_a_table_of_two_printings_counts_where_they_agree():
    table = "DCU  Temp   AvgPwr  Perf\n0    30.0c  50.0W   auto\n1    30.0c  60.0W   auto\n"
    assert powers(table + "====\n" + table) == {0: 50.0, 1: 60.0}
    assert powers(table + "====\n" + table.replace("60.0W", "61.0W")) == {0: 50.0, 1: None}


def test_the_table_of_rocm_1_7():
    table = " GPU  Temp    AvgPwr   SCLK     MCLK     Fan      Perf    SCLK OD\n"
    assert powers(table + "  0   50.0c   8.0W     852Mhz   500Mhz   12.94%   auto      0%\n") == {0: 8.0}


OUTPUTS = {
    "JSON": json.dumps({"card0": labelled("119.0"), "card1": labelled("131.5")}),
    "CSV": "device,GPU use (%),Average Graphics Package Power (W)\ncard0,3,119.0\ncard1,9,131.5\n",
    "lines": "".join(
        f"GPU[{k}]\t\t: {label}: {value}\n"
        for k, power in enumerate(("119.0", "131.5"))
        for label, value in labelled(power).items()
    ),
    "table": "GPU  Temp   Perf  Fan  AvgPwr\n0    30.0c  auto  0%   119.0W\n1    31.0c  auto  0%   131.5W\n",
    "table with the unit above": "GPU  Temp   AvgPwr(W)\n0    30.0c  119.0\n1    31.0c  131.5\n",
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_cut_anywhere_gives_the_right_watts_or_none(name):
    text = OUTPUTS[name]
    assert powers(text) == {0: 119.0, 1: 131.5}
    for cut in range(len(text)):
        for number, power_w in powers(text[:cut]).items():
            assert power_w in (None, {0: 119.0, 1: 131.5}[number])


@given(st.permutations(list(labelled("119.0"))), st.permutations(list(labelled("119.0"))))
@settings(max_examples=30)
def test_labels_and_columns_in_any_order_give_the_right_watts(first, second):
    cards = [{key: labelled("119.0")[key] for key in first}, {key: labelled("131.5")[key] for key in second}]
    assert powers(json.dumps({f"card{k}": card for k, card in enumerate(cards)})) == {0: 119.0, 1: 131.5}
    told = (f"GPU[{k}] : {label}: {value}\n" for k, card in enumerate(cards) for label, value in card.items())
    assert powers("".join(told)) == {0: 119.0, 1: 131.5}
    titles = [*first[:2], "device", *first[2:]]
    rows = [
        [{**labelled(power), "device": card}[title] for title in titles]
        for card, power in (("card0", "119.0"), ("card1", "131.5"))
    ]
    assert powers("".join(",".join(row) + "\n" for row in [titles, *rows])) == {0: 119.0, 1: 131.5}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("03-part-of-board.json", {0: 91.0}),
        ("03-part-of-board.lines.txt", {0: 91.0}),
        ("04-first-device-without-power.json", {0: None, 1: 250.0}),
        ("04-first-device-without-power.lines.txt", {0: None, 1: 250.0}),
        ("14-csv-last-cell-cut.txt", {0: 120.0, 1: None}),
        ("15-rocm-1.7.table.txt", {0: 8.0}),
    ],
)
def test_the_cases_that_were_found(name, expected):
    assert powers(shared_path(f"cases/power/{name}").read_text()) == expected


def test_bus_addresses():
    assert bus_addresses("=====\nGPU[0]\t\t: PCI Bus: 0000:C1:00.0\nHCU[1] : PCI Bus: 0000:03:00.0\n") == {
        0: "0000:c1:00.0",
        1: "0000:03:00.0",
    }


MADE_METRIC = """WARNING: not in render group
[{"gpu": 1, "usage": {"gfx_activity": {"value": 73, "unit": "%"}},
  "power": {"socket_power": {"value": 142, "unit": "W"}, "gfx_voltage": {"value": 780, "unit": "mV"}}},
 {"gpu": 0, "power": {"current_socket_power": "N/A", "average_socket_power": {"value": "90,5", "unit": "W"}}},
 {"gpu": 2, "power": {"socket_power": "N/A"}}, {"gpu": 3, "power": {"socket_power": 100}},
 {"gpu": 4, "power": {"socket_power": {"value": 410500, "unit": "mW"}}},
 {"gpu": 5, "power": {"socket_power": {"value": 5, "unit": "V"}}}, {"gpu": 6, "power": "N/A"}]
"""


def test_amd_smi_is_read_by_key_and_unit():
    found = {number: row.power_w for number, row in metric_rows(MADE_METRIC).items()}
    assert found == {0: 90.5, 1: 142.0, 2: None, 3: None, 4: 410.5, 5: None, 6: None}
    assert metric_rows(MADE_METRIC)[1].utilisation == 0.73
    wrapped = '{"gpu_data": [{"gpu": 0, "power": {"socket_power": {"value": 41, "unit": "W"}}}]}'
    assert metric_rows(wrapped)[0].power_w == 41.0
    assert metric_rows(wrapped[:-5]) == {}
    assert list_addresses('[{"gpu": 0, "bdf": "0000:C4:00.0", "uuid": "00ff1586"}]') == {0: "0000:c4:00.0"}


def test_the_average_of_the_board_goes_before_its_current_power_and_other_powers_are_no_cap():
    lines = (
        ("Current Socket Graphics Package Power (W)", 200),
        ("Average Graphics Package Power (W)", 100),
        ("Max Graphics Package Power (W)", 560),
        ("Memory Rail Power (W)", 30),
    )
    (row,) = rows("".join(f"GPU[0] : {label}: {value}\n" for label, value in lines)).values()
    assert (row.power_w, row.cap_w) == (100, 560)


def test_a_row_with_an_empty_cell_is_read_by_the_places_of_its_values():
    table = (
        "DCU     Temp     AvgPwr     PwrCap     VRAM%      DCU%\n"
        "0       50.0C    110.0W     300.0W     1%         90%\n"
        "1                120.0W     300.0W     2%         12%\n"
    )
    found = rows(table)
    assert [(row.power_w, row.cap_w, row.utilisation) for row in found.values()] == [(110, 300, 0.9), (120, 300, 0.12)]
