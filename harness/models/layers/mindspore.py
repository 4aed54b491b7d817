"""Layers for MindSpore, composed from matrix products and elementwise operators, and the block that networks share.

Tokens run first, then the batch, (tokens * B, C), and every product is 2-D or batched: on CPU anything wider falls back
to a broadcast.

On a CPU dense layers and GELU carry their gradients in closed form (harness.models.operators): there the primitive for
sums over tokens, and the gradients derived from a composition, take several times longer; sums over tokens are products
with a row of ones. Vectors are repeated by products with ones too: a broadcasting kernel keeps 16 bytes of indices for
every value as long as the graph lives, which at 0.25 degrees is more than a gigabyte a block.

A Cell that multiplies by the weight of a dense layer or a convolution names the attributes that do, (x, weight) or
(x, weight, bias) to their product, as `products`, and what it is as `kind` (harness.frameworks.policy).
"""

from collections.abc import Mapping

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from harness.models.operators.mindspore import (
    NormOfCentred,
    batched_linear_function,
    gelu,
    layer_norm,
    linear_function,
    served_by,
    soft_shrink,
)
from harness.models.operators.spectral import REAL_FORM


def empty(*shape: int) -> Parameter:
    """A parameter whose values are loaded later."""
    return Parameter(Tensor(np.zeros(shape, np.float32)))


