"""What a rehearsal leaves cannot be taken for measurements, nor the other way round."""

import re
from pathlib import Path

import pytest

from harness.analysis.cells import load_results
from harness.analysis.figures import rendered
from harness.analysis.figures.style import new_figure
from harness.analysis.tables.files import write_table
from harness.analysis.tables.table import Data, Section, Table
from harness.calibration import store
from harness.launch.bench import note_absent
from harness.machine import environment, rehearsal
from harness.machine.availability import device_files
from harness.porting.parity import certificate
from harness.results import deep_report
from harness.results.deep_report import Check, DeepReport
from harness.scenario.matrix import Matrix
from harness.scenario.scenario import Absent, PlannedCell
from tests.analysis.made_records import ResultsFolder, make_certificate, make_record

TABLE = Table("speed", "Speed", (Section("A group", ("a",), (("1",),)),), lambda: Data(("a",), [(1,)]))


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


@pytest.mark.parametrize("made", ["measurement", "rehearsal"])
@pytest.mark.parametrize("read", ["measurement", "rehearsal"])
def test_what_stands_beside_records_counts_where_it_was_made(tmp_path, monkeypatch, made, read):
    """Certificates, calibrations, deep looks and cells that could not run."""

    def act(purpose):
        if purpose == "rehearsal":
            monkeypatch.setenv(rehearsal.VARIABLE, "/stage")
        else:
            monkeypatch.delenv(rehearsal.VARIABLE, raising=False)

    act(made)
    host, when = environment.host_digest(), "2026-01-02T03:04:05+00:00"
    folder = tmp_path / "smoke"
    folder.mkdir()
    cell = {name: getattr(make_record().scenario, name) for name in PlannedCell.model_fields}
    matrix = Matrix(suite="smoke", launches=1, cells=(), absent=(Absent(**cell, reason="no such chip"),))
    note_absent(folder, matrix, lambda line: None)
    certificate.save(make_certificate(purpose=rehearsal.purpose()), tmp_path)
    calibration = store.Calibration(
        chip="cpu",
        collector="rapl",
        host=host,
        device_name="cpu",
        framework="pytorch",
        made_at=when,
        half_period_s=3.0,
        sensors=(),
        purpose=rehearsal.purpose(),
    )
    store.save(calibration, tmp_path)
    check = Check(group="machine", name="versions", verdict="failed", found="none", advice="install them")
    look = DeepReport(
        chip="cpu",
        host=host,
        made_at=when,
        crosscast_version="0",
        took_s=1.0,
        checks=(check,),
        purpose=rehearsal.purpose(),
    )
    deep_report.save(look, tmp_path)

    act(read)
    found = load_results(tmp_path)
    counted = made == read
    assert (len(found.certificates), len(found.absent), found.problems) == (counted, counted, ())
    assert (store.load(tmp_path, "cpu", "rapl") is not None) == counted
    assert ("must be mended" in deep_report.remark(tmp_path, "cpu", host, None, rehearsal.purpose())) == counted


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
