"""Models beside each other in the table of skill, where they forecast the same data."""

import io

import pytest
from made_records import make_measurements, make_record, make_scenario, make_skill
from rich.console import Console

from harness.analysis.tables.writing import write_tables

TITLE = "RMSE of several models: chip cpu, data rossby, host "


def section(results):
    """The lines of the section in skill.md, without its title; none where there is no such section."""
    write_tables(results.path, suite=None, baseline=None, console=Console(file=io.StringIO()))
    (file,) = results.path.glob("*/tables/skill.md")
    _, _, rest = file.read_text().partition(f"## {TITLE}")
    return rest.partition("\n## ")[0].splitlines()[1:]


def add(results, model, rmse, *, framework="pytorch", persistence=2.0, **changes):
    """Three launches."""
    scenario = make_scenario(framework, "eager", model=model).model_copy(update=changes)
    for launch in range(3):
        skill = make_skill(rmse, persistence=persistence)
        measured = make_measurements(launch=launch, skill=skill)
        results.add(make_record(framework, launch, scenario=scenario, measurements=measured))


def cells_of(line):
    return [part.strip() for part in line.strip("|").split("|")]


def test_each_model_has_a_column_by_its_baseline(results):
    add(results, "fourcastnet", 1.25)
    add(results, "fourcastnet", 9.0, framework="mindspore")
    add(results, "aigoms", 0.75)
    lines = section(results)
    head, row = (cells_of(line) for line in (lines[1], lines[3]))
    assert head == [
        "variable",
        "lead, h",
        "aigoms tiny, pytorch eager",
        "fourcastnet tiny, pytorch eager",
        "persistence",
    ]
    assert [row[0], row[1], row[4]] == ["u, m/s", "6", "2.000"]
    assert [text.split()[0] for text in row[2:4]] == ["0.7500", "1.250"]
    assert any("No verdict" in line for line in lines)
    assert not any("other starts" in line for line in lines)


def test_scores_from_other_starts_are_said_to_be(results):
    add(results, "aigoms", 0.75)
    add(results, "graphcast", 0.5, persistence=2.1)
    (said,) = [line for line in section(results) if "other starts" in line]
    assert "Persistence of graphcast tiny, pytorch eager differs from that shown, of aigoms tiny" in said
    assert "by up to 5.00%" in said


@pytest.mark.parametrize("changes", [{"grid": (8, 16)}, {"data_digest": "other"}])
def test_other_data_are_not_put_beside(results, changes):
    add(results, "aigoms", 0.75)
    add(results, "fourcastnet", 1.25, **changes)
    assert section(results) == []


def test_one_model_has_no_such_section(results):
    add(results, "fourcastnet", 1.25)
    add(results, "fourcastnet", 1.25, framework="mindspore")
    assert section(results) == []
