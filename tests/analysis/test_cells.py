import json
import os
import tempfile
from pathlib import Path

import pytest
from made_records import ResultsFolder, make_failure, make_record, make_scenario

from harness.analysis.cells import load_results
from harness.errors import UserError
from harness.scenario.schema import Stage, TrainingConfig


def test_launches_of_a_cell_in_order_of_their_number(results):
    results.add(*[make_record("pytorch", launch) for launch in (2, 0, 1)], make_record("mindspore", 0))
    pytorch, mindspore = sorted(load_results(results.path).cells, key=lambda cell: -len(cell.launches))
    assert (pytorch.label, mindspore.label) == ("pytorch eager", "mindspore graph")
    assert [record.launch for record in pytorch.launches] == [0, 1, 2]


def test_the_newest_completed_attempt_counts(results):
    results.add(
        make_record("pytorch", 0, attempt="newest", started_at="2026-01-03T00:00:00+00:00", duration_s=3.0),
        make_record("pytorch", 0, attempt="oldest", started_at="2026-01-01T00:00:00+00:00", duration_s=1.0),
        make_record("pytorch", 0, attempt="middle", started_at="2026-01-02T23:00:00-05:00", duration_s=4.0),
    )
    (cell,) = load_results(results.path).cells
    assert [record.attempt for record in cell.launches] == ["middle"]


def test_a_failed_attempt_after_a_completed_one_does_not_undo_it(results):
    results.add(
        make_record("mindspore", 0),
        make_failure("mindspore", 0, started_at="2026-02-01T00:00:00+00:00", reason="killed"),
        make_failure("mindspore", 1, reason="first"),
        make_failure("mindspore", 1, reason="second", attempt="again", started_at="2026-02-01T00:00:00+00:00"),
    )
    (cell,) = load_results(results.path).cells
    assert [record.launch for record in cell.launches] == [0]
    assert len(cell.failed_attempts) == 3
    assert [(record.launch, record.reason) for record in cell.failed_launches] == [(1, "second")]


def test_hosts_stay_apart(results):
    results.add(*[make_record("pytorch", launch, host=host) for host in ("a" * 12, "b" * 12) for launch in (0, 1)])
    groups = load_results(results.path).groups()
    assert [group.host for group in groups] == ["a" * 12, "b" * 12]
    assert [len(group.cells[0].launches) for group in groups] == [2, 2]


def test_the_content_counts_and_not_the_folder(results):
    path = results.add(make_record("pytorch", 0))
    path.parent.parent.parent.rename(results.path / "copied from elsewhere")
    found = load_results(results.path)
    assert found.suites == ("smoke",)
    assert found.cells[0].launches[0].launch == 0


def test_a_record_copied_twice_counts_once(results, tmp_path):
    path = results.add(make_record("pytorch", 0))
    copy = results.path / "copy"
    copy.mkdir()
    (copy / "record.json").write_text(path.read_text())
    (cell,) = load_results(results.path).cells
    assert len(cell.launches) == 1


def test_two_different_records_of_one_attempt_are_named_and_neither_counts(results):
    path = results.add(make_record("pytorch", 0), make_record("pytorch", 1))
    copy = results.path / "copied folder" / "record.json"
    copy.parent.mkdir()
    copy.write_text(path.read_text().replace('"duration_s": 10.0', '"duration_s": 11.0'))
    found = load_results(results.path)
    assert [record.launch for record in found.cells[0].launches] == [0]
    (problem,) = found.problems
    assert "two different records of one attempt (pytorch1), so that neither counts" in problem
    assert str(path) in problem
    assert str(copy) in problem


def test_a_copy_in_other_words_is_the_same_record(results):
    path = results.add(make_record("pytorch", 0))
    copy = results.path / "copied folder" / "record.json"
    copy.parent.mkdir()
    copy.write_text(json.dumps(json.loads(path.read_text())))
    found = load_results(results.path)
    assert (len(found.cells[0].launches), found.problems) == (1, ())


@pytest.mark.parametrize("field", ["model", "preset", "chip", "data_name"])
@pytest.mark.parametrize("name", ["../x", ".x", "a\x1b[2J", "x" * 61])
def test_other_names_are_checked_too(results, field, name):
    path = results.add(make_record("pytorch", 0))
    content = json.loads(path.read_text())
    content["scenario"][field] = name
    path.write_text(json.dumps(content))
    found = load_results(results.path)
    assert found.cells == ()
    assert f"{path}: damaged: scenario.{field}: {name!r}" in found.problems[0]


