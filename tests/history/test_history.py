"""Series of nights: the index follows its records, levels are found where they changed, everything is shown."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from harness.commands.cli import cli
from harness.errors import UserError
from harness.history.baseline import Baseline, Move, load_baseline, move
from harness.history.changes import change_points
from harness.history.gate import night_of
from harness.history.series import failures_of, groups_of
from harness.history.store import FILE_NAME, records_below, refresh
from tests.analysis.made_records import ResultsFolder, make_failure, make_record
from tests.history.made_nights import BEFORE, make_night

NIGHTS, CHANGED = 14, 8
COMMITS = [f"{number:x}" * 40 for number in range(NIGHTS)]


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Fourteen nights with a step that is 8 % slower from the ninth on, by another commit each night."""
    folder = tmp_path_factory.mktemp("nights") / "results"
    for number in range(NIGHTS):
        slower = 1.08 if number >= CHANGED else 1.0
        commits = (BEFORE, COMMITS[number])
        make_night(folder / str(number), night=number, slower=slower, launches=3, commits=commits)
    refresh(folder)
    return folder


@pytest.fixture
def copied(nights, tmp_path):
    return shutil.copytree(nights, tmp_path / "results")


def the_group(folder, **options):
    index, problems = refresh(folder, **options)
    assert problems == ()
    (group,) = groups_of(index)
    return group


def step_of(group):
    names = [each.name for each in group.quantities]
    return group.medians[:, names.index("train_step_s")]


def run(*words):
    return CliRunner().invoke(cli, ["history", *map(str, words)])


