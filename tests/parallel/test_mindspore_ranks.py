"""Two ranks of MindSpore against one: gradients, losses, shares of the optimiser, and what they tell each other."""

from pathlib import Path

import numpy as np
import pytest

from harness.models.parameters import count
from tests.parallel.mindspore_ranks import run_ranks
from tests.parallel.mindspore_worlds import FEW_STEPS, MEANS, NETWORKS, RANKS, subject

pytestmark = pytest.mark.slow

FLOAT32, FLOAT64 = 2e-6, 1e-14
LOSSES, WEIGHTS = 2e-6, 2e-5
FLOAT16 = 2e-3
TINY = 1e-30
MANY = [("fourcastnet", "data"), ("aigoms", "sharded"), ("graphcast", "sharded")]
TEXTS = ("", "Rechner äöü 風 " * 40)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    run_ranks(Path(__file__).with_name("mindspore_drive.py"), folder)
    found = []
    for number in range(RANKS):
        with np.load(folder / f"rank-{number}.npz") as arrays:
            found.append(dict(arrays))
    return found


@pytest.fixture
def of(answers):
    """of(name): an array of each rank."""
    return lambda name: [arrays[name] for arrays in answers]


@pytest.fixture
def below(answers):
    """below(prefix, rank): arrays of a rank by what follows the prefix; of the first that has any."""

    def find(prefix, rank=None):
        start = f"{prefix}/"
        for arrays in answers if rank is None else [answers[rank]]:
            if found := {key.removeprefix(start): v for key, v in arrays.items() if key.startswith(start)}:
                return found
        raise AssertionError(f"nothing below {prefix}")

    return find


def same(left, right):
    assert left.keys() == right.keys()
    assert not [name for name in left if not np.array_equal(left[name], right[name])]


def departure(found, expected):
    """The largest difference of any parameter, in units of its largest value."""
    assert found.keys() == expected.keys()
    return max(
        np.abs(found[name] - values).max() / max(np.abs(values).max(), TINY) for name, values in expected.items()
    )


def mean(values):
    return np.mean(values, axis=0)


def test_ranks_know_their_places(of):
    assert [tuple(rank) for rank in of("rank")] == [(0, 2, 0), (1, 2, 1)]


def test_sums_are_those_of_float64(of):
    expected = sum(of("sum/own"))
    assert all(np.array_equal(found, expected) for found in of("sum/of_all"))
    assert of("sum/scalar") == [np.array(2 / 3)] * RANKS
    assert [found.shape for found in of("sum/scalar")] == [()] * RANKS
    assert [found.shape for found in of("sum/none")] == [(0, 2)] * RANKS


def test_each_rank_knows_the_texts_of_all(of):
    assert [tuple(found) for found in of("texts")] == [TEXTS, TEXTS]
    assert [tuple(found) for found in of("texts/empty")] == [("", "")] * 2


def test_other_numbers_of_ranks_are_refused(of):
    assert set(map(str, of("refused/too_few"))) == {
        "world.devices: 3, but 2 ranks were started; start one for each device"
    }
    assert {str(said).partition(";")[2] for said in of("refused/alone")} == {" start them by msrun"}


@pytest.mark.parametrize("model", NETWORKS)
def test_float64_gradients_are_those_of_one_rank(of, below, model):
    whole = below(f"float64/{model}/whole")
    assert {str(values.dtype) for values in whole.values()} == {"float64"}
    for rank in range(RANKS):
        both = below(f"float64/{model}/both", rank)
        both["loss"] = mean(of(f"float64/{model}/both/loss"))
        assert departure(both, whole) < FLOAT64


@pytest.mark.parametrize("model", NETWORKS)
def test_float32_gradients_are_those_of_one_rank(of, below, model):
    whole = below(f"gradients/{model}/whole")
    for rank in range(RANKS):
        both = below(f"gradients/{model}/both", rank)
        both["loss"] = mean(of(f"gradients/{model}/both/loss"))
        assert departure(both, whole) < FLOAT32


@pytest.mark.parametrize("model", MEANS)
def test_float32_gradients_are_the_means_of_the_ranks_own_to_the_last_bit(of, below, model):
    for name in below(f"gradients/{model}/half"):
        if name != "loss":
            expected = mean([half.astype(float) for half in of(f"gradients/{model}/half/{name}")]).astype(np.float32)
            assert all(np.array_equal(both, expected) for both in of(f"gradients/{model}/both/{name}"))


