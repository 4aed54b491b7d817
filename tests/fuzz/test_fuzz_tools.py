"""Whatever a power tool prints, its reader gives watts or a reason, and never an exception."""

import math
import re
import sys
from pathlib import Path

import pytest
from effort import effort
from hypothesis import given
from hypothesis import strategies as st

from collectors.base import Reading
from collectors.vendors import quantity, smi_csv
from collectors.vendors.ascend import npu_smi_table, npu_smi_text
from collectors.vendors.command import Answer
from collectors.vendors.host import ipmi
from collectors.vendors.hygon_amd import amd_smi_text, rocm_smi_text
from collectors.vendors.smi_row import BadOutputError

sys.path.insert(0, str(Path(__file__).parents[1] / "collectors"))
import npu_smi_outputs

RECORDED = [text for text in vars(npu_smi_outputs).values() if isinstance(text, str) and "\n" in text]
ROCM = """\
========================= ROCm System Management Interface =========================
GPU[0]\t\t: Average Graphics Package Power (W): 91.0
GPU[1]\t\t: Current Socket Graphics Package Power (W): 140.0
GPU[0]\t\t: GPU use (%): 97
GPU[0]\t\t: PCI Bus: 0000:33:00.0
"""
ROCM_JSON = '{"card0": {"Average Graphics Package Power (W)": "91.0", "GPU use (%)": "97", "PCI Bus": "0000:33:00.0"}}'
AMD_JSON = """\
[{"gpu": 0, "bdf": "0000:05:00.0", "usage": {"gfx_activity": {"value": 98, "unit": "%"}},
  "power": {"socket_power": {"value": 90, "unit": "W"}, "gfx_voltage": "N/A"}},
 {"gpu": 1, "bdf": "0000:06:00.0", "power": {"current_socket_power": "90 W", "average_socket_power": "N/A"}}]
"""
IPMI = """\

    Instantaneous power reading:                   310 Watts
    Minimum during sampling period:                 12 Watts
    Power reading state is:                   activated
"""
CSV = "timestamp, uuid, power.draw [W], utilization.gpu [%]\n2026/01/01 10:00:00.000, GPU-1, 91.20 W, 97 %\n"

BASES = (*RECORDED, ROCM, ROCM_JSON, AMD_JSON, IPMI, CSV)
SNIPPETS = (
    "", " ", "\t", "|", "\n", "\r\n", "+---+", "===", "N/A", "[N/A]", "-", "NaN", "inf", "-1", "1e308", "1e400",
    "9" * 400,
    "9" * 5000, "0x1f", "1,5", "1.234,5", "٣", "²", "W", "mW", "%", ":", "{", "}", "[" * 3000, '{"a":' * 2000, "null",
    "true", '"', "\x00", "\x1b[31m", "\ufffd", "电", "GPU[", "GPU[99999999999999999999]", "NPU", "Chip", "Power(W)",
    "Instantaneous power reading", "activated", "2026/99/99 99:99:99", '"gpu": true', '"gpu": -1', '"power": 3',
)  # fmt: skip


NUMBER = re.compile(r"\d+(\.\d+)?")
VALUES = ("", "N/A", "-5", "nan", "inf", "1e400", "9" * 400, "9" * 5000, "0.0.0", "1,234", "٣", "4.2 kW", "null", "[]")


def power_of_ipmi(text: str) -> Reading:
    """The reading of what ipmitool prints."""
    return ipmi._reading(Answer(1, 2, text, None))


def power_of_watts(text: str) -> float | None:
    """Watts, or None where there is a reason."""
    try:
        return quantity.parse_watts(text[:200])
    except ValueError:
        return None


def or_reason(reader):
    """The same, or None where it gives a reason instead."""

    def read(text):
        try:
            return reader(text)
        except BadOutputError:
            return None

    return read


READERS = {
    "rocm-smi rows": rocm_smi_text.rows,
    "rocm-smi addresses": rocm_smi_text.bus_addresses,
    "rocm-smi vendor": rocm_smi_text.vendor_of_output,
    "amd-smi metric": or_reason(amd_smi_text.metric_rows),
    "amd-smi list": or_reason(amd_smi_text.list_addresses),
    "npu-smi mapping": npu_smi_text.parse_mapping,
    "npu-smi listing": npu_smi_text.parse_listing,
    "npu-smi board": npu_smi_text.parse_board,
    "npu-smi blocks": npu_smi_text.parse_blocks,
    "npu-smi table": npu_smi_table.parse_table,
    "ipmitool": power_of_ipmi,
    "watts": power_of_watts,
}


def powers(found):
    """All watts in what a reader gives."""
    if isinstance(found, float):
        yield found
    elif isinstance(found, dict):
        for each in found.values():
            yield from powers(each)
    elif isinstance(found, list | tuple):
        for each in found:
            yield from powers(each)
    elif (power_w := getattr(found, "power_w", None)) is not None:
        yield power_w
    elif hasattr(found, "__dict__"):
        yield from powers(vars(found))


@st.composite
def outputs(draw, program=""):
    """An output with snippets in the place of some of its characters, or any text."""
    own = {"rocm-smi": (ROCM, ROCM_JSON), "amd-smi": (AMD_JSON,), "ipmitool": (IPMI,), "npu-smi": RECORDED}
    text = draw(st.sampled_from(own.get(program, BASES)))
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text())
    for _ in range(draw(st.integers(0, 2))):
        number = draw(st.sampled_from([match.span() for match in NUMBER.finditer(text)] or [(0, 0)]))
        text = text[: number[0]] + draw(st.sampled_from(VALUES)) + text[number[1] :]
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 60)))
        text = text[:first] + draw(st.sampled_from(SNIPPETS) | st.text(max_size=4)) + text[last:]
    return text


@pytest.mark.parametrize("name", READERS)
def test_any_text_gives_watts_or_a_reason(name):
    @effort(25)
    @given(outputs(name.split()[0]))
    def search(text):
        for power_w in powers(READERS[name](text)):
            assert math.isfinite(power_w)

    search()


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", ["", "\0", "[" * 100_000, '{"a":' * 100_000, "9" * 100_000, "\n|" * 10_000])
def test_endless_text_gives_a_reason_too(name, text):
    assert list(powers(READERS[name](text))) == []


def test_any_recording_of_nvidia_smi_gives_a_log(tmp_path):
    @effort(25)
    @given(outputs())
    def search(text):
        path = tmp_path / "log.csv"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        log = smi_csv.read_smi_log(path)
        assert log.header or log.problem

    search()
