"""No projection gets into tables, claims, figures, statistics or exports, and none of its files is read as a record."""

import json

import pandas as pd
import pytest

from harness.analysis.benchmark_export import to_pytest_benchmark
from harness.analysis.cells import load_results
from harness.analysis.claims.judging import judge
from harness.analysis.content import Number, Words
from harness.analysis.figures.writing import illustrations
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.selection import DEFAULT_BASELINE
from harness.analysis.statistics import ratio_of_medians, summarise
from harness.analysis.tables.files import write_table
from harness.analysis.tables.latex import to_latex
from harness.analysis.tables.speed import speed_table
from harness.analysis.tables.table import Data, Section, Table
from harness.console import PlainConsole
from harness.projection.projected import Projected
from harness.projection.running import Wanted, project
from harness.scenario import catalogue
from harness.text import csv_file, csv_text
from tests.projection.planted import plant

SMUGGLED = Projected("training step", "s", 1.0, 0.5, 2.0, "made up")


def test_it_is_neither_text_nor_number():
    for use in (str, float, int, abs, lambda each: f"{each}", lambda each: f"{each:.2f}", lambda each: each + 1.0):
        with pytest.raises(TypeError):
            use(SMUGGLED)
    with pytest.raises(TypeError):
        assert SMUGGLED < 2.0
    with pytest.raises(TypeError):
        json.dumps({"value": SMUGGLED})
    assert "Projected" in repr(SMUGGLED)


def test_no_cell_of_a_table_takes_it():
    with pytest.raises(TypeError, match="takes no Projected"):
        Section("t", ("a",), ((SMUGGLED,),))
    with pytest.raises(TypeError, match="takes no Projected"):
        Section("t", (SMUGGLED,), ())
    with pytest.raises(TypeError, match="is a Quantity, no Projected"):
        Number(SMUGGLED)


@pytest.mark.parametrize("hide", [Words, lambda each: Number(Quantity(each))], ids=["words", "quantity"])
def test_none_that_is_wrapped_is_written(hide, tmp_path):
    table = Table("speed", "t", (Section("t", ("a",), (("x",), (hide(SMUGGLED),))),), lambda: Data(("a",), [(1,)]))
    with pytest.raises(TypeError):
        to_latex(table, ())
    with pytest.raises(TypeError):
        write_table(table, (), tmp_path / "tables")
    assert not list((tmp_path / "tables").iterdir())


def test_no_data_of_a_table_take_it():
    with pytest.raises(TypeError):
        csv_file(pd.DataFrame({"step_s": [SMUGGLED]}))
    with pytest.raises(TypeError):
        csv_text(("step_s",), [(SMUGGLED,)])


def test_no_statistic_takes_it():
    with pytest.raises(TypeError):
        summarise([SMUGGLED, SMUGGLED, SMUGGLED])
    with pytest.raises(TypeError):
        ratio_of_medians({0: SMUGGLED}, {0: 1.0})


def test_files_of_projections_change_nothing_that_is_made_of_records(results):
    """Table, figures, export and claims are the same beside a folder of projections."""
    plant(results)

    def made():
        found = load_results(results.path)
        groups = found.groups()
        drawn = [item.name for item in illustrations(groups)]
        judged = [(each.claim.name, each.outcome) for each in judge(catalogue.claims("2510.17852"), found)]
        exported = to_pytest_benchmark(found)["benchmarks"]
        shown = speed_table("smoke", groups, DEFAULT_BASELINE.compare_all(found.cells)).data
        return found.problems, [cell.key for cell in found.cells], shown, drawn, judged, exported

    before = made()
    project(results.path, Wanted("cpu", models=("fourcastnet",), preset="tiny"), PlainConsole())
    assert (results.path / "projection" / "cpu" / "projection.csv").exists()
    after = made()
    assert before == after
    assert before[1]


def test_a_record_that_says_it_is_a_projection_is_refused(results):
    plant(results)
    path = next(results.path.rglob("record.json"))
    content = json.loads(path.read_text()) | {"purpose": "projection"}
    path.write_text(json.dumps(content))
    found = load_results(results.path)
    assert any(str(path) in problem and "damaged" in problem for problem in found.problems)


def test_a_table_of_projections_is_no_table_of_measurements(results):
    from harness.projection.tables import ProjectionTable

    assert not issubclass(ProjectionTable, Table)
    table = ProjectionTable("a chip", (), (), None, ())
    with pytest.raises(AttributeError):
        to_latex(table, ())
    with pytest.raises((AttributeError, TypeError)):
        write_table(table, (), results.path / "tables")
    assert speed_table("smoke", (), {}).sections == ()
