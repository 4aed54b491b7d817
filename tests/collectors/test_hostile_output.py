"""Outputs that no tool means to print: every reader takes linear time and raises nothing odd."""

from __future__ import annotations

import contextlib
import time

import pytest

from collectors.samples import Reading
from collectors.vendors.ascend.npu_smi_table import parse_table
from collectors.vendors.ascend.npu_smi_text import WatchRows, parse_blocks, parse_board, parse_listing, parse_mapping
from collectors.vendors.ascend.visible_ascend import NpuChip, visible_npus
from collectors.vendors.command import MOST_LINES, Answer, clean, excerpt, lines_of, whole_lines
from collectors.vendors.host.ipmi import _reading
from collectors.vendors.hygon_amd.amd_smi_text import list_addresses, metric_rows
from collectors.vendors.hygon_amd.rocm_smi_text import bus_addresses, rows, vendor_of_output
from collectors.vendors.hygon_amd.visible_rocm import visible_rocm
from collectors.vendors.nvidia.nvidia_smi import BOARD_OR_MIG, LISTED_UUID, UNKNOWN_FIELD
from collectors.vendors.nvidia.visible_cuda import Gpu, visible_gpus
from collectors.vendors.smi_csv import Columns
from collectors.vendors.smi_row import BadOutputError

LENGTH = 20_000
CPU_LIMIT_S = 2.0
"""Of processor time, whatever else runs: linear work on this length takes a tenth of it on a slow processor. What was
cubic took minutes."""

HEADS = {
    "no head": "",
    "table of rocm-smi": "GPU  AvgPwr  Perf\n",
    "CSV": "device,Average Graphics Package Power (W)\n",
    "mapping": "NPU ID   Chip ID  Chip Logic ID  Chip Name\n",
    "table of npu-smi": "| NPU   Name | Health | Power(W) |\n| Chip       | Bus-Id | AICore(%) |\n+====+\n",
}
UNITS = [
    "a" + " " * LENGTH,
    " ",
    "\n",
    "[",
    "[\n",
    '{"card1": {',
    '{"gpu": 1,\n',
    '"',
    "a(",
    "a: ",
    "0 0 ",
    "9",
    "\t",
    "a|",
]
UNITS += [
    "| 1 | 2 | 3 |\n",
    "GPU[0] : ",
    "Chip ID : 0\n",
    "NPU ID ",
    "(UUID: ",
    "GPU (UUID: ",
    "\x1b[",
    "\x1b]0;",
    "a/ ",
    "-",
    "\r",
]


def watch(text: str) -> None:
    stream = WatchRows()
    for line in ("NpuID(Idx)  ChipId(Idx) Pwr(W)", *whole_lines(text.replace("\n", " ") + "\n")):
        stream.read(line)


def ipmi(text: str) -> Reading:
    return _reading(Answer(0, 1, text))


def nvidia(text: str) -> None:
    UNKNOWN_FIELD.search(text)
    for line in text.splitlines():
        BOARD_OR_MIG.match(line)
        LISTED_UUID.search(line)
        columns = Columns.from_line(line, ("uuid",))
        assert columns is None


READERS = [parse_table, parse_blocks, parse_mapping, parse_listing, parse_board, rows, bus_addresses, vendor_of_output]
READERS += [metric_rows, list_addresses, watch, ipmi, nvidia, excerpt]


HEADED = {"no head": READERS, "mapping": [parse_mapping], "table of npu-smi": [parse_table]}


@pytest.mark.parametrize("head", HEADS)
def test_every_reader_takes_linear_time(head):
    for unit in UNITS:
        text = clean((HEADS[head] + unit * (LENGTH // len(unit) or 1)).encode())
        for reader in HEADED.get(head, [rows]):
            began_s = time.process_time()
            with contextlib.suppress(BadOutputError):
                reader(text)
            assert time.process_time() - began_s < CPU_LIMIT_S, (reader.__name__, unit[:20])


def test_numbers_that_python_refuses_to_convert_are_none():
    huge = "9" * 5000
    assert parse_blocks(f"Chip Count : 1\n\nNPU Real-time Power(W) : {huge}\nChip ID : {huge}\n").chips == {}
    assert rows(f"DCU  AvgPwr\n{huge}    50.0W\n") == {}
    assert rows(f"GPU[{huge}]\t\t: Average Graphics Package Power (W): 50.0\n") == {}
    assert rows("DCU  AvgPwr\n\u00b2    50.0W\n") == {}
    assert metric_rows(f'[{{"gpu": {huge}, "power": {{"socket_power": {{"value": 1, "unit": "W"}}}}}}]') == {}
    assert metric_rows('[{"gpu": true, "power": {"socket_power": "5 W"}}]') == {}
    assert metric_rows('{"gpu_data": {"gpu": 0}}') == {}


def test_only_so_many_lines_are_read():
    assert len(lines_of("a\n" * (MOST_LINES + 5))) == MOST_LINES
    assert whole_lines("one\ntwo\nthr") == ["one", "two"]


def test_what_a_terminal_shows_apart_is_not_joined():
    assert clean(b"10\x1b[2C4.5") == "10 4.5"
    assert clean(b"\x1b[31m104.5\x1b[0m\x1b[K W\r\r\n") == "104.5 W\n"
    assert clean(b"12\r34\n") == "12\n34\n"
    assert clean(b"\xef\xbb\xbfNPU") == "NPU"
    assert clean("\u8b66\u544a".encode("gb2312") + b"\n50.0\xb0C") == "\u8b66\u544a\n50.0\ufffdC"


@pytest.mark.parametrize("value", ["9" * 5000, f"0-{'9' * 5000}", "0-999999999999", "-" * 5000, "\u00b2"])
def test_visible_devices_of_any_text_end_in_an_answer(value):
    gpus = [Gpu("GPU-a", "A100", "00000000:C1:00.0"), Gpu("GPU-b", "A100", "09:00.0")]
    visible_gpus(gpus, {"CUDA_VISIBLE_DEVICES": value})
    for name in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"):
        visible_rocm(["GPU-1", None], {name: value})
    for name in ("ASCEND_RT_VISIBLE_DEVICES", "ASCEND_VISIBLE_DEVICES"):
        visible_npus([NpuChip(0, 0, 0)], {name: value}, nodes=())
    assert visible_gpus(gpus, {}).uuids == ("GPU-b", "GPU-a")
