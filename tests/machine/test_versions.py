"""A framework of a version that the harness does not run with is refused by name, before a launch."""

import re

import pytest
import yaml
from packaging.version import Version

from harness.errors import UserError
from harness.launch.survey import survey
from harness.machine.availability import cannot_run
from harness.machine.versions import disagreements, is_within
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.folders import ROOT
from harness.scenario.scenario import Selection
from tests.made_pythons import install
from tests.shared import REPOSITORY

OBTAIN = "take another image"


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("2.4.0", True),
        ("2.10.0", True),
        ("2.3.1", False),
        ("2.1.0.post13", False),
        ("2.4.1+das.opt2.dtk2504", True),
        ("1.13.1+git55d300e.abi0.dtk2310", False),
        ("2.5.0a0+872d972e41.nv24.08", True),
        ("2.4.0a0+f70bd71a48.nv24.06", False),
        ("2.6.0-lab build", True),
        ("2.3-lab build", False),
        ("nightly", True),
    ],
)
def test_versions_as_vendors_write_them(version, fits):
    assert is_within(version, ">=2.4") is fits


def test_all_bounds_hold():
    assert [is_within(version, ">=2.4, <2.15") for version in ("2.4", "2.14.9", "2.15.0")] == [True, True, False]


def chip(**pytorch):
    """The CPU's file with a framework of made packages."""
    content = yaml.safe_load((ROOT / "chips" / "cpu.yaml").read_text())
    content["frameworks"] = {"pytorch": {"device": "cpu", "obtain": OBTAIN, **pytorch}}
    return ChipConfig.model_validate(content)


@pytest.fixture
def image(tmp_path, monkeypatch):
    """A folder of packages that this Python sees first."""
    monkeypatch.syspath_prepend(str(tmp_path / "image"))
    return tmp_path / "image"


NPU = {"packages": ["made_torch", "made_torch_npu"], "needs": {"made_torch": ">=2.4", "made_torch_npu": ">=2.4"}}


def test_old_framework_is_named_with_what_is_needed(image):
    install(image, "made_torch", "2.1.0")
    install(image, "made_torch_npu", "2.1.0.post13")
    assert cannot_run(chip(**NPU), "pytorch") == (
        "made_torch 2.1.0 is installed, and made_torch >=2.4 is needed; made_torch_npu 2.1.0.post13 is installed, and "
        f"made_torch_npu >=2.4 is needed; {OBTAIN}"
    )


def test_packages_that_do_not_go_together_are_named(image):
    install(image, "made_torch", "2.11.0")
    install(
        image, "made_torch_npu", "2.12.0", "made-torch==2.12.0", "numpy<1 ; extra == 'old'", "no requirement at all"
    )
    assert cannot_run(chip(**NPU), "pytorch") == (
        f"made_torch_npu 2.12.0 needs made_torch ==2.12.0, and made_torch 2.11.0 is installed; {OBTAIN}"
    )


@pytest.mark.parametrize("version", ["2.4.1+das.opt2.dtk2504", None])
def test_what_fits_or_tells_no_version_may_run(image, version):
    install(image, "made_torch", version)
    install(image, "made_torch_npu", version, "made_torch==2.4.1")
    assert cannot_run(chip(**NPU), "pytorch") is None


def test_absent_framework_is_said_as_ever(image):
    install(image, "made_torch", "2.4.0")
    assert cannot_run(chip(**NPU), "pytorch") == f"made_torch_npu not installed; {OBTAIN}"


def test_requirements_of_others_are_no_disagreement():
    assert not [*disagreements({"torch": "2.5"}, {"torch": ["numpy==1.2", "torch>=9 ; extra == 'x'"]})]


def test_bench_leaves_out_the_framework_that_does_not_fit(tmp_path):
    content = yaml.safe_load((ROOT / "chips" / "cpu.yaml").read_text())
    content["frameworks"]["pytorch"]["needs"] = {"torch": ">=99"}
    path = tmp_path / "cpu.yaml"
    path.write_text(yaml.safe_dump(content))
    matrix = survey(Selection(chip=str(path), model="fourcastnet")).matrix
    assert {cell.framework for cell in matrix.cells} == {"mindspore"}
    (reason,) = {absent.reason for absent in matrix.absent}
    assert "is installed, and torch >=99 is needed; run: make venv" in reason


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"needs": {"torch": "2.4"}}, "needs.torch"),
        ({"needs": {"torch": ">=2.4 or so"}}, "needs.torch"),
        ({"needs": {"numpy": ">=1"}}, "numpy is none of packages"),
        ({"python": "venv/bin/python"}, "python"),
    ],
)
def test_chip_file_that_says_it_wrongly_is_one_line(tmp_path, wrong, said):
    content = yaml.safe_load((ROOT / "chips" / "cpu.yaml").read_text())
    content["frameworks"]["pytorch"].update(wrong)
    path = tmp_path / "cpu.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as raised:
        catalogue.chip(str(path))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", catalogue.names("chips"))
def test_every_chip_says_which_versions_it_needs(name):
    for entry in catalogue.chip(name).frameworks.values():
        assert set(entry.needs) == set(entry.packages)


PROJECT, PINS, SETUP = (
    (REPOSITORY / name).read_text() for name in ("pyproject.toml", "constraints.txt", "docs/setup.md")
)
FRAMEWORKS = ("torch", "mindspore")


def versions_run(name):
    """What the table of docs/setup.md says was run of a framework."""
    (row,) = re.findall(rf"^\| {name} \| (.+?) or newer \| (.+) \|$", SETUP, re.M)
    return row[0], re.findall(r"\d+\.\d+\.\d+", row[1])


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_what_was_run_is_what_pip_takes_and_what_chips_allow(name):
    (bounds,) = re.findall(rf'"{name}([<>=.,0-9]+)"', PROJECT)
    least, run = versions_run(name)
    assert re.search(rf"^{name}==(.+)$", PINS, re.M)[1] in run
    assert all(is_within(version, bounds) for version in run)
    newest = max(Version(version) for version in run)
    assert not is_within(f"{newest.major}.{newest.minor + 1}.0", bounds)
    assert all(is_within(floor, f">={least}") for floor in re.findall(r">=([0-9.]+)", bounds))


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_all_chips_need_what_the_table_says(name):
    least, run = versions_run(name)
    entries = [entry for chip in catalogue.names("chips") for entry in catalogue.chip(chip).frameworks.values()]
    needs = {entry.needs[name] for entry in entries if name in entry.needs}
    assert needs == {f">={least}"}
    assert all(is_within(version, f">={least}") for version in run)
