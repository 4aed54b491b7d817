"""The least that a network computes: operations of its dense layers, of which no framework can leave one out.

They are those of `operations`, or what an architecture counts in `forward_flops(network, domain, training)` where that
does not say it. Spectral transforms, mixers, norms and activation functions are not counted, nor what depends on how a
graph was drawn, nor what is the same for all samples: the count is a lower bound.
"""

from types import ModuleType
from typing import Any

from harness.models.domain import Domain
from harness.models.operations import least_products
from harness.scenario.execution import EAGER

FORWARD_AND_BACKWARD = 2
"""A training step takes the products of the forward pass and as many for the gradients of the weights. Those for the
gradients of inputs are not counted, since the first layer has none."""


def prediction_flops(package: ModuleType, network: Any, domain: Domain, batch_size: int) -> int | None:
    """The least operations of a prediction of a batch; None where the architecture does not count them."""
    forward = _forward_flops(package, network, domain, training=False)
    return None if forward is None else batch_size * forward


def step_flops(package: ModuleType, network: Any, domain: Domain, batch_size: int, rollout_steps: int) -> int | None:
    """The least operations of a training step over a rollout; None where the architecture does not count them."""
    forward = _forward_flops(package, network, domain, training=True)
    return None if forward is None else FORWARD_AND_BACKWARD * rollout_steps * batch_size * forward


def _forward_flops(package: ModuleType, network: Any, domain: Domain, *, training: bool) -> int | None:
    """Of one sample and step."""
    if hasattr(package, "forward_flops"):
        counted: int = package.forward_flops(network, domain, training=training)
        return counted
    if not hasattr(package, "operations"):
        return None
    return least_products(package.operations(network, domain, 1, EAGER, epoch=None, later=False))
