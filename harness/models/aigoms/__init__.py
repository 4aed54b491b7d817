"""AI-GOMS: the Fourier masked autoencoder of the ocean, arXiv 2308.03152, as in Ocean_AI_model's Masked_AE_Ocean.py."""

from harness.models.aigoms.config import (
    OPERATORS,
    Network,
    activations,
    check_grid,
    computed,
    describe,
    input_spec,
    loss_weights,
    parameters,
    sizes,
    training_extras,
)
from harness.models.aigoms.work import forward_flops, loss_operations, operations

__all__ = [
    "OPERATORS",
    "Network",
    "activations",
    "check_grid",
    "computed",
    "describe",
    "forward_flops",
    "input_spec",
    "loss_operations",
    "loss_weights",
    "operations",
    "parameters",
    "sizes",
    "training_extras",
]
