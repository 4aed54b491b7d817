"""Cells that start from a file of weights, and launches in which nothing is trained."""

import io
import json

import pytest
from made_records import make_measurements, make_record, make_scenario
from rich.console import Console

from harness.analysis.benchmark_export import export_pytest_benchmark
from harness.analysis.cells import load_results
from harness.analysis.claims.writing import write_claims
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.figures import write_figures
from harness.analysis.html_report import write_report
from harness.analysis.tables.writing import write_tables
from harness.results.record import Fingerprints
from harness.scenario.scenario import StartingWeights
from harness.scenario.schema import Stage, TrainingConfig

FINGERPRINT = "f" * 64
UNTRAINED = TrainingConfig(batch_size=8, stages=(Stage(name="pretrain", epochs=0, learning_rate=1e-3),))


def quiet():
    return Console(file=io.StringIO(), width=200)


def from_file(framework, launch, file="backbone.ckpt"):
    scenario = make_scenario(
        framework,
        "eager" if framework == "pytorch" else "graph",
        training=UNTRAINED,
        weights=StartingWeights(fingerprint=FINGERPRINT, file=file),
    )
    measured = make_measurements(
        training=(),
        no_training=f"epochs: 0, those of {file} as they are",
        fingerprints=Fingerprints(data="d" * 64, initial_weights=FINGERPRINT, architecture="a" * 64),
    )
    return make_record(framework, launch, scenario=scenario, measurements=measured, attempt=f"{framework}{launch}file")


@pytest.fixture
def mixed(results):
    """PyTorch from drawn weights and from a file, MindSpore from the same weights in a file of another name."""
    for launch in range(3):
        results.add(
            make_record("pytorch", launch), from_file("pytorch", launch), from_file("mindspore", launch, "x.ckpt")
        )
    return results


def test_cells_are_told_apart_by_their_file_and_compared_with_their_like(mixed):
    (group,) = load_results(mixed.path).groups()
    labels = {group.label(cell): cell for cell in group.cells}
    assert set(labels) == {"pytorch eager", "pytorch eager from backbone.ckpt", "mindspore graph"}
    compared = BaselineName("pytorch").compare_all(group.cells)
    ported = compared[labels["mindspore graph"]]
    assert (ported.baseline, ported.refusal) == (labels["pytorch eager from backbone.ckpt"], ())
    drawn = BaselineName("pytorch").compare(labels["mindspore graph"], [labels["pytorch eager"]])
    assert f"weights to start from: {FINGERPRINT} here, drawn in the baseline" in drawn.refusal


def test_tables_say_why_there_is_no_training_and_what_the_weights_are(mixed):
    write_tables(mixed.path, suite=None, baseline=None, console=quiet())
    text = (mixed.path / "smoke" / "tables" / "speed.md").read_text()
    assert "not trained (epochs: 0, those of backbone.ckpt as they are)" in text
    assert f"pytorch eager from backbone.ckpt starts from the weights of backbone.ckpt (fingerprint {'f' * 12})" in text


def test_everything_is_made_of_launches_without_training(results, tmp_path):
    results.add(*(from_file(framework, launch) for framework in ("pytorch", "mindspore") for launch in range(3)))
    assert write_tables(results.path, suite=None, baseline=None, console=quiet()) == ()
    assert write_figures(results.path, suite=None, console=quiet()) == ()
    assert write_report(results.path, suite=None, baseline=None, output=None, console=quiet()) == ()
    assert write_claims(results.path, "2510.17852", quiet()) == ()
    target = tmp_path / "times.json"
    assert export_pytest_benchmark(results.path, target, suite=None, console=quiet()) == ()
    assert json.loads(target.read_text())["benchmarks"]
