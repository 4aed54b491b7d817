"""Both frameworks against the formulas in float64."""

from functools import cache

import numpy as np
import pytest
from cases import GRAPHCAST
from children import runs
from formulas import forward, residual_loss

from harness.models.graphcast.geometry import build

pytestmark = pytest.mark.slow

PREDICTION_TOLERANCE = 3e-6
LOSS_TOLERANCE = 1e-6
SLOPE_TOLERANCE = {"pytorch": 5e-6, "mindspore": 2e-5}
"""MindSpore's sigmoid on CPU is right to 8e-7 only."""
WEIGHTS = {"t2m": 1.0, "msl": 0.1}


@cache
def graphs(name):
    arrays, network = GRAPHCAST[name].arrays, GRAPHCAST[name].network
    fraction, length = network.get("radius_fraction", 0.6), network.get("mesh_to_grid_length")
    return build(arrays["latitude"], arrays["longitude"], network["mesh_refinement"], fraction, length)


def predict(name, weights):
    case = GRAPHCAST[name]
    x, scale = case.arrays["inputs"][0], case.arrays["residual_scale"]
    return forward(weights, graphs(name), x, scale, case.network["message_steps"])


def loss_of(name, weights):
    case = GRAPHCAST[name]
    newest = case.arrays["inputs"][0][:, : len(case.channels)].astype(np.float64)
    return residual_loss(predict(name, weights), case.arrays["targets"][0, 0], newest, case, WEIGHTS)


@runs(GRAPHCAST)
def test_prediction_is_that_of_the_formulas(answers, within, name, key):
    expected = predict(name, GRAPHCAST[name].weights)
    deviation = np.abs(answers[key][name]["prediction"] - expected).max() / np.abs(expected).max()
    within(PREDICTION_TOLERANCE, deviation, "GraphCast prediction: float32, float64 reference")


@runs(GRAPHCAST)
def test_loss_on_states_is_the_loss_on_normalised_residuals(answers, within, name, key):
    expected = loss_of(name, GRAPHCAST[name].weights)
    within(LOSS_TOLERANCE, abs(answers[key][name]["loss"] / expected - 1), "GraphCast loss: float32, float64 reference")


@pytest.fixture(scope="module")
def slopes(answers):
    """By case, for every parameter a direction in which the loss rises and its slope along it."""
    random = np.random.default_rng(2)

    @cache
    def of(name):
        weights, found = GRAPHCAST[name].weights, {}
        for parameter, values in weights.items():
            gradient = answers["pytorch", "eager"][name][f"gradients/{parameter}"].astype(np.float64)
            direction = gradient / np.linalg.norm(gradient)
            direction += random.standard_normal(values.shape) / np.sqrt(values.size)
            ahead, behind = (loss_of(name, {**weights, parameter: values + step * direction}) for step in (1e-6, -1e-6))
            found[parameter] = direction, (ahead - behind) / 2e-6
        return found

    return of


@runs(GRAPHCAST)
def test_gradients_are_the_slopes_of_the_loss(answers, slopes, within, name, key):
    for parameter, (direction, expected) in slopes(name).items():
        slope = (answers[key][name][f"gradients/{parameter}"] * direction).sum()
        what = f"GraphCast gradient: {key[0]}, slope of the reference"
        within(SLOPE_TOLERANCE[key[0]], abs(slope / expected - 1), what)


@runs(GRAPHCAST)
def test_weights_are_those_that_were_loaded(answers, name, key):
    for parameter, values in GRAPHCAST[name].weights.items():
        assert np.array_equal(answers[key][name][f"loaded/{parameter}"], values)
