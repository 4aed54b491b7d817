"""Which variant of a chip a device is, and that no figure of one variant stands for another."""

import re
from types import SimpleNamespace

import pytest

from harness.errors import UserError
from harness.launch.fitting import chip_here
from harness.results.devices import Accelerator, Device
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig, ChipVariant, Figure
from harness.scenario.variants import FIGURES, as_variant, variant_of, variant_remark
from tests.shared import REPOSITORY

GIB = 2**30
DEVICES = {
    "a100": {
        "NVIDIA A100-SXM4-80GB": ("NVIDIA A100 SXM4 80GB", 80, 2039, 400),
        "NVIDIA A100-SXM4-40GB": ("NVIDIA A100 SXM4 40GB", 40, 1555, 400),
        "A100-SXM-80GB": ("NVIDIA A100 SXM4 80GB", 80, 2039, 400),
        "NVIDIA A100 80GB PCIe": ("NVIDIA A100 PCIe 80GB", 80, 1935, 300),
        "NVIDIA A100-PCIE-40GB": ("NVIDIA A100 PCIe 40GB", 40, 1555, 250),
        "NVIDIA A100-SXM4-40GB MIG 3g.20gb": None,
        "NVIDIA A100-SXM-64GB": None,
        "NVIDIA A100X": None,
    },
    "h100": {
        "NVIDIA H100 80GB HBM3": ("NVIDIA H100 SXM5 80GB", 79.6, 3350, 700),
        "NVIDIA H100 PCIe": ("NVIDIA H100 PCIe 80GB", 79.6, 2000, 350),
        "NVIDIA H100 NVL": ("NVIDIA H100 NVL 94GB", 93.6, 3900, 400),
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb": None,
    },
    "h200": {
        "NVIDIA H200": ("NVIDIA H200 SXM 141GB", 140.4, 4800, 700),
        "NVIDIA H200 NVL": ("NVIDIA H200 NVL 141GB", 140.4, 4800, 600),
        "NVIDIA H200 MIG 1g.18gb": None,
    },
    "ascend910b": {
        "Ascend910B1": ("Huawei Ascend 910B1", 64, None, None),
        "Ascend910B2": ("Huawei Ascend 910B2", 64, 1600, None),
        "Ascend910B2C": ("Huawei Ascend 910B2C", 64, None, None),
        "910B3": ("Huawei Ascend 910B3", 64, 1600, None),
        "Ascend910B4": ("Huawei Ascend 910B4", 32, 800, None),
        "910B4-1": ("Huawei Ascend 910B4-1", 64, None, None),
        "910B": None,
        "Ascend910B": None,
    },
    "dcu-z100l": {
        "Z100L": ("Hygon DCU Z100L", 31.98, None, 280),
        "Hygon DCU Z100": ("Hygon DCU Z100", None, None, 450),
        "gfx906": None,
    },
}
NAMES = [(chip, name) for chip, names in DEVICES.items() for name in names]


@pytest.mark.parametrize(("chip_name", "device"), NAMES, ids=lambda each: each.replace(" ", "-"))
def test_a_device_is_the_variant_that_its_name_says(chip_name, device):
    chip, expected = catalogue.chip(chip_name), DEVICES[chip_name][device]
    catalogue.check_device(chip_name, chip.device_name, device)
    found = as_variant(chip, device)
    remark = variant_remark(chip, [device])
    if expected is None:
        assert found is chip
        assert f"{device!r}, which is none of the variants that the chip's file knows" in remark
    else:
        assert (found.title, found.memory_gib.value, found.bandwidth_gb_s.value, found.power_cap_w.value) == expected
        assert remark is None


@pytest.mark.parametrize(
    ("chip_name", "device"),
    [
        ("rtx3090", "NVIDIA GeForce RTX 3090 Ti"),
        ("h200", "NVIDIA GH200 480GB"),
        ("h100", "NVIDIA GH100 480GB"),
        ("a100", "NVIDIA A800-SXM4-80GB"),
        ("ascend910b", "Ascend910_9391"),
        ("dcu-z100l", "K100_AI"),
    ],
)
def test_another_chip_of_a_like_name_is_refused(chip_name, device):
    with pytest.raises(UserError, match=re.escape(device)):
        catalogue.check_device(chip_name, catalogue.chip(chip_name).device_name, device)


def test_a_chip_that_its_driver_calls_by_another_name_runs_with_a_file_of_ones_own(tmp_path):
    """The record has the name of the device, tables that of the chip."""
    chip, device = catalogue.chip("dcu-z100l"), "Hygon C-3000"
    with pytest.raises(UserError, match=re.escape("device_name in a copy of the chip's file and give CHIP=lab/dcu-z")):
        catalogue.check_device("dcu-z100l", chip.device_name, device)
    text = (REPOSITORY / "scenarios/chips/dcu-z100l.yaml").read_text()
    own = tmp_path / "dcu-z100l.yaml"
    own.write_text(text.replace("'Z100|gfx906|DCU'", "'Z100|gfx906|DCU|C-3000'"))
    catalogue.check_device(str(own), catalogue.chip(str(own)).device_name, device)