class TestIndex:
    def test_a_row_for_each_launch_and_quantity_with_where_it_comes_from(self, nights):
        index = pq.read_table(nights / FILE_NAME).to_pandas()
        launches = 2 * NIGHTS * 3
        assert index["record"].nunique() == launches
        assert len(index) == launches * index["quantity"].nunique()
        row = index[(index["night"] == "2026-03-05") & (index["side"] == "candidate")].iloc[0]
        assert (row["commit"], row["node"], row["execution"]) == (COMMITS[4], "aaaabbbbcccc", "pytorch eager")
        assert (nights / row["record"]).is_file()

    def test_a_folder_is_the_same_by_any_name_and_may_be_a_checkout(self, nights, monkeypatch):
        by_name = records_below(nights)
        monkeypatch.chdir(nights)
        assert records_below(Path()) == records_below(Path("../") / nights.name) == by_name
        (nights / ".git").mkdir()
        try:
            assert records_below(Path())[0] == records_below(nights)[0] == by_name[0]
        finally:
            (nights / ".git").rmdir()

    def test_medians_are_those_of_the_records(self, nights):
        group = the_group(nights)
        assert group.nights[0] == "2026-03-01"
        assert len(group.nights) == NIGHTS
        for number in range(NIGHTS):
            paths = (nights / str(number) / "candidate").rglob("record.json")
            stages = [json.loads(path.read_text())["measurements"]["training"][0] for path in paths]
            expected = np.median([stage["steady_steps"]["median_s"] for stage in stages])
            assert step_of(group)[number] == pytest.approx(expected, rel=1e-12)

    def test_it_follows_records_that_come_change_and_go(self, copied):
        before = the_group(copied)
        shutil.rmtree(copied / "3")
        make_night(copied / "new", night=NIGHTS, slower=2.0, launches=3)
        path = next((copied / "5" / "candidate").rglob("record.json"))
        path.write_text(path.read_text().replace('"crosscast_version":"0.1.0"', '"crosscast_version":"0.1.1"'))
        found = the_group(copied)
        assert found.nights == (*before.nights[:3], *before.nights[4:], "2026-03-15")
        assert step_of(found)[-1] == pytest.approx(1.0, rel=0.02)
        pd.testing.assert_frame_equal(*(_sorted(refresh(copied, rebuild=each)[0]) for each in (False, True)))

    @pytest.mark.parametrize("content", [b"", b"no parquet", None])
    def test_a_lost_or_damaged_index_is_made_anew(self, copied, content):
        path = copied / FILE_NAME
        before = the_group(copied)
        path.unlink() if content is None else path.write_bytes(content)
        assert np.array_equal(step_of(the_group(copied)), step_of(before))
        assert path.is_file()

    def test_a_damaged_record_is_named_and_the_others_stand(self, copied):
        path = next((copied / "5" / "candidate").rglob("record.json"))
        path.write_text("{")
        index, problems = refresh(copied)
        assert [str(path) in problem for problem in problems] == [True]
        assert len(groups_of(index)[0].launch) == 3 * NIGHTS - 1

    def test_a_launch_without_a_value_is_there(self, copied):
        holder = ResultsFolder(copied / "failed")
        holder.add(make_failure("mindspore", 0))
        failed = failures_of(refresh(copied)[0])
        assert failed["status"].tolist() == ["out_of_memory"]

    def test_checkouts_below_are_passed_over_and_a_suite_called_baseline_is_none(self, copied):
        before = the_group(copied)
        checkout = shutil.copytree(copied / "0", copied / "checkouts" / "candidate")
        (checkout / ".git").write_text("gitdir: elsewhere")
        group = the_group(copied)
        assert len(group.launch) == len(before.launch)
        records = [name for name in refresh(copied)[0]["record"].unique() if "/baseline/" in f"/{name}"]
        assert len(records) == 3 * NIGHTS

    def test_linked_folders_are_followed_once(self, copied, tmp_path):
        before = the_group(copied)
        (copied / "5").rename(tmp_path / "elsewhere")
        for name in ("linked", "again"):
            (copied / name).symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere" / "round").symlink_to(copied)
        group = the_group(copied)
        assert (group.nights, len(group.launch)) == (before.nights, len(before.launch))

    def test_what_cannot_be_read_is_named_and_the_rest_of_its_folder_stands(self, copied):
        place = next((copied / "5" / "candidate").rglob("record.json")).parent.parent
        (place / "0").mkdir()
        (place / "0" / "record.json").symlink_to("nowhere")
        (place / "0" / "below").mkdir()
        shutil.move(next(place.glob("*/record.json")), place / "0" / "below" / "record.json")
        index, problems = refresh(copied)
        assert [problem.partition(": ")[2] for problem in problems] == ["cannot be read: No such file or directory"]
        assert len(groups_of(index)[0].launch) == 3 * NIGHTS

    @pytest.mark.parametrize(
        ("column", "other"),
        [
            ("modified_ns", pa.null()),
            ("launch", pa.string()),
            ("cell", pa.float32()),
            ("value", pa.string()),
            ("foreign", pa.null()),
        ],
    )
    def test_an_index_of_other_types_is_made_anew(self, copied, column, other):
        path = copied / FILE_NAME
        before = the_group(copied)
        table = pq.read_table(path)
        place = table.schema.names.index(column)
        spoilt = pa.nulls(table.num_rows, other) if other == pa.null() else pa.array(["7"] * table.num_rows).cast(other)
        pq.write_table(table.set_column(place, column, spoilt).replace_schema_metadata(table.schema.metadata), path)
        assert np.array_equal(step_of(the_group(copied)), step_of(before))
        assert pq.read_table(path).schema.equals(table.schema)

    def test_an_index_without_a_name_is_made_anew(self, copied):
        path = copied / FILE_NAME
        before = the_group(copied)
        table = pq.read_table(path)
        place = table.schema.names.index("record")
        lost = pa.nulls(table.num_rows, table.schema.field("record").type)
        pq.write_table(table.set_column(place, table.schema.field("record"), lost), path)
        assert np.array_equal(step_of(the_group(copied)), step_of(before))

    def test_a_pipe_in_the_place_of_the_index_is_left_alone(self, copied):
        path = copied / FILE_NAME
        before = the_group(copied)
        path.unlink()
        os.mkfifo(path)
        assert np.array_equal(step_of(the_group(copied)), step_of(before))
        assert path.is_fifo()

    def test_no_record_is_said(self, tmp_path):
        with pytest.raises(UserError, match="no record of a launch"):
            refresh(tmp_path)

    def test_what_is_in_the_index_is_not_read_again(self, copied, monkeypatch):
        refresh(copied)
        monkeypatch.setattr("harness.history.store.read_records", lambda paths: [pytest.fail("read")] if paths else [])
        refresh(copied)


def _sorted(frame):
    plain = frame.astype({name: object for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)})
    return plain.sort_values(["record", "quantity"], ignore_index=True)


def test_a_night_of_nightly_is_one_though_it_goes_on_after_noon(tmp_path):
    """01:30 in San Francisco is 09:30 UTC: the last of these launches begins at 15:30 UTC."""
    folder = tmp_path / "2026-03-09-0123abcd-2"
    folder.mkdir()
    for side in ("baseline", "candidate"):
        results = ResultsFolder(folder / side)
        for launch in range(4):
            started = f"2026-03-10T{9 + 2 * launch:02d}:30:00+00:00"
            results.add(make_record("pytorch", launch, attempt=f"{side}{launch}", started_at=started))
    assert the_group(tmp_path).nights == ("2026-03-09",)
    folder.rename(tmp_path / "another name")
    assert the_group(tmp_path).nights == ("2026-03-09", "2026-03-10")