@pytest.mark.parametrize(("model", "way"), FEW_STEPS)
def test_training_op_by_op_is_that_of_one_rank(of, below, model, way):
    expected = below(f"few/{model}/one")
    assert np.abs(mean(of(f"few/{model}/{way}/losses")) / expected["losses"] - 1).max() < LOSSES
    trained = below(f"few/{model}/{way}/weights", 0)
    assert departure(trained, below(f"few/{model}/one/weights")) < WEIGHTS
    same(trained, below(f"few/{model}/{way}/weights", 1))


@pytest.mark.parametrize(("model", "way"), MANY)
def test_losses_of_50_steps_of_a_graph_are_those_of_one_rank(of, below, model, way):
    expected = below(f"many/{model}/one")
    found = mean(of(f"many/{model}/{way}/losses"))
    assert len(found) == 50
    assert found[-1] < 0.9 * found[0]
    assert np.abs(found / expected["losses"] - 1).max() < LOSSES
    same(below(f"many/{model}/{way}/weights", 0), below(f"many/{model}/{way}/weights", 1))


@pytest.mark.parametrize("model", NETWORKS)
def test_states_of_the_optimiser_are_divided(of, model):
    about = subject(model)
    whole = 2 * 4 * count(about.architecture.parameters(about.network, about.domain))
    if (model, "data") in FEW_STEPS:
        assert [int(held) for held in of(f"few/{model}/data/states")] == [whole, whole]
    held = [int(each) for each in of(f"few/{model}/sharded/states")]
    assert sum(held) == whole
    assert max(held) < 0.6 * whole


def test_micro_batches_exchange_once_a_step(of):
    for sent, buckets in of("exchanges/fourcastnet"):
        assert buckets > 1
        assert sent == 2 * buckets


@pytest.mark.parametrize("model", ["fourcastnet", "aigoms"])
def test_recomputing_micro_batches_and_float16_go_together(of, below, model):
    expected = below(f"few/{model}/saving/one")
    assert np.abs(mean(of(f"few/{model}/saving/sharded/losses")) / expected["losses"] - 1).max() < FLOAT16
    same(below(f"few/{model}/saving/sharded/weights", 0), below(f"few/{model}/saving/sharded/weights", 1))
    assert [int(skipped) for skipped in of(f"few/{model}/saving/sharded/skipped")] == [0, 0]


@pytest.mark.parametrize("way", ["eager/one", "eager/data", "eager/sharded", "graph/sharded"])
def test_a_step_is_skipped_by_all_where_one_overflows(of, way):
    assert all(found.tolist() == [0, 1, 1, 2, 2, 2] for found in of(f"planted/{way}/skipped"))
    assert all(found.tolist() == [1024, 512, 512, 256, 256, 256] for found in of(f"planted/{way}/scale"))
    left, right = of(f"planted/{way}/weights")
    assert np.array_equal(left, right)
    assert [step for step in range(1, 6) if np.array_equal(left[step], left[step - 1])] == [1, 3]
    expected = of("planted/eager/one/weights")[0]
    assert np.abs(left - expected).max() < FLOAT16


def test_without_an_exchange_each_rank_trains_alone(below):
    for rank in range(RANKS):
        same(below("silent/data/without", rank), below("silent/alone", rank))


def test_without_an_exchange_each_rank_updates_its_share(of, below):
    start = subject("fourcastnet").weights()
    updated = []
    for rank in range(RANKS):
        found = below("silent/sharded_optimiser/without", rank)
        assert found["losses"][0] == below("silent/alone", rank)["losses"][0]
        updated.append({name for name in start if not np.array_equal(found[f"weights/{name}"], start[name])})
    assert updated[0] | updated[1] == start.keys()
    assert not updated[0] & updated[1]


@pytest.mark.parametrize(("world", "way"), [("data", "data"), ("sharded_optimiser", "sharded")])
def test_after_it_the_ranks_train_together_again(below, world, way):
    found = below(f"silent/{world}/with/weights")
    same(found, below(f"few/fourcastnet/{way}/weights"))
