"""Benches that start from a file of weights, and presets that train nothing."""

import io
import json
import re

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save_file

from harness.errors import UserError
from harness.launch.plan import interleave
from harness.launch.starting_weights import require_file, started_from
from harness.launch.survey import matrix_of
from harness.models.parameters import fingerprint
from harness.porting.convert.convert import Request
from harness.porting.convert.running import run_conversion
from harness.scenario import catalogue
from harness.scenario.scenario import Selection, StartingWeights
from harness.worker.subject import prepare
from tests.launch.conftest import records

UNTRAINED = {
    "training": {"batch_size": 8, "stages": [{"name": "pretrain", "epochs": 0, "learning_rate": 1e-3}]},
    "inference": {"min_steps": 5, "max_steps": 30, "lead_steps": [1, 2]},
}


def weights_of(scenario, seed=0):
    return prepare(scenario).initial_weights(seed)


def published(weights, path):
    """As NVlabs names them: with a last norm that is never used, and behind the name of DataParallel's wrapper."""
    unused = {"norm.weight": np.ones(16, np.float32), "norm.bias": np.zeros(16, np.float32)}
    save_file({**weights, **unused}, path)
    return path


def quiet():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def scenario(write_suite):
    return matrix_of(Selection(suite=str(write_suite()))).cells[0]


@pytest.mark.slow
def test_a_published_network_is_scored_as_it_is_in_both_frameworks(write_suite, crosscast, tmp_path):
    frameworks = [
        {"framework": "pytorch"},
        {"framework": "mindspore", "execution": {"compilation": {"mode": "graph"}}},
    ]
    suite = write_suite(preset=UNTRAINED, frameworks=frameworks)
    weights = weights_of(matrix_of(Selection(suite=str(suite))).cells[0])
    weights["head.weight"][:] = 0
    done = crosscast("bench", "--suite", suite, "--weights", published(weights, tmp_path / "backbone.safetensors"))
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "results" / "micro" / "tables" / "speed.md").read_text()
    assert "not trained (epochs: 0, those of backbone.safetensors as they are)" in table
    assert f"starts from the weights of backbone.safetensors (fingerprint {fingerprint(weights)[:12]})" in table
    found = records(tmp_path / "results")
    assert len(found) == 2
    for record in found:
        measured = record["measurements"]
        assert record["scenario"]["weights"] == {
            "fingerprint": fingerprint(weights),
            "file": "backbone.safetensors",
            "names": "fourcastnet-nvlabs",
        }
        assert measured["fingerprints"]["initial_weights"] == fingerprint(weights)
        assert (measured["training"], measured["no_training"][:9]) == ([], "epochs: 0")
        assert measured["skill"]["scores"]
        assert str(tmp_path) not in json.dumps(record["scenario"])
    for path in (tmp_path / "results").glob("*/*/*/forecast.npz"):
        with np.load(path) as kept:
            forecast = kept["forecast"]
        flat = forecast.reshape(forecast.shape[0], -1)
        np.testing.assert_allclose(flat, flat[:, :1].repeat(flat.shape[1], 1), rtol=1e-5, atol=1e-5)
    again = crosscast("bench", "--suite", suite, "--weights", tmp_path / "backbone.safetensors")
    assert "2 of 2 launches are done already" in again.stdout


def test_a_file_of_weights_makes_another_cell_and_its_name_does_not(scenario):
    one, same, other = (
        scenario.model_copy(update={"weights": StartingWeights(fingerprint=mark * 64, file=file)}).cell
        for mark, file in (("a", "one.pt"), ("a", "two.ckpt"), ("b", "one.pt"))
    )
    assert one == same
    assert len({scenario.cell, one, other}) == 3


def test_every_launch_gets_the_prepared_file_in_float32(write_suite, tmp_path):
    matrix = matrix_of(Selection(suite=str(write_suite(launches=2))))
    weights = weights_of(matrix.cells[0])
    half = {name: values.astype(np.float16) for name, values in weights.items()}
    save_file(half, tmp_path / "half.safetensors")
    with started_from(tmp_path / "half.safetensors", matrix, quiet()) as (started, file):
        plans = interleave(started.cells, catalogue.chip("cpu"), 2, "bench", file)
        loaded = prepare(started.cells[0]).weights_of(
            tmp_path / plans[1].weights_file, started.cells[0].weights.fingerprint
        )
    assert loaded.keys() == weights.keys()
    for name, values in half.items():
        assert loaded[name].dtype == np.float32
        np.testing.assert_array_equal(loaded[name], values.astype(np.float32))


@pytest.mark.slow
def test_a_checkpoint_of_pytorch_gives_the_same_cell(write_suite, tmp_path):
    matrix = matrix_of(Selection(suite=str(write_suite())))
    source = published(weights_of(matrix.cells[0]), tmp_path / "backbone.safetensors")
    target = tmp_path / "backbone.ckpt"
    named = {"source": source, "source_kind": "safetensors", "target": target, "place": target}
    run_conversion(Request(**named, target_kind="pytorch", target_layout="pytorch"))
    cells = []
    for path in (source, target):
        with started_from(path, matrix, quiet()) as (started, _):
            cells.append(started.cells[0])
    assert cells[0].cell == cells[1].cell
    assert [cell.weights.file for cell in cells] == ["backbone.safetensors", "backbone.ckpt"]


def test_weights_that_were_exchanged_meanwhile_are_refused(scenario, tmp_path):
    save_file(weights_of(scenario, 1), tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="were changed while the bench ran"):
        prepare(scenario).weights_of(tmp_path / "other.safetensors", fingerprint(weights_of(scenario, 0)))


def refusal(path, matrix):
    with pytest.raises(UserError) as caught, started_from(path, matrix, quiet()):
        pass
    return str(caught.value)


def test_two_models_a_part_and_another_network_are_refused(write_suite, tmp_path):
    matrix = matrix_of(Selection(suite=str(write_suite())))
    weights = weights_of(matrix.cells[0])
    whole = tmp_path / "whole.safetensors"
    save_file(weights, whole)
    assert "are those of one model, but these are selected: aigoms tiny on ocean" in refusal(
        whole, matrix_of(Selection())
    )
    aigoms = matrix_of(Selection(model="aigoms", framework="pytorch"))
    assert "not the weights of aigoms tiny" in refusal(whole, aigoms)
    part = {name: values for name, values in weights.items() if name != "head.weight"}
    save_file(part, tmp_path / "part.safetensors")
    assert "missing: head.weight" in refusal(tmp_path / "part.safetensors", matrix)
    weights["pos_embed"][0, 0, 0] = np.nan
    save_file(weights, tmp_path / "nan.safetensors")
    assert "pos_embed holds values that are not finite" in refusal(tmp_path / "nan.safetensors", matrix)


def test_a_missing_file_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(UserError, match=re.escape("nowhere.ckpt: no such file")):
        require_file(tmp_path / "nowhere.ckpt")
    with pytest.raises(UserError, match="no regular file"):
        require_file(tmp_path)
    require_file(None)
