"""Records read by the hundred give what the same records give one by one."""

import pytest
from made_records import make_measurements, make_record
from reports import add_pair

from harness.analysis.cells import load_results
from harness.analysis.comparison.parity import with_parity
from harness.analysis.selection import DEFAULT_BASELINE
from harness.analysis.summaries import summarise_record
from harness.analysis.tables.brief import parts_of
from harness.analysis.tables.every import builders
from harness.errors import UserError
from harness.results import record as records


def test_damaged_files_are_named_and_the_others_count(results):
    add_pair(results)
    paths = sorted(results.path.rglob("record.json"))
    damaged = [paths[3], paths[8]]
    damaged[0].write_text("{")
    damaged[1].write_text(damaged[1].read_text().replace('"launch": ', '"launch": "x", "lunch": ', 1))
    found = load_results(results.path)
    assert [str(path) in problem for path, problem in zip(damaged, found.problems, strict=True)] == [True, True]
    assert sum(len(cell.launches) for cell in found.cells) == len(paths) - 2


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


def test_tables_and_their_warnings_need_no_file_again(results):
    """Reading ten thousand records a second time would take longer than all the rest."""
    add_pair(results)
    found = load_results(results.path)
    for path in results.path.rglob("record.json"):
        path.unlink()
    groups, comparisons = found.groups(), with_parity(DEFAULT_BASELINE.compare_all(found.cells), ())
    assert parts_of(groups, comparisons)[0].warnings
    tables = [build("smoke", groups, comparisons) for build in builders(())]
    assert [len(table.data.rows) > 0 for table in tables[:3]] == [True] * 3
