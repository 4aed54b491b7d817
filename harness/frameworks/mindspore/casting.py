"""Runs a network with the kinds of layers that the policy names in a lower format, whatever the network.

Cells are told by what they say of themselves (`kind` and `products`, see harness.models.layers.mindspore) or by their
class, and what multiplies in them is exchanged for a Cell that casts. Weights stay where and what they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn, ops

from harness.frameworks.policy import IN_LOW_FORMAT, Format, Kind, is_native, low_format
from harness.models.operators.mindspore import LinearFunction
from harness.scenario.execution import Autocast

TYPES: Mapping[Format, Any] = {"bf16": ms.bfloat16, "fp16": ms.float16}

KNOWN: Mapping[type[nn.Cell], tuple[Kind, tuple[str, ...]]] = {
    nn.Dense: ("dense", ("matmul",)),
    nn.Conv1d: ("convolution", ("conv2d",)),
    nn.Conv2d: ("convolution", ("conv2d",)),
    nn.Conv3d: ("convolution", ("conv3d",)),
    nn.Conv1dTranspose: ("convolution", ("conv2d_transpose",)),
    nn.Conv2dTranspose: ("convolution", ("conv2d_transpose",)),
    nn.Conv3dTranspose: ("convolution", ("conv3d_transpose",)),
}
"""Kind and products of MindSpore's own layers."""


class LowProduct(nn.Cell):
    """A product of float32 values in a lower type, with a float32 result."""

    def __init__(self, product: Any, low: Any) -> None:
        super().__init__()
        self.product, self.low = product, low

    def construct(self, x: Tensor, weight: Tensor, *others: Any) -> Tensor:
        """x and weight as the product takes them."""
        return ops.cast(self.product(ops.cast(x, self.low), ops.cast(weight, self.low), *others), ms.float32)


class LowFunction(LinearFunction):
    """float32(x @ weight^T) + bias: x (tokens, in) and weight (out, in) in a lower type, bias (out,) in float32."""

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(tokens, in) to (tokens, out) in float32."""
        return self.add(ops.cast(self.product_with_transposed(x, weight), ms.float32), bias)

    def bprop(self, x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """The products in the lower type, the sum of dout over tokens in float32."""
        low = ops.cast(dout, x.dtype)
        dbias = self.product(ops.ones((1, x.shape[0]), dout.dtype), dout).reshape(bias.shape)
        return self.product(low, weight), self.product_of_transposed(low, x), dbias


class LowLinearFunction(nn.Cell):
    """A LinearFunction with its products in a lower type."""

    def __init__(self, low: Any) -> None:
        super().__init__()
        self.function, self.low = LowFunction(), low

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(tokens, in) to (tokens, out), all in float32."""
        return self.function(ops.cast(x, self.low), ops.cast(weight, self.low), bias)


class Widened(nn.Cell):
    """A network whose result is float32, whatever it computes in."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, *inputs: Tensor) -> Tensor:
        """What the network takes."""
        return ops.cast(self.network(*inputs), ms.float32)


def cast(network: nn.Cell, autocast: Autocast) -> tuple[nn.Cell, tuple[str, ...] | None]:
    """The network as the policy runs it, and the names of the layers that run low.

    None instead of names where MindSpore's own lists decide. The network that is given is changed.
    """
    low = low_format(autocast)
    if low is None:
        return network, ()
    if is_native(autocast):
        return Widened(ms.amp.auto_mixed_precision(network, "auto", TYPES[low])), None
    found = {id(cell): (cell, products) for cell, products in _low_cells(network)}.values()
    for cell, products in found:
        for name in products:
            product = getattr(cell, name)
            delattr(cell, name)
            is_function = isinstance(product, LinearFunction)
            setattr(cell, name, LowLinearFunction(TYPES[low]) if is_function else LowProduct(product, TYPES[low]))
    weights = (getattr(cell, "weight", None) for cell, _ in found)
    return network, tuple(sorted(weight.name.rpartition(".")[0] for weight in weights if weight is not None))


def _low_cells(cell: nn.Cell) -> Iterator[tuple[nn.Cell, tuple[str, ...]]]:
    """Every Cell with products that run low, and the attributes that hold them; none inside a float32 kind."""
    kind, products = _told(cell)
    if kind is not None and not IN_LOW_FORMAT[kind]:
        return
    if products:
        yield cell, products
    for child in cell.name_cells().values():
        yield from _low_cells(child)


def _told(cell: nn.Cell) -> tuple[Kind | None, tuple[str, ...]]:
    """What a Cell says of itself, or what its class tells."""
    known = next((told for kind, told in KNOWN.items() if isinstance(cell, kind)), (None, ()))
    return getattr(cell, "kind", known[0]), getattr(cell, "products", known[1])
