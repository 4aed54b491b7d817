"""What a launch keeps of its steps: the table first, then the record that names it."""

import json

import pytest

from harness.errors import UserError
from harness.launch import supervisor
from harness.launch.plan import LaunchPlan
from harness.launch.supervisor import launch
from harness.results import steps
from harness.results.record import load
from harness.scenario import catalogue
from tests.analysis.made_records import make_environment, make_measurements, make_scenario
from tests.launch.stand_in import COMPLETE, stand_in


@pytest.fixture
def plan():
    chip = catalogue.chip("cpu").model_copy(update={"power_collectors": ("null",)})
    return LaunchPlan(scenario=make_scenario(), chip=chip, launch=0, order=0, bench="b", attempt="0123abcd")


@pytest.fixture
def run(tmp_path, monkeypatch, plan):
    """run(behaviour, content): the record of one launch whose worker leaves this content, if it measures."""

    def run_one(behaviour=COMPLETE, content=None):
        for name, value in stand_in(tmp_path / "stand_in", behaviour).items():
            monkeypatch.setenv(name, value)
        if content is not None:
            (tmp_path / "stand_in" / "measurements.json").write_text(json.dumps(content))
        return launch(plan, tmp_path / "results", make_environment(), lambda *said: None)

    return run_one


def test_steps_lie_beside_the_record_that_sums_them_up(run, plan, tmp_path):
    record = run()
    folder = plan.folder(tmp_path / "results")
    assert load(folder / "record.json") == record
    measured = make_measurements()
    assert record.measurements.training == measured.summary().training
    found = steps.load(folder, record.steps)
    step_s = [step_s for epoch in measured.training[0].epochs for step_s in epoch.step_s]
    assert found["step_s"].tolist() == step_s + list(measured.inference.step_s)
    (rank,) = record.ranks
    assert (rank.rank, rank.host, rank.device, rank.device_name) == (0, "aaaabbbbcccc", None, "some CPU")
    assert (record.purpose, record.load.device_states) == ("measurement", ())


def test_what_was_measured_before_a_crash_is_kept(run, plan, tmp_path):
    content = json.loads(make_measurements().model_dump_json()) | {"skill": None, "inference": None}
    record = run("measure(); os._exit(7)", content)
    assert record.status == "crashed"
    found = steps.load(plan.folder(tmp_path / "results"), record.steps)
    assert set(found["part"]) == {"training"}


def test_a_launch_that_measured_nothing_has_no_table(run, plan, tmp_path):
    record = run("os._exit(7)")
    assert (record.status, record.steps) == ("crashed", None)
    assert not (plan.folder(tmp_path / "results") / "steps.parquet").exists()


def test_measurements_that_cannot_be_summed_up_are_named(run):
    content = json.loads(make_measurements().model_dump_json())
    content["training"][0]["epochs"] = []
    record = run(content=content)
    assert (record.status, record.steps, record.measurements.training) == ("crashed", None, ())
    assert record.reason == "the worker's measurements cannot be read: stage 'pretrain' has no epoch"


def test_the_table_is_written_first_and_goes_with_a_record_that_cannot_be_written(run, plan, tmp_path, monkeypatch):
    folder = plan.folder(tmp_path / "results")
    seen = []

    def refuse(record, folder):
        seen.append((record.steps.rows, (folder / "steps.parquet").exists(), (folder / "record.json").exists()))
        raise UserError("the disk is full")

    monkeypatch.setattr(supervisor, "save", refuse)
    with pytest.raises(UserError, match="the disk is full"):
        run()
    assert seen == [(11, True, False)]
    assert not folder.exists()
