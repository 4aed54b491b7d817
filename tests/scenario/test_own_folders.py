"""Folders of scenarios of a lab's own: found by name beside those of the checkout."""

import shutil

import pytest

from harness.commands.overview import overview
from harness.errors import UserError
from harness.scenario import catalogue
from harness.scenario.folders import OWN, ROOT


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of a lab with a chip of its own, and one without anything."""
    for name in ("lab", "empty"):
        (tmp_path / name / "chips").mkdir(parents=True)
    shutil.copy(ROOT / "chips" / "cpu.yaml", tmp_path / "lab" / "chips" / "lab-cpu.yaml")
    monkeypatch.setenv(OWN, f"{tmp_path / 'empty'}:{tmp_path / 'lab'}")
    return tmp_path / "lab"


def test_a_chip_of_a_lab_is_found_by_its_name(own):
    assert "lab-cpu" in catalogue.names("chips")
    assert catalogue.path_of("chips", "lab-cpu") == own / "chips" / "lab-cpu.yaml"
    assert catalogue.chip("lab-cpu") == catalogue.chip("cpu")


def test_the_list_shows_it(own):
    [chips] = [table for table in overview() if str(table.title).startswith("Chips")]
    assert "lab-cpu" in list(chips.columns[0].cells)


def test_a_name_that_is_there_twice_is_refused(own):
    (own / "chips" / "lab-cpu.yaml").rename(own / "chips" / "cpu.yaml")
    with pytest.raises(UserError, match=r"chips 'cpu' is both .*scenarios/chips/cpu\.yaml and .*lab/chips/cpu\.yaml"):
        catalogue.chip("cpu")


def test_what_is_no_folder_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv(OWN, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=rf"{OWN}: .*nowhere is no folder"):
        catalogue.names("suites")
