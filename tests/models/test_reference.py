"""Both frameworks against the formulas in float64."""

import numpy as np
import pytest
from cases import FOURCASTNET, LINEAR
from children import CHILDREN, runs
from reference import Adam, forward, relative_l2

pytestmark = pytest.mark.slow

PREDICTION_TOLERANCE = 2e-6
LOSS_TOLERANCE = 1e-6
SLOPE_TOLERANCE = 2e-6
OPTIMISER_TOLERANCE = 2e-6


def predict(case, weights):
    network = case.network
    return forward(
        weights,
        case.arrays["inputs"][0],
        network["patch_size"],
        network.get("sparsity_threshold", 0.01),
        network.get("hard_thresholding_fraction", 1.0),
    )


def loss_of(case, weights):
    return relative_l2(predict(case, weights), case.arrays["targets"][0, 0], case.arrays["mask"])


@runs(FOURCASTNET)
def test_prediction_is_that_of_the_formulas(answers, within, name, key):
    expected = predict(FOURCASTNET[name], FOURCASTNET[name].weights)
    found = answers[key][name]["prediction"]
    deviation = np.abs(found - expected).max() / np.abs(expected).max()
    within(PREDICTION_TOLERANCE, deviation, "prediction: float32, float64 reference")


@runs(FOURCASTNET)
def test_loss_is_the_relative_l2_norm_under_the_mask(answers, within, name, key):
    expected = loss_of(FOURCASTNET[name], FOURCASTNET[name].weights)
    found = answers[key][name]
    within(LOSS_TOLERANCE, abs(found["loss"] / expected - 1), "loss: float32, float64 reference")
    assert ("evaluated" in found) == FOURCASTNET[name].evaluated
    if "evaluated" in found:
        within(LOSS_TOLERANCE, abs(found["evaluated"] / expected - 1), "loss: float32, float64 reference")


@runs(FOURCASTNET)
def test_gradients_are_the_slopes_of_the_loss(answers, within, name, key):
    case, random = FOURCASTNET[name], np.random.default_rng(2)
    for parameter, values in case.weights.items():
        gradient = answers[key][name][f"gradients/{parameter}"].astype(np.float64)
        direction = gradient / np.linalg.norm(gradient) + random.standard_normal(values.shape) / np.sqrt(values.size)
        step = 1e-6 * direction
        ahead = loss_of(case, {**case.weights, parameter: values + step})
        behind = loss_of(case, {**case.weights, parameter: values - step})
        slope, expected = (gradient * direction).sum(), (ahead - behind) / 2e-6
        within(SLOPE_TOLERANCE, abs(slope / expected - 1), "gradient: float32, slope of the float64 reference")


@pytest.mark.parametrize("key", CHILDREN, ids="-".join)
def test_optimisers_follow_their_papers_over_stages_rates_and_rollout(answers, within, key):
    case = LINEAR["linear"]
    inputs, mask = case.arrays["inputs"][..., 0, 0].astype(np.float64).sum(1), case.arrays["mask"][:, 0, 0]
    weight = case.weights["weight"].astype(np.float64)
    for stage in case.stages:
        settings = {name: value for name, value in stage.optimiser.items() if name != "name"}
        adam = Adam(weight.shape, **settings)
        for step in range(stage.steps):
            x = inputs[step % len(inputs)] * mask
            gradient = x if stage.rollout_steps == 1 else x + 2 * weight * x
            rate = stage.learning_rate * (1 + np.cos(np.pi * step / stage.steps)) / 2
            weight = adam.update(weight, gradient, rate)
    deviation = np.abs(answers[key]["linear"]["trained/weight"] / weight - 1).max()
    within(OPTIMISER_TOLERANCE, deviation, "weights after 100 steps: float32, float64 reference")


@runs(FOURCASTNET)
def test_weights_are_those_that_were_loaded(answers, name, key):
    expected = FOURCASTNET[name].weights
    loaded = {k.removeprefix("loaded/"): v for k, v in answers[key][name].items() if k.startswith("loaded/")}
    assert loaded.keys() == expected.keys()
    assert all(np.array_equal(loaded[parameter], expected[parameter]) for parameter in expected)