def test_a_night_lasts_from_noon_to_noon():
    def seconds(text):
        return pd.Timestamp(text, tz="UTC").timestamp()

    assert night_of(seconds("2026-03-01T22:00")) == night_of(seconds("2026-03-02T11:59")) == "2026-03-01"
    assert night_of(seconds("2026-03-02T12:00")) == "2026-03-02"


class TestChangePoints:
    def series(self, seed, size=150, noise=0.01):
        random = np.random.default_rng(seed)
        return np.exp(random.normal(0, noise, size) + 0.3 * (random.random(size) < 0.03))

    def test_no_change_is_found_in_nineteen_of_twenty_series_without_one(self):
        false = sum(bool(change_points(self.series(seed), (0,), 0.01)) for seed in range(60))
        assert false <= 3

    def test_a_change_of_5_percent_is_found_where_it_is(self):
        for seed in range(20):
            values = self.series(seed)
            values[90:] *= 1.05
            (found,) = change_points(values, (0,), 0.01)
            assert abs(found.place - 90) <= 2
            assert found.ratio == pytest.approx(1.05, abs=0.01)

    def test_what_lies_within_the_margin_is_none(self):
        values = 1 + 0.0001 * np.sin(np.arange(100))
        values[50:] *= 1.005
        assert change_points(values, (0,), 0.01) == ()
        assert [each.place for each in change_points(values, (0,), 0.001)] == [50]

    def test_segments_are_searched_apart(self):
        values = self.series(1)
        values[90:] *= 1.2
        assert change_points(values, (0, 90), 0.01) == ()

    def test_nights_without_a_value_are_left_out(self):
        values = self.series(2)
        values[90:] *= 1.2
        values[::7] = np.nan
        (found,) = change_points(values, (0,), 0.01)
        assert abs(found.place - 90) <= 1


class TestBaseline:
    def test_every_move_is_kept_with_its_reason(self, tmp_path):
        path = tmp_path / "baseline.yaml"
        move(path, BEFORE, "first", night="2026-03-01")
        move(path, COMMITS[9], "more layers:\nwanted", night="2026-03-10")
        assert [each["reason"] for each in yaml.safe_load(path.read_text())["moves"]] == [
            "first",
            "more layers: wanted",
        ]
        assert load_baseline(path).commit == COMMITS[9]

    @pytest.mark.parametrize(
        ("commit", "reason", "words"),
        [(BEFORE, " ", "for a reason"), (BEFORE, "again", "already"), ("no-such-branch", "x", "no commit")],
    )
    def test_a_move_that_means_nothing_is_refused_and_the_file_stays(self, tmp_path, commit, reason, words):
        path = tmp_path / "baseline.yaml"
        move(path, BEFORE, "first", night="2026-03-01")
        before = path.read_text()
        with pytest.raises(UserError, match=words):
            move(path, commit, reason, repository=tmp_path)
        assert path.read_text() == before

    def test_a_night_is_a_date(self, tmp_path):
        with pytest.raises(UserError, match="called by dates"):
            move(tmp_path / "baseline.yaml", BEFORE, "first", night="yesterday")
        (tmp_path / "other.yaml").write_text(f"moves:\n- {{commit: {BEFORE}, night: 2026-03-01, reason: x}}\n")
        assert load_baseline(tmp_path / "other.yaml").moves[0].night == "2026-03-01"
        (tmp_path / "other.yaml").write_text(f"moves:\n- {{commit: {BEFORE}, night: soon, reason: x}}\n")
        with pytest.raises(UserError, match="'soon' is no date"):
            load_baseline(tmp_path / "other.yaml")

    def test_the_command_moves_and_shows(self, tmp_path):
        path = tmp_path / "baseline.yaml"
        words = ["baseline", COMMITS[3], "--reason", "accepted", "--night", "2026-03-04", "--file", str(path)]
        assert CliRunner().invoke(cli, words).exit_code == 0
        shown = CliRunner().invoke(cli, ["baseline", "--file", str(path)]).output
        assert shown == f"2026-03-04 {COMMITS[3][:12]} accepted\n"

    def test_an_accepted_commit_begins_a_segment_with_its_first_night(self, nights):
        group = the_group(nights)
        accepted = Baseline(moves=(Move(commit=COMMITS[CHANGED], night="2026-03-13", reason="wanted"),))
        other = Baseline(moves=(Move(commit="e" * 39 + "0", night="2026-03-05", reason="wanted"),))
        assert group.starts(accepted) == (0, CHANGED)
        assert group.starts(other) == (0, 4)
        assert change_points(step_of(group), group.starts(accepted), 0.01) == ()
        assert [each.place for each in change_points(step_of(group), (0,), 0.01)] == [CHANGED]


