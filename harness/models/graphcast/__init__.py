"""GraphCast: a graph network on an icosahedral multi-mesh, arXiv 2212.12794, as in google-deepmind/graphcast."""

from harness.models.graphcast.config import (
    OPERATORS,
    RANGES,
    Network,
    check_grid,
    describe,
    input_spec,
    loss_weights,
    parameters,
    sizes,
    training_extras,
)
from harness.models.graphcast.memory import activations
from harness.models.graphcast.work import loss_operations, operations

__all__ = [
    "OPERATORS",
    "RANGES",
    "Network",
    "activations",
    "check_grid",
    "describe",
    "input_spec",
    "loss_operations",
    "loss_weights",
    "operations",
    "parameters",
    "sizes",
    "training_extras",
]
