"""Layers for MindSpore, composed from matrix products and elementwise operators, and the block that networks share.

Tokens run first, then the batch, (tokens * B, C), and every product is 2-D or batched: on CPU anything wider falls back
to a broadcast.

Dense layers and GELU carry their gradients in closed form. On CPU the primitive for sums over tokens, and the gradients
derived from a composition, take several times longer; sums over tokens are products with a row of ones. Vectors are
repeated by products with ones too: a broadcasting kernel keeps 16 bytes of indices for every value as long as the graph
lives, which at 0.25 degrees is more than a gigabyte a block.

A Cell that multiplies by the weight of a dense layer or a convolution names the attributes that do, (x, weight) or
(x, weight, bias) to their product, as `products`, and what it is as `kind` (harness.frameworks.policy).
"""

import math
from collections.abc import Mapping

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from harness.models.operators.mindspore import layer_norm
from harness.models.operators.spectral import REAL_FORM


def empty(*shape: int) -> Parameter:
    """A parameter whose values are loaded later."""
    return Parameter(Tensor(np.zeros(shape, np.float32)))


class LinearFunction(nn.Cell):
    """x @ weight^T + bias for x (tokens, in), weight (out, in) and bias (out,)."""

    def __init__(self) -> None:
        super().__init__()
        self.product, self.product_of_transposed = ops.MatMul(), ops.MatMul(transpose_a=True)
        self.product_with_transposed, self.add = ops.MatMul(transpose_b=True), ops.BiasAdd()

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(tokens, in) to (tokens, out)."""
        return self.add(self.product_with_transposed(x, weight), bias)

    def bprop(self, x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """dout @ weight, dout^T @ x and the sum of dout over tokens."""
        ones = ops.ones((1, x.shape[0]), x.dtype)
        dbias = self.product(ones, dout).reshape(bias.shape)
        return self.product(dout, weight), self.product_of_transposed(dout, x), dbias


class Linear(nn.Cell):
    """A dense layer on (tokens, features) with the weight as (out, in)."""

    kind, products = "dense", ("matmul", "function")

    def __init__(self, features: int, out: int, *, has_bias: bool = True) -> None:
        super().__init__()
        self.weight = empty(out, features)
        self.bias = empty(out) if has_bias else None
        self.matmul, self.function = ops.MatMul(transpose_b=True), LinearFunction()

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, in) to (tokens, out)."""
        if self.bias is None:
            return self.matmul(x, self.weight)
        return self.function(x, self.weight, self.bias)


class BatchedLinearFunction(nn.Cell):
    """x @ weight + bias for x (blocks, tokens, in), weight (blocks, in, out) and bias (blocks, 1, out)."""

    def __init__(self) -> None:
        super().__init__()
        self.product, self.product_of_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_a=True)
        self.product_with_transposed = ops.BatchMatMul(transpose_b=True)

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(blocks, tokens, in) to (blocks, tokens, out)."""
        tokens = ops.ones((x.shape[0], x.shape[1], 1), x.dtype)
        return self.product(x, weight) + self.product(tokens, bias)

    def bprop(self, x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """dout @ weight^T, x^T @ dout and the sum of dout over tokens."""
        ones = ops.ones((x.shape[0], 1, x.shape[1]), x.dtype)
        dx = self.product_with_transposed(dout, weight)
        return dx, self.product_of_transposed(x, dout), self.product(ones, dout)


class LayerNorm(nn.Cell):
    """Normalisation over the last axis with scale and shift."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.bias = empty(width), empty(width)
        self.function = layer_norm(width, epsilon)

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, C) to the same."""
        return self.function(x, self.weight, self.bias)


class GELU(nn.Cell):
    """x * Phi(x) with the normal distribution function Phi from erf."""

    def construct(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        return x * (0.5 + 0.5 * ops.erf(x * math.sqrt(0.5)))

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """dout * (Phi(x) + x * phi(x)) with the normal density phi."""
        distribution = 0.5 + 0.5 * ops.erf(x * math.sqrt(0.5))
        density = ops.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        return (dout * (distribution + x * density),)


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
        self.linear, self.shrink = BatchedLinearFunction(), ops.SoftShrink(threshold)

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
        self.fc1, self.fc2, self.gelu = Linear(width, hidden), Linear(hidden, width), GELU()

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
        self.function = LinearFunction()

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