class TestCommand:
    def test_a_chart_with_the_night_and_the_commits_of_a_change(self, nights):
        done = run("fourcastnet-tiny", "--results", nights)
        assert done.exit_code == 0, done.output
        line = next(line for line in done.output.splitlines() if line.startswith("2026-03-09: "))
        assert f"commits {COMMITS[7][:12]} to {COMMITS[8][:12]}" in line
        assert "+8" in line or "+7.9" in line
        assert sum("|" in line for line in done.output.splitlines()) > 10

    def test_without_a_cell_all_are_listed(self, nights):
        done = run("--results", nights)
        assert "14 nights, 2026-03-01 to 2026-03-14" in done.output

    @pytest.mark.parametrize(
        ("words", "expected"),
        [(("nothing",), "no cell 'nothing'"), (("fourcastnet", "--quantity", "epok_s"), "did you mean 'epoch_s'?")],
    )
    def test_unknown_names_are_answered_with_the_nearest(self, nights, words, expected):
        done = run(*words, "--results", nights)
        assert isinstance(done.exception, UserError)
        assert expected in str(done.exception)

    @pytest.mark.parametrize(
        ("words", "needed"),
        [
            (("--quantity", "epoch_s"), "CELL"),
            (("--state", "state.json"), "--page"),
            (("fourcastnet", "--state", "state.json"), "--page"),
            (("--repository", "."), "--asv"),
            (("--baseline-file", "baseline.yaml"), "CELL or --page"),
        ],
    )
    def test_an_option_that_would_do_nothing_is_refused(self, nights, words, needed):
        done = run("--results", nights, *words)
        assert done.exit_code == 2
        assert f"does nothing without {needed}" in done.output

    def test_a_file_that_is_named_must_be_there(self, nights, tmp_path):
        page = tmp_path / "page.html"
        for name in ("--state", "--baseline-file"):
            done = run("--results", nights, "--page", page, name, tmp_path / "absent")
            assert "there is no such file" in str(done.exception)
        assert not page.exists()

    def test_a_folder_that_is_not_there_is_not_made(self, nights, tmp_path):
        done = run("--results", nights, "--page", tmp_path / "misspelt" / "page.html")
        assert "make its folder first, or name another place" in str(done.exception)
        assert not (tmp_path / "misspelt").exists()

    def test_the_baseline_file_of_the_folder_is_used(self, nights, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert "a new segment" not in run("fourcastnet", "--results", nights).output
        move(tmp_path / "baseline.yaml", COMMITS[CHANGED], "wanted", night="2026-03-09")
        done = run("fourcastnet", "--results", nights)
        assert "2026-03-09: a new segment, because the baseline moved" in done.output

    def test_failed_launches_alone_are_named_beside_a_baseline_that_ran(self, tmp_path):
        _, candidate = make_night(tmp_path, launches=3, leave={0, 1, 2})
        assert "all launches are of a baseline" in str(run("--results", tmp_path).exception)
        holder = ResultsFolder(candidate / "failed")
        for launch in range(2):
            holder.add(make_failure("mindspore", launch))
        told = str(run("--results", tmp_path).exception)
        assert "2 did not complete, the newest launch 0 of smoke/fourcastnet-tiny.mindspore-graph" in told
        assert "in the night of 2025-12-31: out of memory" in told

    def test_completed_launches_without_a_number_are_named(self, tmp_path):
        from harness.results.record import WorkerMeasurements

        ResultsFolder(tmp_path / "results").add(make_record(measurements=WorkerMeasurements(), status="completed"))
        assert "1 completed launch without a value" in str(run("--results", tmp_path / "results").exception)

    def test_what_baseline_would_not_use_is_refused_and_no_move_is_said(self, tmp_path):
        file = ("--file", str(tmp_path / "baseline.yaml"))
        for words in (("--reason", "x"), ("--night", "2026-03-01"), ("--repository", ".")):
            done = CliRunner().invoke(cli, ["baseline", *file, *words])
            assert (done.exit_code, "does nothing without COMMIT" in done.output) == (2, True)
        assert CliRunner().invoke(cli, ["baseline", *file]).output == f"{file[1]}: the baseline has not moved yet\n"
