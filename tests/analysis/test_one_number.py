"""Quantities: computed once, the same in everything that shows them, and known by their records."""

import io
import json

import pandas as pd
import pytest
from ledgers import judge
from made_records import make_failure, make_measurements, make_record, make_scenario, make_skill
from reports import add_pair, read, run
from rich.console import Console

from harness.analysis.benchmark_export import export_pytest_benchmark
from harness.analysis.cells import load_results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.ratios import quotient, rmse_deviation, rmse_ratio, speed_ratio
from harness.analysis.figures import write_figures
from harness.analysis.html_report import write_report
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.quantities.skill import scores_of
from harness.analysis.quantities.speed import activity_rate, speed_of


@pytest.fixture
def pair(results):
    add_pair(results, factor=1.5)
    return results


def cells_of(results):
    return {cell.label: cell for cell in load_results(results.path).cells}


def test_a_median_knows_its_launches_and_their_records(pair):
    cell = cells_of(pair)["mindspore graph"]
    median = speed_of(cell)["train_step_s"].median
    epochs = {record.launch: record.measurements.training[0].epochs[1] for record in cell.launches}
    values = pd.Series({launch: epoch.step_total_s / epoch.steps for launch, epoch in epochs.items()})
    assert median.value == pytest.approx(values.median())
    assert (median.number, median.launches, median.unit) == (5, tuple(values.index), "s")
    assert median.records == tuple(record.path for record in cell.launches)


def test_a_ratio_knows_the_records_of_both_and_its_pairs(pair):
    pair.add(make_record("pytorch", 7), make_failure("mindspore", 7))
    cells = cells_of(pair)
    comparison = BaselineName("pytorch").compare(cells["mindspore graph"], cells.values())
    ratio = speed_ratio(comparison, "train_step_s")
    assert (ratio.value, ratio.launches, ratio.verdict) == (pytest.approx(1.5), (0, 1, 2, 3, 4), "slower")
    assert len(ratio.records) == 10
    assert speed_ratio(BaselineName("pytorch").compare(cells["pytorch eager"], cells.values()), "epoch_s") is None


def test_what_is_not_there_has_no_value_and_a_reason(pair):
    missing = speed_of(cells_of(pair)["pytorch eager"])["device_bytes"].median
    assert (missing.value, missing.reason, missing.number) == (None, "the framework keeps no count", 0)


def test_training_rates_are_samples_over_the_time_of_all_epochs(results):
    results.add(make_record("pytorch", 0, measurements=make_measurements(step_s=0.5)))
    cell = cells_of(results)["pytorch eager"]
    (stage,) = cell.launches[0].measurements.training
    seconds = sum(epoch.data_total_s + epoch.step_total_s for epoch in stage.epochs)
    assert activity_rate(cell, "training").values == {0: pytest.approx(3 * 16 / seconds)}
    assert activity_rate(cell, "inference").values == {0: pytest.approx(1 / 0.05)}


def test_the_ratio_of_rmse_is_one_more_than_its_deviation(results):
    for launch, factor in enumerate((1.1, 1.12, 1.09)):
        for framework, rmse in (("pytorch", 2.0), ("mindspore", 2.0 * factor)):
            measured = make_measurements(launch=launch, skill=make_skill(rmse))
            results.add(make_record(framework, launch, measurements=measured))
    ours, theirs = (cells_of(results)[name] for name in ("mindspore graph", "pytorch eager"))
    (key,) = scores_of(ours).keys
    ratio, deviation = rmse_ratio(ours, theirs, key), rmse_deviation(ours, theirs, key)
    assert ratio.value == pytest.approx((1.1 + 1.12 + 1.09) / 3)
    assert (ratio.low - 1, ratio.high - 1) == pytest.approx((deviation.low, deviation.high))
    assert ratio.verdict == deviation.verdict == "not equivalent"


def test_a_quotient_has_the_opposite_bounds():
    found = quotient(Quantity(3.0, 2.0, 4.0, launches=(0, 1, 2)), Quantity(2.0, 1.0, 8.0, launches=(0, 1)))
    assert (found.value, found.low, found.high, found.number) == (1.5, 0.25, 4.0, 2)
    assert quotient(Quantity(3.0), Quantity(2.0, 1.0, 8.0)).low is None


def test_every_output_shows_the_same_number(pair, tmp_path):
    """The median epoch of PyTorch, 1.22 s, and the ratio of MindSpore's, 1.4098 [1.40, 1.42] with equal noise."""
    pair.certify()
    run(pair, width=300)
    speed, markdown = read(pair, "speed")
    quiet = Console(file=io.StringIO())
    write_figures(pair.path, suite=None, console=quiet)
    write_report(pair.path, suite=None, baseline=None, output=None, console=quiet)
    export_pytest_benchmark(pair.path, tmp_path / "times.json", suite=None, console=quiet)
    figure = pd.read_csv(pair.path / "smoke" / "figures" / "speed-fourcastnet-tiny-rossby.csv")
    bar = figure[(figure["quantity"] == "time per epoch") & (figure["cell"] == "pytorch eager")].iloc[0]
    exported = {entry["name"]: entry for entry in json.loads((tmp_path / "times.json").read_text())["benchmarks"]}
    epoch_s = speed.loc["pytorch eager", "epoch_s"]
    assert epoch_s == pytest.approx(1.22)
    assert bar["median_s"] == pytest.approx(epoch_s, rel=1e-8)
    assert bar["median_s_low95"] == pytest.approx(speed.loc["pytorch eager", "epoch_s_low95"], rel=1e-8)
    assert exported["epoch_s[fourcastnet-tiny-cpu-pytorch-eager]"]["stats"]["median"] == epoch_s
    ratio = speed.loc["mindspore graph", "epoch_s_ratio"]
    claim = {"cells": ["cpu/mindspore"], "baseline": "cpu/pytorch", "quantity": "epoch_s", "suite": "smoke"}
    rows, _ = judge(pair, tmp_path, **claim)
    assert rows["ratio"].iloc[0] == pytest.approx(ratio)
    assert rows["ratio_low"].iloc[0] == pytest.approx(speed.loc["mindspore graph", "epoch_s_ratio_low95"])
    shown = next(line for line in markdown.splitlines() if line.startswith("| epoch, s") and "mindspore" in line)
    page = (pair.path / "report.html").read_text()
    for text in (cell.strip() for cell in shown.split("|")[4:6]):
        assert text in page
        assert text in (pair.path / "smoke" / "tables" / "speed.html").read_text()


def test_the_report_groups_cells_as_the_tables_do(results):
    """With a chip as baseline all chips stand in one table, in both."""
    for launch in range(3):
        results.add(make_record("pytorch", launch), make_record("pytorch", launch, scenario=make_scenario(chip="a100")))
    run(results, baseline="a100/pytorch")
    quiet = Console(file=io.StringIO())
    write_report(results.path, suite=None, baseline="a100/pytorch", output=None, console=quiet)
    title = next(line for line in read(results, "speed")[1].splitlines() if line.startswith("## ")).removeprefix("## ")
    page = (results.path / "report.html").read_text()
    assert f"<caption>{title}</caption>" in page
    assert title.startswith("fourcastnet tiny, chips a100, cpu,")
    assert "cpu pytorch eager" in page
