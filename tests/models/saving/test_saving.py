"""Recomputing and micro-batches change no loss and no gradient, and memory is as it was counted."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from children import answers_of, runs
from domains import make_domain
from saving_cases import CASES, CHANGED, COUNTED, LOW, SIZES, STEPS, TILE_BYTES, TILES, plain

from harness.models import architecture
from harness.models.memory import step_memory
from harness.scenario.execution import Execution
from harness.scenario.schema import Stage, TrainingConfig

pytestmark = pytest.mark.slow

DOUBLE, LOSS, BETWEEN = 1e-10, 2e-6, 5e-6
"""Largest deviations: in float64 over the largest value of a parameter; of a loss, relative, in float32."""

OF_THE_PROCESS = 2**22
"""Bytes by which the growth of a process may differ from what is counted, however small a step is."""

LEAST_MOVED = 1e-3
"""How far some weight goes at least in a training: about a learning rate a step of Adam."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What is freed goes back to the system at once, so that the resident memory tells what is used."""
    folder = tmp_path_factory.mktemp("saving")
    for name, case in CASES.items():
        np.savez(folder / f"{name}.npz", **case.arrays)
        (folder / f"{name}.json").write_text(json.dumps({**asdict(case), "arrays": None}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
        patch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
        compiled = [name for name, case in CASES.items() if case.compiled]
        return answers_of(Path(__file__).with_name("drive_saving.py"), folder, [*CASES, "counted"], compiled)


@pytest.mark.parametrize("name", CHANGED)
def test_in_double_precision_the_gradients_are_those_of_the_plain_step(answers, name):
    found, expected = (answers["pytorch", "eager"][each] for each in (name, plain(name)))
    slopes = [key for key in expected if key.startswith("double/gradients/")]
    assert len(slopes) > 10
    for key in (*slopes, "double/losses"):
        assert np.abs(found[key] - expected[key]).max() <= DOUBLE * np.abs(expected[key]).max(), key


@runs(CHANGED)
def test_every_framework_loses_what_it_loses_in_a_plain_step(answers, within, key, name):
    found, expected = (answers[key][each]["losses"] for each in (name, plain(name)))
    assert found.shape == (STEPS,)
    weights = CASES[plain(name)].weights
    moved = [np.abs(answers[key][plain(name)][f"trained/{each}"] - weights[each]).max() for each in weights]
    assert min(moved) > 0
    assert max(moved) > LEAST_MOVED
    within(LOSS, np.abs(found / expected - 1).max(), "loss with recomputing or micro-batches, plain")


@runs(CASES, ("mindspore",))
def test_the_frameworks_lose_the_same(answers, within, key, name):
    found, expected = (answers[each][name]["losses"] for each in (key, ("pytorch", "eager")))
    within(BETWEEN, np.abs(found / expected - 1).max(), "loss with recomputing or micro-batches, MindSpore, PyTorch")


def test_offloading_changes_nothing_and_is_refused_where_there_is_nowhere_to_move_to(answers):
    found = answers["pytorch", "eager"]["aigoms-plain"]
    for key in (key for key in found if key.startswith("double/")):
        assert np.array_equal(found[f"offloaded/{key}"], found[key]), key
    assert str(found["refused"]) == ("recompute.unit offload: a CPU has no memory but the host's; use unit: blocks")


def counted(name):
    """What is counted for a training step of one of COUNTED, LOW or TILES, and what it keeps beside float32 weights."""
    (model, settings), tiled = (COUNTED | LOW | TILES)[name], {"tiled": True} if name in TILES else {}
    grid, channels, samples, network = SIZES[model]
    package, domain = architecture(model), make_domain(grid, channels)
    network, execution = package.Network(**network), Execution.model_validate(settings)
    training = TrainingConfig(batch_size=samples, stages=(Stage(name="train", epochs=1, learning_rate=1e-3),))
    kept = package.activations(network, domain, samples, execution, **tiled)
    recomputes = execution.recompute.unit == "blocks"
    needed = step_memory(package, network, domain, training, execution, **tiled)
    low_weights = needed.weights - needed.gradients
    return needed, kept.kept(recomputes=recomputes).bytes(low=name in LOW) + low_weights


def growth_of(name):
    """By how much a step grows the process, but for what that has left of earlier steps or takes for itself."""
    needed = counted(name)[0]
    return pytest.approx(needed.gradients + needed.optimiser + needed.activations, rel=0.2, abs=OF_THE_PROCESS)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr("harness.models.tiling.TILE_BYTES", TILE_BYTES)


@pytest.mark.parametrize("name", COUNTED)
def test_what_autograd_keeps_is_what_was_counted(answers, name):
    assert answers["pytorch", "eager"]["counted"][name][0] == pytest.approx(counted(name)[1], rel=0.03)


@pytest.mark.parametrize("name", LOW)
def test_what_a_lower_precision_keeps_is_what_was_counted(answers, name):
    """Operands of products and weights in 16 bits, what activation functions are given in 32."""
    assert answers["pytorch", "eager"]["counted"][name][0] == pytest.approx(counted(name)[1], rel=0.04)


@pytest.mark.parametrize("name", COUNTED)
def test_a_training_step_grows_the_process_by_what_was_counted(answers, name):
    """Beside weights and batch, which are there before."""
    assert answers["pytorch", "eager"]["counted"][name][1] == growth_of(name)


@pytest.mark.parametrize("name", TILES)
def test_what_tiles_keep_is_what_was_counted(answers, small_tiles, name):
    """Not what swish gives, nor messages, nor a row for each of the edges that look alike."""
    assert answers["pytorch", "eager"]["counted"][name][0] == pytest.approx(counted(name)[1], rel=0.02)


def test_a_training_step_in_tiles_grows_the_process_by_what_was_counted(answers, small_tiles):
    assert answers["pytorch", "eager"]["counted"]["graphcast-tiles"][1] == growth_of("graphcast-tiles")


def test_recomputing_blocks_keeps_a_fraction(answers):
    found = answers["pytorch", "eager"]["counted"]
    for model in SIZES:
        assert found[f"{model}-blocks"][0] < 0.3 * found[f"{model}-none"][0]
        assert found[f"{model}-blocks"][1] < 0.8 * found[f"{model}-none"][1]
