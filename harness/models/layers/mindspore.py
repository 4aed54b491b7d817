"""Dense layers, LayerNorm and GELU for MindSpore, composed from matrix products and elementwise operators.

Each carries its gradient in closed form. On CPU the primitives for LayerNorm and for sums over tokens, and the
gradients derived from a composition, take several times longer; sums over tokens are products with a row of ones.
Vectors are repeated by products with ones too: a broadcasting kernel keeps 16 bytes of indices for every value as long
as the graph lives, which at 0.25 degrees is more than a gigabyte a block.
"""

import math

import numpy as np
from mindspore import Parameter, Tensor, nn, ops


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


class LayerNormFunction(nn.Cell):
    """n * weight + bias with n = (x - mean) * rsqrt(variance + epsilon), over the last axis of (tokens, C)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.average = Tensor(np.full((width, 1), 1 / width, np.float32))
        self.along_width = Tensor(np.ones((1, width), np.float32))
        self.product, self.add = ops.MatMul(), ops.BiasAdd()

    def mean(self, x: Tensor) -> Tensor:
        """The mean of every token, repeated along its width: (tokens, C) to the same."""
        return self.product(self.product(x, self.average), self.along_width)

    def scale(self, centred: Tensor) -> Tensor:
        """rsqrt(variance + epsilon): (tokens, C) to (tokens, 1)."""
        return ops.rsqrt(self.product(ops.square(centred), self.average) + self.epsilon)

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(tokens, C) to the same."""
        centred = x - self.mean(x)
        return self.add(centred * self.product(self.scale(centred), weight.reshape(1, -1)), bias)

    def bprop(self, x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """With g = dout * weight: dx = scale * (g - mean(g) - n * mean(g * n)); the others are sums over tokens."""
        centred = x - self.mean(x)
        scale = self.product(self.scale(centred), self.along_width)
        n = centred * scale
        tokens = ops.ones((1, x.shape[0]), x.dtype)
        g = dout * self.product(tokens.reshape(-1, 1), weight.reshape(1, -1))
        dx = scale * (g - self.mean(g) - n * self.mean(g * n))
        dweight = self.product(tokens, dout * n).reshape(weight.shape)
        return dx, dweight, self.product(tokens, dout).reshape(bias.shape)


class LayerNorm(nn.Cell):
    """Normalisation over the last axis with scale and shift."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.bias = empty(width), empty(width)
        self.function = LayerNormFunction(width, epsilon)

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
