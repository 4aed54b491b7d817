"""What a page leaves out of a folder of many records, and says that it does; smaller folders are shown whole."""

import io

import pytest
from made_records import make_measurements, make_record, make_scenario
from pages import Page
from rich.console import Console

from harness.analysis.cells import load_results
from harness.analysis.html_report import room, write_report

LAUNCHES = range(4)
LEFT_OUT = room.LEFT_OUT.partition("{")[0]


@pytest.fixture
def filled(results):
    """Two models in two frameworks, four launches each."""
    for model in ("fourcastnet", "graphcast"):
        for framework, execution in (("pytorch", "eager"), ("mindspore", "graph")):
            scenario = make_scenario(framework, execution, model=model)
            for launch in LAUNCHES:
                measured = make_measurements(launch=launch, step_s=0.5 + launch / 100)
                results.add(make_record(framework, launch, scenario=scenario, measurements=measured))
    return results


def page_of(results):
    write_report(results.path, suite=None, baseline=None, output=None, console=Console(file=io.StringIO()))
    return Page((results.path / "report.html").read_text())


@pytest.fixture
def _crowded(monkeypatch):
    monkeypatch.setattr(room, "MOST_RECORDS", 15)
    monkeypatch.setattr(room, "MOST_VALUES", 8)
    monkeypatch.setattr(room, "MOST_DRAWN", 6)


def of_cells(page):
    """The tables of the records of each cell."""
    return [table for table in page.tables if table.within and "-cell" in table.within[-1]]


def test_a_folder_of_ordinary_size_is_shown_whole(filled, monkeypatch):
    monkeypatch.setattr(room, "MOST_RECORDS", 16)
    page = page_of(filled)
    assert [table.columns[1:] for table in of_cells(page)] == [[f"launch {number}" for number in LAUNCHES]] * 4
    assert "more records" not in page.text
    assert LEFT_OUT not in page.text


@pytest.mark.usefixtures("_crowded")
def test_of_many_records_each_is_linked_and_some_are_shown(filled):
    page = page_of(filled)
    assert [table.columns[1:] for table in of_cells(page)] == [["launch 0", "launch 1"]] * 4
    assert page.text.count("2 more records, of launches 2, 3.") == 4
    linked = {(filled.path / href).resolve() for href in page.links if not href.startswith("#")}
    assert linked == {path.resolve() for path in filled.path.rglob("record.json")}


@pytest.mark.usefixtures("_crowded")
def test_figures_that_have_no_room_are_named(filled):
    """Two cells of each of two models: the speed of both, the losses of the first, and nothing more."""
    page = page_of(filled)
    left_out = [line for line in page.text.splitlines() if LEFT_OUT in line]
    named = "".join(left_out)
    assert "loss-graphcast-tiny-rossby" in named
    assert "skill-fourcastnet-tiny-rossby" in named
    for drawn in ("speed-fourcastnet-tiny-rossby", "speed-graphcast-tiny-rossby", "loss-fourcastnet-tiny-rossby"):
        assert drawn not in named


@pytest.mark.usefixtures("_crowded")
def test_every_cell_shows_a_record_even_where_there_are_more_cells_than_room(filled, monkeypatch):
    monkeypatch.setattr(room, "MOST_VALUES", 1)
    assert room.records_of_a_cell(load_results(filled.path).cells) == 1
