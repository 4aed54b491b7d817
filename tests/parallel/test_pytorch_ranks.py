"""Two ranks of PyTorch against one process that is given the batches of both: what is computed, exchanged and held."""

import re
from pathlib import Path

import numpy as np
import pytest

from harness.frameworks.support import cannot_execute
from harness.models.memory import step_memory
from harness.models.parameters import count
from harness.scenario.execution import Execution, World
from harness.scenario.schema import Stage, TrainingConfig
from tests.parallel.pytorch_ranks import run_ranks
from tests.parallel.subjects import FEW, KINDS, NETWORKS, OVERFLOWS_AT, SAMPLES, STAGES, STEPS, subject

pytestmark = pytest.mark.slow

ROUNDING = 1e-12
"""In float64, of the largest value of an array."""

CASES = [(kind, model) for kind in KINDS for model in NETWORKS]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two ranks answered, and one process alone: arrays by name."""
    folder = tmp_path_factory.mktemp("ranks")
    script = Path(__file__).with_name("pytorch_drive.py")
    for children in [run_ranks(script, size, folder) for size in (1, 2)]:
        children.finished()
    return {key: dict(np.load(folder / f"{key}.npz")) for key in ("1-0", "2-0", "2-1")}


@pytest.fixture
def alone(ranks):
    return ranks["1-0"]


@pytest.fixture
def both(ranks):
    return ranks["2-0"], ranks["2-1"]


def close(found, expected):
    return np.abs(found - expected).max() <= ROUNDING * max(np.abs(expected).max(), 1e-3)


def under(answers, prefix):
    """Arrays below a prefix, by the rest of their names."""
    found = {name.removeprefix(prefix): values for name, values in answers.items() if name.startswith(prefix)}
    assert found
    return found


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(("kind", "model"), CASES)
def test_gradients_are_those_of_the_batches_as_one(alone, both, kind, model, hidden):
    expected = under(alone, f"data/{model}/hidden-{hidden}/")
    for rank in both:
        found = under(rank, f"{kind}/{model}/hidden-{hidden}/")
        assert found.keys() == expected.keys()
        for name in found:
            assert close(found[name], expected[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_that_no_rank_uses_has_a_gradient_of_0(both, kind):
    for rank in both:
        assert not rank[f"{kind}/aigoms/hidden-False/gradients/mask_token"].any()
        assert rank[f"{kind}/aigoms/hidden-True/gradients/mask_token"].all()


@pytest.mark.parametrize(("kind", "model"), CASES)
def test_losses_and_weights_of_a_training_are_those_of_one_process(alone, both, kind, model):
    for rank in both:
        losses = rank[f"{kind}/{model}/losses"]
        assert len(losses) == (FEW if kind == "sharded" and model != "fourcastnet" else STEPS)
        assert close(losses, alone[f"data/{model}/losses"][: len(losses)])
        if len(losses) == STEPS:
            expected = under(alone, f"data/{model}/weights/")
            assert all(close(rank[f"{kind}/{model}/weights/{name}"], expected[name]) for name in expected)
    _, of_two_steps = np.split(alone[f"data/{model}/losses"], [STAGES[0][1]])
    assert of_two_steps[-1] < 0.95 * of_two_steps[0]


@pytest.mark.parametrize(("kind", "model"), CASES)
def test_ranks_hold_the_same_weights_and_tell_what_they_predict_of_their_own(alone, both, kind, model):
    """Predictions and losses of both ranks' samples beside each other are those of one process."""
    first, second = (under(rank, f"{kind}/{model}/weights/") for rank in both)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    if kind != "sharded" or model == "fourcastnet":
        halves = [rank[f"{kind}/{model}/predicted"] for rank in both]
        assert close(np.concatenate(halves), alone[f"data/{model}/predicted"])


@pytest.mark.parametrize("kind", KINDS)
def test_recomputing_and_micro_batches_change_no_loss(alone, both, kind):
    for rank in both:
        for name, losses in under(rank, f"saving/{kind}/").items():
            assert close(losses, alone[f"data/{name.partition('/')[0]}/losses"][:FEW]), name


