"""The made programs of the table of faults print what the real ones were recorded to print."""

from __future__ import annotations

import re

import pytest
from fault_tools import TOOLS

from tests.shared import shared_path


def shapes(text: str) -> set[str]:
    """Lines with their numbers and spaces replaced."""
    return {" ".join(re.sub(r"\d+(\.\d+)?", "#", line).split()) for line in text.splitlines() if line.strip()}


@pytest.mark.parametrize(
    ("name", "arguments", "recorded"),
    [
        ("rocm-smi", "^$", "rocm-smi_table_Z100L_dtk23.10.1_4cards"),
        ("hy-smi", "^$", "hy-smi_table_HCU_K100AI_dtk25.04.2"),
        ("npu-smi", "watch -i 5 ", "npu-smi_watch_910B_31s"),
        ("npu-smi", "-t power -i 5$", "npu-smi_t-power_910B_25.5.1"),
        ("npu-smi", "-t common -i 5$", "npu-smi_t-common_910B_mcu"),
        ("npu-smi", "-t board -i 5$", "npu-smi_t-board_910B_25.5.1"),
        ("npu-smi", "info -m$", "npu-smi_info-m_910B"),
        ("npu-smi", "info$", "npu-smi_info_23.0.rc3_910B4_8cards"),
    ],
)
def test_each_line_of_an_output_is_laid_out_as_a_recorded_one(name, arguments, recorded):
    tool = TOOLS[name]
    (output,) = [each for each in tool.outputs(tool.power, "works") if each.arguments == arguments]
    made = shapes((output.head + output.body).decode())
    assert len(made) > 1
    assert made <= shapes(shared_path(f"power-samples/{recorded}.txt").read_text())
