"""Records read by the hundred give what the same records give one by one."""

import pytest
from made_records import make_measurements, make_record
from reports import add_pair, read, run

from collectors import children
from harness.analysis import reading
from harness.analysis.cells import load_results
from harness.analysis.summaries import summarise_record
from harness.errors import UserError
from harness.results import record as records


@pytest.fixture
def _shared(monkeypatch):
    monkeypatch.setattr(reading, "HEAD_START", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def fill(results):
    """Ten records, of which the fourth and the ninth file are damaged; returns the damaged."""
    add_pair(results)
    paths = sorted(results.path.rglob("record.json"))
    paths[3].write_text("{")
    paths[8].write_text(paths[8].read_text().replace('"launch": ', '"launch": "x", "lunch": ', 1))
    return [paths[3], paths[8]]


def test_two_processes_find_what_one_finds(results, monkeypatch):
    damaged = fill(results)
    alone = load_results(results.path)
    run(results)
    tables = {name: read(results, name)[1] for name in ("speed", "skill", "energy")}
    monkeypatch.setattr(reading, "HEAD_START", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    shared = load_results(results.path)
    assert shared.problems == alone.problems
    assert [str(path) in problem for path, problem in zip(damaged, shared.problems, strict=True)] == [True, True]
    assert [[record.summary for record in cell.launches] for cell in shared.cells] == [
        [record.summary for record in cell.launches] for cell in alone.cells
    ]
    run(results)
    assert {name: read(results, name)[1] for name in tables} == tables


@pytest.mark.usefixtures("_shared")
def test_a_reader_that_dies_is_made_up_for(results, monkeypatch):
    fill(results)
    start = children.start
    monkeypatch.setattr(children, "start", lambda command, **options: start(["false"], **options))
    found = load_results(results.path)
    assert sum(len(cell.launches) for cell in found.cells) == 8
    assert len(found.problems) == 2


@pytest.mark.usefixtures("_shared")
def test_no_code_beside_the_records_is_run(results, monkeypatch, tmp_path):
    fill(results)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", ":/nowhere")
    for name in ("harness", "collectors", "runpy", "pickle"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    answered = []
    monkeypatch.setattr(
        reading, "_answer", lambda child, paths: answered.append(child.wait()) or reading._read_all(paths)
    )
    load_results(results.path)
    assert answered == [0]
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("_shared")
def test_measurements_are_those_of_the_file(results):
    paths = [results.add(make_record("pytorch", launch)) for launch in range(6)]
    (cell,) = load_results(results.path).cells
    for record, path in zip(cell.launches, paths, strict=True):
        whole = records.load(path)
        assert record.path == path
        assert (record.measurements, record.energy) == (whole.measurements, whole.energy)
        assert record.environment == whole.environment
        assert record.summary == summarise_record(whole)


def test_a_file_that_changes_is_read_anew(results):
    path = results.add(make_record("pytorch", 0))
    (cell,) = load_results(results.path).cells
    assert cell.launches[0].measurements.parameters == 1000
    path.unlink()
    records.save(make_record("pytorch", 0, measurements=make_measurements(parameters=7)), path.parent)
    assert cell.launches[0].measurements.parameters == 7
    path.unlink()
    with pytest.raises(UserError, match="cannot be read any more"):
        _ = cell.launches[0].measurements


def test_unknown_attributes_stay_unknown(results):
    results.add(make_record("pytorch", 0))
    (cell,) = load_results(results.path).cells
    with pytest.raises(AttributeError):
        _ = cell.launches[0].measurement