def test_the_driver_names_another_chip_or_two_variants_in_one_line():
    chip = catalogue.chip("a100")
    stranger = variant_remark(chip, ["NVIDIA A10"])
    assert stranger == "the device here is called 'NVIDIA A10', which is no NVIDIA A100"
    mixed = variant_remark(chip, ["NVIDIA A100-PCIE-40GB", "NVIDIA A100-SXM4-80GB"])
    assert mixed.startswith("the devices here are not one variant: 'NVIDIA A100-PCIE-40GB' and 'NVIDIA A100-SXM4-80GB'")
    assert "CUDA_VISIBLE_DEVICES" in mixed
    assert variant_remark(chip, []) is None
    assert variant_remark(catalogue.chip("rtx3090"), ["NVIDIA GeForce RTX 3090"]) is None


@pytest.mark.parametrize("chip_name", catalogue.names("chips"))
def test_no_variant_has_a_figure_of_another(chip_name):
    """What a variant leaves out is the chip's own, so all variants give it or the chip gives none that differs."""
    chip = catalogue.chip(chip_name)
    for name in FIGURES[:3]:
        given = [getattr(variant, name) for variant in chip.variants]
        if any(given) and not all(given):
            assert getattr(chip, name).value is None, name
    patterns = [variant.pattern for variant in chip.variants]
    assert len(set(patterns)) == len(patterns)


@pytest.mark.parametrize("chip_name", catalogue.names("chips"))
def test_every_figure_of_a_variant_has_a_source(chip_name):
    for variant in catalogue.chip(chip_name).variants:
        for name in FIGURES[:3]:
            figure = getattr(variant, name)
            assert figure is None or (figure.value and len(figure.source) > 20), (variant.name, name)


class TestHere:
    """The chip as the driver tells of it."""

    def test_the_variant_gives_the_figures_and_the_driver_the_memory(self):
        told = Accelerator(devices=(Device(index=0, name="NVIDIA A100-PCIE-40GB", memory_bytes=int(39.5 * GIB)),))
        found = chip_here(catalogue.chip("a100"), told)
        assert (found.title, found.power_cap_w.value) == ("NVIDIA A100 PCIe 40GB", 250)
        assert found.memory_gib == Figure(value=39.5, source="the driver")

    def test_a_driver_that_tells_no_memory_leaves_that_of_the_variant(self):
        told = Accelerator(devices=(Device(index=0, name="910B4"), Device(index=1, name="910B4")))
        assert chip_here(catalogue.chip("ascend910b"), told).memory_gib.value == 32

    def test_two_variants_leave_the_chip_and_the_least_memory_counts(self):
        devices = (
            Device(index=0, name="910B3", memory_bytes=64 * GIB),
            Device(index=1, name="910B4", memory_bytes=32 * GIB),
        )
        found = chip_here(catalogue.chip("ascend910b"), Accelerator(devices=devices))
        assert (found.title, found.memory_gib.value) == ("Huawei Ascend 910B", 32)

    def test_a_driver_that_tells_nothing_changes_nothing(self):
        chip = catalogue.chip("a100")
        assert chip_here(chip, Accelerator()) == chip


def test_the_first_variant_that_fits_is_meant():
    chip = catalogue.chip("rtx3090")
    both = [ChipVariant(name=name, pattern="3090") for name in ("first", "second")]
    chip = ChipConfig.model_validate({**chip.model_dump(), "variants": [each.model_dump() for each in both]})
    assert variant_of(chip, "RTX 3090").name == "first"
    assert variant_of(chip, None) is None


def test_a_pattern_that_is_no_expression_is_refused_with_its_place(tmp_path):
    text = (catalogue.path_of("chips", "a100")).read_text().replace("'A100-PCIE-40GB(?!.*MIG)'", "'A100['")
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"own\.yaml:\d+: variants.*no regular expression"):
        catalogue.chip(str(path))


def test_a_pattern_is_found_whatever_the_case_of_its_letters():
    chip = SimpleNamespace(variants=(ChipVariant(name="910 Pro", pattern="910pro"),))
    assert variant_of(chip, "Ascend910PRO").name == "910 Pro"


@pytest.mark.parametrize(("idle_w", "refused"), [(399.0, False), (400.0, True), (401.0, True)])
def test_a_chip_rests_below_its_cap(idle_w, refused):
    chip = catalogue.chip("rtx3090").model_dump() | {
        "power_cap_w": {"value": 400.0, "source": "made"},
        "idle_power_w": {"value": idle_w, "source": "made"},
        "variants": [],
    }
    if refused:
        with pytest.raises(ValueError, match=f"idle_power_w {idle_w:g} of .* must be below its power_cap_w 400"):
            ChipConfig.model_validate(chip)
    else:
        assert ChipConfig.model_validate(chip).idle_power_w.value == idle_w
