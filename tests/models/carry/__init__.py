"""A residual network of one layer on two states, three times of each forcing and static fields.

state + scale * gain * tanh(weight x + bias) at every point; loss = mean square error under the mask. `gain` (B,) is
given in training and 1 elsewhere.
"""

from harness.frozen import Frozen
from harness.models.domain import InputSpec


class Network(Frozen):
    """No hyperparameters."""


def input_spec(network):
    return InputSpec(history=2, forcing_offsets=(-1, 0, 1), residual=True)


def loss_weights(network, domain):
    return domain.mask.astype("float32")
