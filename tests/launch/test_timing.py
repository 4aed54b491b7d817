"""Launches that are made for their times alone, by real workers: bounded steps, no scores, and no impossible time."""

from io import StringIO

import pytest
import yaml
from rich.console import Console

from harness.analysis.cells import load_results
from harness.analysis.quantities.skill import scores_of
from harness.analysis.tables.writing import write_tables
from harness.launch import bench as benches
from harness.launch.preflight import split_problems
from harness.launch.survey import survey
from harness.results import steps
from harness.scenario import catalogue
from harness.scenario.scenario import Selection
from tests.launch.conftest import write_micro

BOUNDS = {"epochs": 1, "max_steps_per_epoch": 3, "lead_steps": 1, "skill": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results of one launch on this CPU, and of one on a chip whose file says that it computes next to nothing."""
    folder = tmp_path_factory.mktemp("timing")
    suite = write_micro(folder, bounds=BOUNDS, idle_s=0)
    slow = yaml.safe_load(catalogue.path_of("chips", "cpu").read_text())
    slow["peak_tflops"] = {"fp32": {"value": 1e-9, "source": "test"}}
    slow_chip = folder / "slow.yaml"
    slow_chip.write_text(yaml.safe_dump({**slow, "title": "Slow chip"}))
    for chip in ("cpu", slow_chip):
        benches.bench(Selection(chip=str(chip), suite=str(suite)), folder / "results", Console(file=StringIO()))
    return folder / "results"


def records_of(made, chip):
    (cell,) = [cell for cell in load_results(made).cells if cell.scenario.chip == chip]
    return cell.records


def test_a_launch_without_scores_is_complete(made):
    (record,) = records_of(made, "cpu")
    assert (record.status, record.reason) == ("completed", None)
    assert record.measurements.skill is None
    assert record.measurements.inference.timed_steps.count >= 5
    assert [epoch.steps for stage in record.measurements.training for epoch in stage.epochs] == [3]
    table = steps.load(record.path.parent, record.steps)
    assert (table.part == "training").sum() == 3
    assert not list(record.path.parent.glob("forecast*"))


def test_tables_have_its_times_and_say_that_nothing_was_scored(made):
    said = StringIO()
    write_tables(made, suite="micro", baseline=None, console=Console(file=said, width=200), figures=True)
    assert "pytorch eager" in said.getvalue()
    (cell,) = [cell for cell in load_results(made).cells if cell.scenario.chip == "cpu"]
    assert scores_of(cell).launches == 0
    assert "not scored: its suite or preset says skill none" in said.getvalue()
    assert "pytorch eager: an epoch is 3 steps at most" in said.getvalue()


def test_a_launch_that_is_faster_than_its_chip_is_no_measurement(made):
    (record,) = records_of(made, "slow")
    assert record.status == "failed"
    assert record.reason.startswith("a training step of stage 'pretrain' took ")
    assert "Slow chip reaches 1e-09 in fp32: this is no measurement, the clock does not wait" in record.reason


def test_lead_times_that_nobody_forecasts_need_no_test_split():
    found = survey(Selection(suite="timing", framework="pytorch", model="fourcastnet"))
    (cell,) = found.matrix.cells
    from harness.data.opening import open_source
    from harness.data.windows import Windows
    from harness.models import architecture

    package = architecture(cell.architecture)
    source = open_source(cell.data, grid=cell.grid)
    windows = Windows(source, cell.data.splits, package.input_spec(package.Network.model_validate(cell.network)))
    assert split_problems(cell, windows) == []
    far = cell.model_copy(update={"inference": cell.inference.model_copy(update={"lead_steps": (1, 40)})})
    assert split_problems(far, windows) == []
    scored = far.model_copy(update={"inference": far.inference.model_copy(update={"skill": "masked"})})
    (problem,) = split_problems(scored, windows)
    assert "lower inference.lead_steps to at most 35" in problem
