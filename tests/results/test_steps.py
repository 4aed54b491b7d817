"""The table of steps beside a record: what was measured comes back, and what is wrong with it is named."""

import hashlib
import math

import pandas as pd
import pytest

from harness.analysis.cells import load_results
from harness.errors import UserError
from harness.results import record as records
from harness.results import steps
from harness.results.record import Epoch, Latency, TrainingStage, WorkerMeasurements
from harness.results.steps import StepsFile
from tests.analysis.made_records import ResultsFolder, make_record

EPOCHS = (
    Epoch(
        data_s=(0.1, 0.2, 0.3), step_s=(9.0, 1.0, 2.0), loss=(3.0, 2.0, math.inf), validation_loss=1.0, validation_s=0.5
    ),
    Epoch(
        data_s=(0.5, 0.25),
        step_s=(1.5, 4.0),
        loss=(math.nan, 1.0),
        validation_loss=None,
        validation_s=None,
        wait_s=(0.0, 0.125),
        window=2,
    ),
)
MEASURED = WorkerMeasurements(
    training=(
        TrainingStage(
            name="pretrain",
            rollout_steps=1,
            dropped_samples=2,
            samples_per_epoch=24,
            epochs=EPOCHS,
            steady_from_step=1,
            skipped_steps=3,
            loss_scale=1024.0,
        ),
    ),
    inference=Latency(batch_size=2, first_step_s=7.0, warmup_steps=4, steady=True, step_s=(0.5, 0.75, 2.0)),
)


@pytest.fixture
def kept(tmp_path):
    return steps.save([MEASURED], tmp_path)


def test_summary_by_hand():
    (stage,) = MEASURED.summary().training
    first, second = stage.epochs
    assert (first.steps, first.data_total_s, first.step_total_s) == (3, pytest.approx(0.6), 12.0)
    assert first.epoch_s == pytest.approx(12.6)
    assert (first.mean_loss, first.last_loss, first.wait_total_s) == (math.inf, math.inf, None)
    assert math.isnan(second.mean_loss)
    assert (second.last_loss, second.wait_total_s, second.window) == (1.0, 0.125, 2)
    assert stage.first_step_s == 9.0
    assert (stage.steady_steps.count, stage.steady_steps.total_s, stage.steady_steps.median_s) == (4, 8.5, 1.75)
    assert stage.steady_steps.iqr_s == pytest.approx(2.5 - 1.375)
    assert (stage.skipped_steps, stage.loss_scale) == (3, 1024.0)
    timed = MEASURED.summary().inference.timed_steps
    assert (timed.count, timed.total_s, timed.median_s) == (3, 3.25, 0.75)


@pytest.mark.parametrize(
    "epoch",
    [
        {"data_s": (), "step_s": (), "loss": ()},
        {"data_s": (1.0,), "step_s": (1.0, 2.0), "loss": (1.0,)},
        {"data_s": (1.0,), "step_s": (1.0,), "loss": (1.0,), "wait_s": ()},
    ],
)
def test_an_epoch_without_steps_or_with_series_of_unlike_lengths_is_refused(epoch):
    with pytest.raises(ValueError, match="not as many"):
        Epoch(**epoch, validation_loss=None, validation_s=None).summary()


def test_every_step_comes_back(tmp_path, kept):
    found = steps.load(tmp_path, kept)
    assert list(found.columns) == list(steps.COLUMNS)
    assert len(found) == kept.rows == 8
    training = found[found["part"] == "training"]
    for number, epoch in enumerate(EPOCHS):
        rows = training[training["epoch"] == number]
        assert rows["step"].tolist() == list(range(len(epoch.step_s)))
        assert tuple(rows["data_s"]) == epoch.data_s
        assert tuple(rows["step_s"]) == epoch.step_s
        pd.testing.assert_series_equal(rows["loss"].reset_index(drop=True), pd.Series(epoch.loss), check_names=False)
    assert training["wait_s"].isna().tolist() == [True, True, True, False, False]
    assert set(training["stage"]) == {"pretrain"}
    inference = found[found["part"] == "inference"]
    assert inference["step"].tolist() == [4, 5, 6]
    assert inference["step_s"].tolist() == [0.5, 0.75, 2.0]
    assert inference[["data_s", "loss", "epoch", "stage"]].isna().all(axis=None)
    assert set(found["rank"]) == {0}


def test_the_record_knows_the_file(tmp_path, kept):
    assert kept.sha256 == hashlib.sha256((tmp_path / "steps.parquet").read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["steps.parquet"]


def test_no_step_is_no_file(tmp_path):
    assert steps.save([WorkerMeasurements()], tmp_path) is None
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="has no steps in a file"):
        steps.load(tmp_path, None)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_bytes(b""), "not the file that was written"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "not the file that was written"),
        (lambda path: path.unlink() or path.mkdir(), "a folder"),
    ],
)
def test_a_file_that_is_gone_or_changed_is_named_in_one_line(tmp_path, kept, damage, why):
    path = tmp_path / "steps.parquet"
    damage(path)
    with pytest.raises(UserError) as caught:
        steps.load(tmp_path, kept)
    assert str(caught.value).startswith(f"{path}: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_table_of_steps_is_damaged_even_with_the_right_digest(tmp_path, kept):
    path = tmp_path / "steps.parquet"
    for content in (b"no table", pd.DataFrame({"step": [1] * 8}).to_parquet()):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged: "):
            steps.load(tmp_path, StepsFile(rows=8, sha256=hashlib.sha256(content).hexdigest()))
    content = path.read_bytes()
    steps.save([MEASURED], tmp_path)
    with pytest.raises(UserError, match="damaged: 8 rows"):
        steps.load(tmp_path, kept.model_copy(update={"rows": 9}))
    assert content != path.read_bytes()


def test_a_record_whose_steps_are_gone_counts(tmp_path):
    results = ResultsFolder(tmp_path / "results")
    folder = results.add(make_record()).parent
    kept = steps.save([MEASURED], folder)
    records.save(make_record(steps=kept), folder)
    (folder / "steps.parquet").unlink()
    (cell,) = load_results(results.path).cells
    (record,) = cell.launches
    assert record.steps == kept
    assert {metric.name: metric.value for metric in record.summary.metrics}["epoch_s"] == pytest.approx(1.2)


def test_what_is_no_measurement_is_in_no_table_and_no_problem(tmp_path):
    results = ResultsFolder(tmp_path / "results")
    results.add(make_record(launch=0), make_record(launch=1, purpose="profile"))
    found = load_results(results.path)
    assert found.problems == ()
    assert [record.launch for record in found.cells[0].launches] == [0]


def test_a_record_is_small_and_one_line(tmp_path):
    path = ResultsFolder(tmp_path / "results").add(make_record())
    assert path.read_text().count("\n") == 1
    assert path.stat().st_size < 8192