class Linear(nn.Cell):
    """A dense layer on (tokens, features) with the weight as (out, in)."""

    kind, products = "dense", ("matmul", "function")

    def __init__(self, features: int, out: int, *, has_bias: bool = True) -> None:
        super().__init__()
        self.weight = empty(out, features)
        self.bias = empty(out) if has_bias else None
        self.matmul, self.function = ops.MatMul(transpose_b=True), linear_function()

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, in) to (tokens, out)."""
        if self.bias is None:
            return self.matmul(x, self.weight)
        return self.function(x, self.weight, self.bias)


class LayerNorm(nn.Cell):
    """Normalisation over the last axis with scale and shift."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.bias = empty(width), empty(width)
        self.function = layer_norm(width, epsilon)

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, C) to the same."""
        return self.function(x, self.weight, self.bias)


class LayerNormOfDense(LayerNorm):
    """The same, which can take the dense layer before it along.

    Then the weight and bias of that layer are centred over its outputs in place of every row.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__(width, epsilon)
        self.centring = Tensor((np.eye(width) - 1 / width).astype(np.float32))
        self.product, self.dense, self.of_centred = ops.MatMul(), linear_function(), NormOfCentred(width, epsilon)

    def construct(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """(tokens, C) to the same; with the weight and bias of a dense layer (tokens, in) to (tokens, C)."""
        if weight is None or bias is None:
            return self.function(x, self.weight, self.bias)
        centred_bias = self.product(bias.reshape(1, -1), self.centring).reshape(bias.shape)
        rows = self.dense(x, self.product(self.centring, weight), centred_bias)
        return self.of_centred(rows, self.weight, self.bias)[0]


def layer_norm_of_dense(width: int, epsilon: float) -> LayerNorm:
    """A LayerNorm after a dense layer, which takes that along unless MindSpore's kernel normalises what it gives."""
    return (LayerNormOfDense if served_by("layer_norm") == "composed" else LayerNorm)(width, epsilon)


class AFNO(nn.Cell):
    """Token mixer with a skip: a two-layer complex MLP, block-diagonal over channels, on the modes of a transform.

    There is a transform for every number of tokens that may come.
    """

    kind = "spectral"

    def __init__(self, width: int, blocks: int, threshold: float, transforms: Mapping[int, nn.Cell]) -> None:
        super().__init__()
        size = width // blocks
        self.blocks, self.size = blocks, size
        self.w1, self.b1 = empty(2, blocks, size, size), empty(2, blocks, size)
        self.w2, self.b2 = empty(2, blocks, size, size), empty(2, blocks, size)
        self.transforms, self.index = nn.CellList(list(transforms.values())), {n: i for i, n in enumerate(transforms)}
        self.real_form = Tensor(REAL_FORM)
        self.linear, self.shrink = batched_linear_function(), soft_shrink(threshold)

    def construct(self, x: Tensor, batch: int) -> Tensor:
        """(tokens * B, C) to the same."""
        tokens, width = x.shape[0] // batch, x.shape[1]
        transform = self.transforms[self.index[tokens]]
        modes = transform(x.reshape(tokens, batch, width))
        k, _, r, _, _ = modes.shape
        z = modes.reshape(k, 2, r, batch, self.blocks, self.size).transpose(4, 0, 2, 3, 1, 5)
        z = z.reshape(self.blocks, k * r * batch, 2 * self.size)
        z = ops.relu(self.linear(z, complex_matrix(self.real_form, self.w1), complex_bias(self.b1)))
        z = self.shrink(self.linear(z, complex_matrix(self.real_form, self.w2), complex_bias(self.b2)))
        z = z.reshape(self.blocks, k, r, batch, 2, self.size).transpose(1, 4, 2, 3, 0, 5)
        return transform.inverse(z.reshape(k, 2, r, batch, width)).reshape(x.shape) + x


def complex_matrix(real_form: Tensor, w: Tensor) -> Tensor:
    """(2, blocks, in, out), real and imaginary, to the real (blocks, 2 in, 2 out) that acts on [real | imaginary]."""
    _, blocks, size, out = w.shape
    parts = ops.MatMul()(real_form, w.reshape(2, blocks * size * out)).reshape(2, 2, blocks, size, out)
    return parts.transpose(2, 0, 3, 1, 4).reshape(blocks, 2 * size, 2 * out)


def complex_bias(b: Tensor) -> Tensor:
    """(2, blocks, out) to (blocks, 1, 2 out)."""
    return b.transpose(1, 0, 2).reshape(b.shape[1], 1, 2 * b.shape[2])


class MLP(nn.Cell):
    """Two dense layers with the exact (erf) GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2, self.gelu = Linear(width, hidden), Linear(hidden, width), gelu()

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, C) to the same."""
        return self.fc2(self.gelu(self.fc1(x)))


class Block(nn.Cell):
    """Mixer and MLP, each after a LayerNorm and with a skip of its own (double skip)."""

    def __init__(self, mixer: AFNO, width: int, hidden: int, epsilon: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(width, epsilon), LayerNorm(width, epsilon)
        self.filter, self.mlp = mixer, MLP(width, hidden)

    def construct(self, x: Tensor, batch: int) -> Tensor:
        """(tokens * B, C) to the same."""
        x = x + self.filter(self.norm1(x), batch)
        return x + self.mlp(self.norm2(x))


class Convolution(nn.Cell):
    """Weight and bias of a convolution with kernel = stride = patch, applied to patches as a matrix product."""

    kind, products = "convolution", ("function",)

    def __init__(self, channels: int, out: int, patch: int) -> None:
        super().__init__()
        self.weight, self.bias = empty(out, channels, patch, patch), empty(out)
        self.out = out
        self.function = linear_function()

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, channels * patch * patch) to (tokens, out)."""
        return self.function(x, self.weight.reshape(self.out, -1), self.bias)


class PatchEmbed(nn.Cell):
    """A convolution with kernel = stride = patch, as a matrix product over patches."""

    def __init__(self, channels: int, width: int, patch: int, *, columns_first: bool) -> None:
        super().__init__()
        self.patch, self.columns_first = patch, columns_first
        self.proj = Convolution(channels, width, patch)

    def construct(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (h, w, B, C), or (w, h, B, C) with the columns first."""
        batch, channels, height, width = x.shape
        p = self.patch
        h, w = height // p, width // p
        x = x.reshape(batch, channels, h, p, w, p)
        x = x.transpose(4, 2, 0, 1, 3, 5) if self.columns_first else x.transpose(2, 4, 0, 1, 3, 5)
        first, second = x.shape[0], x.shape[1]
        return self.proj(x.reshape(first * second * batch, channels * p * p)).reshape(first, second, batch, -1)
