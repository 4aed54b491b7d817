"""What a rehearsal leaves cannot be taken for measurements, nor the other way round."""

import re
from pathlib import Path

import pandas as pd
import pytest

from harness.analysis.cells import load_results
from harness.analysis.figures import rendered
from harness.analysis.figures.style import new_figure
from harness.analysis.tables.files import write_table
from harness.analysis.tables.table import Section, Table
from harness.machine import rehearsal
from harness.machine.availability import device_files
from tests.analysis.made_records import ResultsFolder, make_record

TABLE = Table("speed", "Speed", (Section("A group", ("a",), (("1",),)),), pd.DataFrame({"a": [1]}))


@pytest.fixture
def results(tmp_path: Path):
    folder = ResultsFolder(tmp_path / "results")
    folder.add(make_record(launch=0), make_record(launch=1, purpose="rehearsal"))
    return folder.path


def launches(path):
    return [record.launch for cell in load_results(path).cells for record in cell.launches]


def test_tables_of_measurements_leave_rehearsals_out(results, monkeypatch):
    monkeypatch.delenv(rehearsal.VARIABLE, raising=False)
    assert launches(results) == [0]


def test_tables_of_a_rehearsal_leave_measurements_out(results, monkeypatch):
    monkeypatch.setenv(rehearsal.VARIABLE, "/stage")
    assert launches(results) == [1]


def test_every_table_of_a_rehearsal_says_so_in_its_name_and_titles(tmp_path, monkeypatch):
    monkeypatch.setenv(rehearsal.VARIABLE, "/stage")
    paths = {path.suffix: path for path in write_table(TABLE, [], tmp_path)}
    assert {path.name for path in paths.values()} == {f"rehearsal-speed.{end}" for end in ("md", "csv", "tex", "html")}
    for end in (".md", ".tex", ".html"):
        titles = [line for line in paths[end].read_text().splitlines() if re.search("A group|<h1|^# ", line)]
        assert titles
        assert all(rehearsal.NOTICE in line for line in titles), titles
    monkeypatch.delenv(rehearsal.VARIABLE)
    assert next(path.name for path in write_table(TABLE, [], tmp_path)) == "speed.md"
    assert rehearsal.NOTICE not in (tmp_path / "speed.md").read_text()


def test_every_figure_of_a_rehearsal_says_so(monkeypatch):
    figure = new_figure(6, 4)
    monkeypatch.delenv(rehearsal.VARIABLE, raising=False)
    plain = rendered(figure, "svg")
    monkeypatch.setenv(rehearsal.VARIABLE, "/stage")
    noted = rendered(figure, "svg")
    monkeypatch.delenv(rehearsal.VARIABLE)
    assert noted != plain == rendered(figure, "svg")


def test_device_files_are_those_of_the_stage(tmp_path, monkeypatch):
    (tmp_path / "root" / "dev").mkdir(parents=True)
    (tmp_path / "root" / "dev" / "davinci0").touch()
    monkeypatch.delenv(rehearsal.VARIABLE, raising=False)
    assert device_files("/dev/davinci[0-9]*") == sorted(Path("/dev").glob("davinci[0-9]*"))
    monkeypatch.setenv(rehearsal.VARIABLE, str(tmp_path))
    assert device_files("/dev/davinci[0-9]*") == [tmp_path / "root/dev/davinci0"]
