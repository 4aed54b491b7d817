"""The same weights and batches in PyTorch, in MindSpore op by op and in MindSpore compiled, each in its own process."""

import numpy as np
import pytest
from cases import GRAPHCAST, PARITY, TRAINED

pytestmark = pytest.mark.slow

TOLERANCES = {"prediction": 2e-6, "gradient": 5e-6, "gradient through swish": 2e-5, "loss of a step": 2e-6}
"""Largest deviation over the largest value of a prediction or of one parameter's gradient; relative for a loss.

MindSpore's sigmoid on CPU is right to 8e-7 only, seven times the rounding of float32.
"""

EXECUTIONS = pytest.mark.parametrize("execution", ["eager", "compiled"])


def deviation(found, expected):
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def gradient_deviation(found, expected):
    names = {name for name in expected if name.startswith("gradients/")}
    assert names == {name for name in found if name.startswith("gradients/")}
    return max(deviation(found[name], expected[name]) for name in names)


@pytest.fixture
def check(within):
    return lambda quantity, value, between: within(TOLERANCES[quantity], value, f"{quantity}: {between}")


@EXECUTIONS
@pytest.mark.parametrize("name", PARITY)
def test_the_frameworks_predict_the_same(answers, check, name, execution):
    found, expected = answers["mindspore", execution][name], answers["pytorch", "eager"][name]
    check("prediction", deviation(found["prediction"], expected["prediction"]), f"MindSpore {execution}, PyTorch")


@EXECUTIONS
@pytest.mark.parametrize("name", PARITY)
def test_every_gradient_is_the_same(answers, check, name, execution):
    found, expected = answers["mindspore", execution][name], answers["pytorch", "eager"][name]
    assert {f"gradients/{parameter}" for parameter in PARITY[name].weights} <= set(found)
    quantity = "gradient through swish" if name in GRAPHCAST else "gradient"
    check(quantity, gradient_deviation(found, expected), f"MindSpore {execution}, PyTorch")


@EXECUTIONS
@pytest.mark.parametrize("name", TRAINED)
def test_fifty_optimiser_steps_lose_the_same(answers, check, name, execution):
    found, expected = answers["mindspore", execution][name]["losses"], answers["pytorch", "eager"][name]["losses"]
    assert found.shape == (50,)
    check("loss of a step", float(np.abs(found / expected - 1).max()), f"MindSpore {execution}, PyTorch")


@pytest.mark.parametrize("name", TRAINED)
def test_the_steps_that_are_compared_do_learn(answers, name):
    losses = answers["pytorch", "eager"][name]["losses"]
    assert losses[-4:].mean() < 0.95 * losses[:4].mean()


@pytest.mark.parametrize("key", [("pytorch", "eager"), ("mindspore", "eager"), ("mindspore", "compiled")], ids="-".join)
@pytest.mark.parametrize("name", ["tokens-7x9", "half-the-modes"])
def test_both_transforms_are_the_same_network(answers, check, name, key):
    product, fast = answers[key][name], answers[key][f"{name}-fft"]
    check("prediction", deviation(fast["prediction"], product["prediction"]), "fft, dft")
    check("gradient", gradient_deviation(fast, product), "fft, dft")