@pytest.mark.parametrize(("kind", "model"), CASES)
def test_a_rank_holds_what_is_counted(both, kind, model):
    """Of two ranks' states each has half, whole parameters dealt; of parameters divided, half but for an odd row."""
    found = subject(model)
    training = TrainingConfig(batch_size=SAMPLES // 2, stages=(Stage(name="t", epochs=1, learning_rate=1e-3),))
    execution = Execution(world=World(devices=2, parallel=kind))
    needed = step_memory(found.architecture, found.network, found.domain, training, execution)
    counted = 2 * np.array([needed.weights, needed.gradients, needed.optimiser])
    parameters = found.architecture.parameters(found.network, found.domain)
    in_float64 = 8 * count(parameters)
    held = np.array([rank[f"{kind}/{model}/held"] for rank in both])
    copies = {"data": (2, 2, 2), "sharded_optimiser": (2, 2, 1), "sharded": (1, 1, 1)}[kind]
    assert held.sum(axis=0).tolist() == (np.array(copies) * in_float64 * (1, 1, 2)).tolist()
    assert held.max(axis=0) == pytest.approx(counted, rel=0.02 if kind == "sharded" else 0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_micro_batches_exchange_once_a_step_and_nothing_is_exchanged_where_it_is_left_out(alone, both, kind):
    for rank in both:
        once = rank[f"exchanges/{kind}/1"]
        assert once > 0
        if kind == "sharded":
            gathers_again = rank[f"exchanges/{kind}/2"] - once
            assert 0 < gathers_again < once
        else:
            assert rank[f"exchanges/{kind}/2"] == once
        assert rank[f"exchanges/{kind}/without"] == 0
        for name, values in under(rank, f"again/{kind}/").items():
            assert close(values, alone[f"data/fourcastnet/hidden-False/{name}"]), name


@pytest.mark.parametrize("autocast", ["bf16", "fp16"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_layers_run_low(alone, both, kind, autocast):
    """The layer that stays in float32 would tell at once: its products need 24 bits."""
    for rank in both:
        assert np.array_equal(rank[f"low/{kind}/{autocast}/predicted"], alone[f"low/data/{autocast}/predicted"])


@pytest.mark.parametrize("kind", KINDS)
def test_all_ranks_skip_the_step_in_which_one_overflows(alone, both, kind):
    expected = under(alone, "low/data/weights/")
    for rank in both:
        assert rank[f"low/{kind}/skipped"].tolist() == [0] * OVERFLOWS_AT + [1] * (5 - OVERFLOWS_AT)
        assert rank[f"low/{kind}/scale"].tolist() == [1024.0] * OVERFLOWS_AT + [512.0] * (5 - OVERFLOWS_AT)
        for name, values in under(rank, f"low/{kind}/weights/").items():
            assert np.abs(values - expected[name]).max() < 1e-3
            assert np.array_equal(values, both[0][f"low/{kind}/weights/{name}"])


def test_what_ranks_tell_each_other(both):
    with np.errstate(invalid="ignore"):
        total = both[0]["ranks/own"] + both[1]["ranks/own"]
    for number, rank in enumerate(both):
        assert rank["ranks/rank"].tolist() == [number, 2, number]
        assert np.array_equal(rank["ranks/sum"], total)
        assert rank["ranks/texts"].tolist() == ["rank 0: ", "rank 1: é"]
        assert str(rank["ranks/too-few"]) == "world.devices 3, but torchrun started 2: make them the same"
        assert "RANK, MASTER_ADDR not set: start one process a device" in str(rank["ranks/no-torchrun"])
        assert "no number: LOCAL_RANK=first: start the ranks with torchrun" in str(rank["ranks/no-number"])
        assert rank["ranks/devices"].tolist() == [
            "cuda:0 [0]",
            "cuda:3 [3]",
            "rank 3 is number 3 on its node, where PyTorch sees 2 cuda",
        ]


def test_what_does_not_run_is_refused_by_name():
    for other, why in (
        ({"compilation": {"mode": "graph"}}, "op by op"),
        ({"recompute": {"unit": "offload"}}, "blocks"),
    ):
        execution = Execution.model_validate({**other, "world": {"devices": 2, "parallel": "sharded"}})
        assert re.search(f"world.parallel: sharded .*{why}", cannot_execute("pytorch", "cuda", execution))
    for kind in KINDS:
        assert cannot_execute("pytorch", "cpu", Execution(world=World(devices=2, parallel=kind))) is None
