"""The made-up network `carry` against its formulas, from a timeline of states and forcings, in float64.

Nothing of the assembly of x is used: a rollout is written out by the time at which each of its inputs lies.
Derivatives are those of a complex step, exact to rounding; clipping and AdamW follow their papers.
"""

import numpy as np
import pytest
from cases import CARRY, carry_timeline
from children import runs
from reference import Adam

pytestmark = pytest.mark.slow

LOSS_TOLERANCE = 2e-6
WEIGHT_TOLERANCE = 2e-6
START, IMAGINARY, TORCH_EPSILON = 1, 1e-30, 1e-6


def flat(weights):
    return np.concatenate([weights["weight"].ravel(), weights["bias"]]).astype(np.float64)


def rollout_loss(parameters, batch, case):
    states, forcing, static = (values.astype(np.float64) for values in carry_timeline())
    scale, gain = case.arrays["residual_scale"].astype(np.float64), case.arrays["extras/gain"][batch].astype(np.float64)
    mask = case.arrays["mask"]
    weight, bias = parameters[:16].reshape(2, 8), parameters[16:]
    known = {time: states[batch, time] for time in (START - 1, START)}
    total = 0.0
    for time in (START, START + 1):
        channels = [known[time][:, 0], known[time][:, 1], known[time - 1][:, 0], known[time - 1][:, 1]]
        channels += [forcing[batch, time + offset, :, 0] for offset in (-1, 0, 1)]
        channels.append(np.broadcast_to(static[0], channels[0].shape))
        change = np.stack(
            [np.tanh(sum(w * c for w, c in zip(weight[o], channels, strict=True)) + bias[o]) for o in (0, 1)], axis=1
        )
        state = known[time] + change * scale[:, None, None] * gain[:, None, None, None]
        total = total + (((state - states[batch, time + 1]) * mask) ** 2).mean()
        known[time + 1] = state * mask
    return total


def gradient(parameters, batch, case):
    steps = IMAGINARY * 1j * np.eye(len(parameters))
    return np.array([rollout_loss(parameters + step, batch, case).imag / IMAGINARY for step in steps])


def trained(case):
    """Losses, gradient norms and the weights after the stage of a case."""
    (stage,) = case.stages
    settings = {name: value for name, value in stage.optimiser.items() if name not in ("name", "clip_norm")}
    parameters, losses, norms = flat(case.weights), [], []
    adam = Adam(parameters.shape, **settings)
    for step in range(stage.steps):
        losses.append(rollout_loss(parameters, step % 2, case))
        slope = gradient(parameters, step % 2, case)
        norms.append(np.linalg.norm(slope))
        slope = slope * min(1.0, stage.optimiser["clip_norm"] / (norms[-1] + TORCH_EPSILON))
        rate = stage.learning_rate * (1 + np.cos(np.pi * step / stage.steps)) / 2
        parameters = adam.update(parameters, slope, rate)
    return np.array(losses), np.array(norms), parameters


@runs(CARRY)
def test_rollout_losses_and_clipped_steps_follow_the_formulas(answers, within, name, key):
    losses, norms, weights = trained(CARRY[name])
    limit = CARRY[name].stages[0].optimiser["clip_norm"]
    assert (norms > limit).any() == (name == "carry")
    found = answers[key][name]
    within(LOSS_TOLERANCE, np.abs(found["losses"] / losses - 1).max(), "rollout with forcings: float32, formulas")
    end = flat({part: found[f"trained/{part}"] for part in ("weight", "bias")})
    within(WEIGHT_TOLERANCE, np.abs(end - weights).max(), "clipped weights: float32, formulas")


def test_clipping_changes_where_the_training_ends():
    clipped, free = (trained(CARRY[name])[2] for name in ("carry", "carry-unclipped"))
    assert np.abs(clipped - free).max() > 1e-3
