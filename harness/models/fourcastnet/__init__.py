"""FourCastNet: the adaptive Fourier neural operator (AFNO) of arXiv 2202.11214, as in NVlabs/FourCastNet afnonet.py."""

from harness.models.fourcastnet.config import (
    OPERATORS,
    Network,
    activations,
    check_grid,
    describe,
    input_spec,
    loss_weights,
    parameters,
    sizes,
    training_extras,
)
from harness.models.fourcastnet.work import loss_operations, operations

__all__ = [
    "OPERATORS",
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
