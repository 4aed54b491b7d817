"""AI-GOMS in PyTorch, in MindSpore op by op and compiled: against each other and against the formulas in float64."""

import numpy as np
import pytest
from aigoms_cases import AIGOMS, HIDDEN, STEPS, TRAINED
from aigoms_reference import forward, relative_l2
from children import CHILDREN, runs

pytestmark = pytest.mark.slow

TOLERANCES = {"prediction": 2e-6, "gradient": 5e-6, "loss of a step": 5e-6, "loss": 1e-6, "slope": 2e-6}
"""Largest deviation over the largest value of a prediction or of one parameter's gradient; relative for the others."""

IN_MINDSPORE = ("mindspore",)


@pytest.fixture
def check(within):
    return lambda quantity, value, between: within(TOLERANCES[quantity], value, f"AI-GOMS {quantity}: {between}")


def deviation(found, expected):
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def predict(case, weights, inputs="inputs"):
    given, network = case.arrays, case.network
    threshold = network.get("sparsity_threshold", 0.01)
    extras = given.get("keep"), given.get("restore")
    return forward(weights, given[inputs], network["patch_size"], threshold, *extras)


@runs(AIGOMS, IN_MINDSPORE)
def test_the_frameworks_predict_the_same(solved, check, name, key):
    found, expected = solved[key][name], solved["pytorch", "eager"][name]
    check("prediction", deviation(found["prediction"], expected["prediction"]), f"MindSpore {key[1]}, PyTorch")


@runs(AIGOMS, IN_MINDSPORE)
def test_every_gradient_is_the_same(solved, check, name, key):
    found, expected = solved[key][name], solved["pytorch", "eager"][name]
    for parameter in AIGOMS[name].weights:
        gradient = f"gradients/{parameter}"
        if parameter == "mask_token" and name not in HIDDEN:
            assert not found.get(gradient, np.zeros(1)).any()
        else:
            check("gradient", deviation(found[gradient], expected[gradient]), f"MindSpore {key[1]}, PyTorch")


@runs(TRAINED, IN_MINDSPORE)
def test_every_optimiser_step_loses_the_same(solved, check, name, key):
    found, expected = solved[key][name]["losses"], solved["pytorch", "eager"][name]["losses"]
    assert found.shape == (STEPS,)
    check("loss of a step", float(np.abs(found / expected - 1).max()), f"MindSpore {key[1]}, PyTorch")


@pytest.mark.parametrize("key", CHILDREN, ids="-".join)
def test_adam_carries_the_mask_token_on_while_nothing_is_masked(solved, check, key):
    before, after = (solved[key]["15-of-60"][f"token {part}"] for part in ("masked", "unmasked"))
    steps = np.abs(after - before)
    assert np.median(steps) > 1e-4
    assert steps.max() < 3e-3
    check("loss of a step", deviation(after, solved["pytorch", "eager"]["15-of-60"]["token unmasked"]), "mask token")


@pytest.mark.parametrize("name", TRAINED)
def test_the_steps_that_are_compared_do_learn(solved, name):
    losses = solved["pytorch", "eager"][name]["losses"]
    assert losses[-4:].mean() < 0.95 * losses[:4].mean()


@runs(AIGOMS)
def test_prediction_is_that_of_the_formulas(solved, check, name, key):
    expected = predict(AIGOMS[name], AIGOMS[name].weights)
    check("prediction", deviation(solved[key][name]["prediction"], expected), "float32, float64 reference")


@runs(AIGOMS)
def test_loss_is_the_relative_norm_by_channel_where_there_is_water(solved, check, name, key):
    case = AIGOMS[name]
    expected = relative_l2(predict(case, case.weights), case.arrays["target"], case.arrays["mask"])
    check("loss", abs(solved[key][name]["loss"] / expected - 1), "float32, float64 reference")


@runs({name: AIGOMS[name] for name in ("60-of-60", "15-of-60", "47-of-63", "63-of-63")})
def test_gradients_are_the_slopes_of_the_loss(solved, check, name, key):
    case, random = AIGOMS[name], np.random.default_rng(2)

    def loss_of(weights):
        return relative_l2(predict(case, weights), case.arrays["target"], case.arrays["mask"])

    for parameter, values in case.weights.items():
        if parameter == "mask_token" and name not in HIDDEN:
            continue
        gradient = solved[key][name][f"gradients/{parameter}"].astype(np.float64)
        direction = gradient / np.linalg.norm(gradient) + random.standard_normal(values.shape) / np.sqrt(values.size)
        ahead = loss_of({**case.weights, parameter: values + 1e-6 * direction})
        behind = loss_of({**case.weights, parameter: values - 1e-6 * direction})
        expected = (ahead - behind) / 2e-6
        check("slope", abs((gradient * direction).sum() / expected - 1), "float32, float64 reference")


@runs(AIGOMS)
def test_a_perfect_prediction_loses_nothing_and_has_no_slope(solved, name, key):
    found = solved[key][name]
    assert found["loss of no error"] == 0
    assert all(not values.any() for at, values in found.items() if at.startswith("no error/"))


@runs(HIDDEN)
def test_what_is_masked_changes_nothing(solved, name, key):
    found = solved[key][name]
    assert not np.array_equal(AIGOMS[name].arrays["inputs"], AIGOMS[name].arrays["inputs_behind"])
    np.testing.assert_array_equal(found["prediction"], found["prediction_behind"])


@runs({"60-named": AIGOMS["60-named"]})
def test_all_tokens_in_the_order_of_the_grid_are_as_none_named(solved, name, key):
    found = solved[key]
    np.testing.assert_array_equal(found[name]["prediction"], found["60-of-60"]["prediction"])


@runs({name: case for name, case in AIGOMS.items() if name.endswith("-fft")})
def test_both_transforms_are_the_same_network(solved, check, name, key):
    product, fast = solved[key][name.removesuffix("-fft")], solved[key][name]
    check("prediction", deviation(fast["prediction"], product["prediction"]), "fft, dft")
    for parameter in AIGOMS[name].weights:
        gradient = f"gradients/{parameter}"
        if gradient in product and product[gradient].any():
            check("gradient", deviation(fast[gradient], product[gradient]), "fft, dft")
