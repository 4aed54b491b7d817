"""What a stage of each further chip tells the harness, by the vendor's own interfaces."""

import re

import pytest

from harness.errors import UserError
from harness.rehearsal.cards import CARDS
from harness.rehearsal.stage import card_of, set_stage
from harness.scenario import catalogue

ASK = """
import json, sys
from harness.machine import accelerators, availability
from harness.scenario import catalogue
name = sys.argv[1]
chip = catalogue.chip(name)
found = accelerators.describe(chip.visible_devices, None)
print(json.dumps({
    "files": len(availability.device_files(chip.device_nodes)),
    "cannot": availability.cannot_run(chip, "pytorch"),
    "accelerator": found.model_dump(mode="json"),
}))
"""


@pytest.mark.parametrize(
    ("chip", "vendor", "name", "memory_gib", "toolkit"),
    [
        ("dcu-z100l", "hygon_amd", "Z100L", 32, "DTK 25.04.2"),
        ("a100", "nvidia", "NVIDIA A100-SXM4-80GB", 80, "CUDA 13.2"),
        ("rtx3090", "nvidia", "NVIDIA GeForce RTX 3090", 24, "CUDA 13.2"),
    ],
)
def test_the_stage_of_a_chip(on_stage, chip, vendor, name, memory_gib, toolkit):
    told = on_stage(chip, "-c", ASK, chip)
    assert (told["files"], told["cannot"]) == (1, None)
    accelerator = told["accelerator"]
    assert (accelerator["vendor"], accelerator["toolkit"], accelerator["missing"]) == (vendor, toolkit, [])
    (device,) = accelerator["devices"]
    assert (device["name"], device["memory_bytes"]) == (name, memory_gib << 30)


@pytest.mark.parametrize("chip", ["dcu-z100l", "a100", "ascend910b"])
def test_its_power_can_be_read(on_stage, chip):
    collector = {"dcu-z100l": "hy-smi", "a100": "nvml", "ascend910b": "npu-smi"}[chip]
    told = on_stage(chip, "-m", "collectors.sampling.probe", collector)
    assert [sensor["scope"] for sensor in told["sensors"]] == ["card"]


def test_every_card_bears_the_name_that_its_chip_file_looks_for():
    for name, card in CARDS.items():
        assert re.search(catalogue.chip(name).device_name, card.name)


def test_what_needs_no_rehearsal_is_one_line():
    with pytest.raises(UserError, match="cpu needs no rehearsal: make bench CHIP=cpu runs here"):
        card_of("cpu")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(UserError, match="is there and is no stage of a rehearsal"):
        set_stage("a100", tmp_path)
    with pytest.raises(UserError, match="cannot name it for its ':'; choose another"):
        set_stage("a100", tmp_path / "12:30")
    assert (tmp_path / "mine").exists()
