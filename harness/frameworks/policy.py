"""What runs in a lower format of numbers and what stays in float32, the same in every framework.

`precision.autocast: bf16` or `fp16` is a policy by kinds of layers. Of a dense layer or a convolution

    y = float32(low(low(x) low(W))) + b

with low() rounding to the format: the product takes rounded operands, adds up in float32 or wider and rounds its
result; the bias, its gradient and all that follows are float32. The gradients by x and W are products of the same kind,
rounded and then widened. Weights stay float32: their gradients reach the optimiser as float32, and it updates them and
its states in float32. Attention has its queries, keys, values and results in the low format as a whole.

`native-*` leaves the choice to the framework's own lists of operators, which differ.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from harness.frozen import Frozen
from harness.scenario.execution import Autocast

Kind = Literal[
    "dense",
    "convolution",
    "attention",
    "spectral",
    "normalisation",
    "activation",
    "shrinkage",
    "aggregation",
    "position",
    "loss",
    "optimiser",
]
Format = Literal["bf16", "fp16"]

IN_LOW_FORMAT: Mapping[Kind, bool] = {
    "dense": True,
    "convolution": True,
    "attention": True,
    "spectral": False,
    "normalisation": False,
    "activation": False,
    "shrinkage": False,
    "aggregation": False,
    "position": False,
    "loss": False,
    "optimiser": False,
}
"""Kinds of layers, and whether their products run in the low format.

Spectral are a Fourier transform and the MLP on its modes, aggregation is the sum of messages. A layer says its `kind`
where the framework's function or cell does not tell it; all inside a layer of a float32 kind stays float32.
"""


class NumberFormat(NamedTuple):
    """`bits` of the significand, the leading one counted, and the largest finite value."""

    bits: int
    largest: float

    @property
    def rounding(self) -> float:
        """Half a unit in the last place of 1: the largest relative error of rounding a normal number."""
        return float(2.0**-self.bits)


FORMATS: Mapping[Format, NumberFormat] = {
    "bf16": NumberFormat(bits=8, largest=(2 - 2.0**-7) * 2.0**127),
    "fp16": NumberFormat(bits=11, largest=65504.0),
}


class LossScaling(Frozen):
    """Dynamic scaling of the loss, so that gradients in float16 are neither lost below it nor beyond it.

    A step whose gradients are not all finite is skipped: weights, moments and the optimiser's count of updates stay as
    they are, the scale is multiplied by `backoff`, and the step has used up its learning rate. After `interval` steps
    in a row that were not skipped, the scale is multiplied by `growth`. The scale goes on from stage to stage.
    """

    initial: float = 2.0**16
    growth: float = 2.0
    backoff: float = 0.5
    interval: int = 2000


LOSS_SCALING = LossScaling()


def low_format(autocast: Autocast) -> Format | None:
    """The format that part of a network runs in; None where all of it is float32."""
    formats: Mapping[Autocast, Format] = {"bf16": "bf16", "fp16": "fp16", "native-bf16": "bf16", "native-fp16": "fp16"}
    return formats.get(autocast)


def is_native(autocast: Autocast) -> bool:
    """Whether the framework's own lists decide what runs in it."""
    return autocast.startswith("native-")


def scales_loss(autocast: Autocast) -> bool:
    """Whether the format needs a scaled loss: float16, whose smallest normal number is 6e-5."""
    return low_format(autocast) == "fp16"