def test_absent_cells_of_no_suite_are_named(results):
    results.add(make_record("pytorch", 0))
    results.add_absent(suite="calibration")
    results.add_absent(suite="other", model="../x")
    found = load_results(results.path)
    assert (found.suites, len(found.problems)) == (("smoke",), 2)
    assert any("the name of its folder is kept for something else" in problem for problem in found.problems)
    assert any("damaged: model: '../x' begins with '.'" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[]", "damaged"),
        ('{"schema_version": 4}', "schema version 4"),
        ('{"schema_version": 2}', "scenario: Field required"),
        ('{"schema_version": 1}', "scenario: Field required"),
    ],
)
def test_a_damaged_or_newer_record_is_named_and_the_others_count(results, content, expected):
    damaged = results.add(make_record("pytorch", 0), make_record("pytorch", 1))
    damaged.write_text(content)
    found = load_results(results.path)
    (problem,) = found.problems
    assert str(damaged) in problem
    assert expected in problem
    assert "\n" not in problem
    assert [record.launch for record in found.cells[0].launches] == [0]


@pytest.mark.parametrize(
    "suite",
    ["../elsewhere", "..", ".", "", "a/b", "a\0b", "a\nb", "x" * 300, "parity", "Calibration", "a\u202eb", " a"],
)
def test_a_suite_that_is_no_name_of_a_folder_is_refused(results, suite):
    path = results.add(make_record("pytorch", 0))
    content = json.loads(path.read_text())
    content["scenario"]["suite"] = suite
    path.write_text(json.dumps(content))
    found = load_results(results.path)
    assert found.cells == ()
    assert f"{path}: damaged: scenario.suite: {suite!r}" in found.problems[0]


@pytest.mark.parametrize("started_at", ["yesterday", "2026-01-01T00:00:00", ""])
def test_a_time_that_is_none_is_refused(results, started_at):
    results.add(make_record("pytorch", 0))
    path = results.add(make_record("pytorch", 1, started_at=started_at))
    found = load_results(results.path)
    assert [record.launch for record in found.cells[0].launches] == [0]
    assert f"{path}: damaged: started_at: {started_at!r}" in found.problems[0]


def test_linked_folders_are_read_once(results, tmp_path):
    elsewhere = ResultsFolder(tmp_path / "elsewhere")
    elsewhere.add(make_record("mindspore", 0))
    results.add(make_record("pytorch", 0))
    (results.path / "linked").symlink_to(elsewhere.path)
    (results.path / "again").symlink_to(elsewhere.path)
    (elsewhere.path / "round").symlink_to(results.path)
    found = load_results(results.path)
    assert found.problems == ()
    assert sorted(cell.label for cell in found.cells) == ["mindspore graph", "pytorch eager"]


def test_a_folder_in_the_place_of_a_file_is_named(results):
    results.add(make_record("pytorch", 0))
    for name in ("record.json", "absent.json"):
        (results.path / "smoke" / name).mkdir()
    expected = {
        f"{results.path / 'smoke' / name}: a folder where a file should be" for name in ("record.json", "absent.json")
    }
    assert set(load_results(results.path).problems) == expected


@pytest.fixture
def _without_privileges():
    """Root reads every folder: be somebody else."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("_without_privileges")
def test_a_folder_that_cannot_be_read_is_named():
    with tempfile.TemporaryDirectory() as folder:
        results = ResultsFolder(Path(folder) / "results")
        results.add(make_record("pytorch", 0))
        locked = results.path / "locked"
        locked.mkdir(mode=0)
        found = load_results(results.path)
    assert found.problems == (f"{locked}: cannot be read: Permission denied",)
    assert len(found.cells) == 1


def test_no_such_folder(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        load_results(tmp_path / "nothing")


class TestAbsent:
    def test_beside_every_host(self, results):
        results.add(make_record("pytorch", 0, host="a" * 12), make_record("pytorch", 0, host="b" * 12))
        results.add_absent(reason="not installed")
        groups = load_results(results.path).groups()
        assert [[entry.reason for entry in group.absent] for group in groups] == [["not installed"]] * 2

    def test_alone(self, results):
        results.add_absent(chip="dcu-z100l", reason="no MindSpore for this chip")
        (group,) = load_results(results.path).groups()
        assert (group.host, group.cells, group.chip) == (None, (), "dcu-z100l")

    def test_not_where_the_cell_has_records(self, results):
        results.add(make_record("mindspore", 0))
        results.add_absent()
        (group,) = load_results(results.path).groups()
        assert group.absent == ()

    def test_a_damaged_list_is_named(self, results):
        results.add_absent()
        path = results.path / "smoke" / "absent.json"
        path.write_text('[{"model": "fourcastnet"}]')
        found = load_results(results.path)
        assert found.absent == ()
        assert str(path) in found.problems[0]


def test_cells_of_one_label_get_labels_of_their_own(results):
    other = make_scenario(
        training=TrainingConfig(batch_size=16, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),))
    )
    results.add(make_record("pytorch", 0), make_record("pytorch", 0, scenario=other), make_record("mindspore", 0))
    (group,) = load_results(results.path).groups()
    labels = [group.label(cell) for cell in group.cells]
    assert len(set(labels)) == 3
    assert "mindspore graph" in labels
    assert f"pytorch eager {other.cell[-8:]}" in labels
