"""The least that a network computes: operations of its dense layers, of which no framework can leave one out.

Each architecture counts its own in `forward_flops(network, domain, training)`. Spectral transforms, mixers, norms and
activation functions are not counted, nor what depends on how a graph was drawn: the count is a lower bound.
"""

from types import ModuleType
from typing import Any

from harness.models.domain import Domain

FORWARD_AND_BACKWARD = 2
"""A training step takes the products of the forward pass and as many for the gradients of the weights. Those for the
gradients of inputs are not counted, since the first layer has none."""


def dense(rows: int, inputs: int, outputs: int) -> int:
    """Operations of a dense layer: a multiplication and an addition for each weight and row."""
    return 2 * rows * inputs * outputs


def prediction_flops(package: ModuleType, network: Any, domain: Domain, batch_size: int) -> int | None:
    """The least operations of a prediction of a batch; None where the architecture does not count them."""
    count = getattr(package, "forward_flops", None)
    return None if count is None else batch_size * count(network, domain, training=False)


def step_flops(package: ModuleType, network: Any, domain: Domain, batch_size: int, rollout_steps: int) -> int | None:
    """The least operations of a training step over a rollout; None where the architecture does not count them."""
    count = getattr(package, "forward_flops", None)
    if count is None:
        return None
    forward: int = count(network, domain, training=True)
    return FORWARD_AND_BACKWARD * rollout_steps * batch_size * forward
