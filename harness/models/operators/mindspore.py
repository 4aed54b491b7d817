"""Operators that are not served alike everywhere, in MindSpore: native ones and those composed of others.

Composed: a Fourier transform of any length as products with the factors of its matrix, a sum of segments as gathering
and adding in a fixed order, and a LayerNorm of products with ones whose gradient is in closed form. Dense layers,
GELU and swish have composed forms for a CPU alone, where the gradients that MindSpore derives take longer.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from harness.models.operators.choices import Operator, serving
from harness.models.operators.spectral import TransformMatrices, factors, plane_matrices, sequence_matrices
from harness.scenario.execution import SegmentSum, Spectral


class MatrixTransform(nn.Cell):
    """A Fourier transform by matrix products over w columns, then h rows of tokens; K x R modes."""

    def __init__(self, matrices: TransformMatrices) -> None:
        super().__init__()
        self.w, self.k = matrices.columns.shape[1], matrices.columns.shape[0] // 2
        self.r, self.h = matrices.rows.shape[-2] // 2, matrices.rows.shape[-1] // 2
        self.columns, self.uncolumns = Tensor(matrices.columns), Tensor(matrices.uncolumns)
        self.rows = Tensor(np.broadcast_to(matrices.rows, (self.k, 2 * self.r, 2 * self.h)).copy())
        self.unrows = Tensor(np.broadcast_to(matrices.unrows, (self.k, 2 * self.h, 2 * self.r)).copy())
        self.matmul, self.bmm = ops.MatMul(), ops.BatchMatMul()

    def construct(self, x: Tensor) -> Tensor:
        """(w h, B, C) to (K, 2, R, B, C), real and imaginary part on the second axis."""
        batch, width = x.shape[1], x.shape[2]
        x = self.matmul(self.columns, x.reshape(self.w, self.h * batch * width))
        x = self.bmm(self.rows, x.reshape(self.k, 2 * self.h, batch * width))
        return x.reshape(self.k, 2, self.r, batch, width)

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, R, B, C) to (w h, B, C)."""
        batch, width = x.shape[3], x.shape[4]
        x = self.bmm(self.unrows, x.reshape(self.k, 2 * self.r, batch * width))
        x = self.matmul(self.uncolumns, x.reshape(2 * self.k, self.h * batch * width))
        return x.reshape(self.w * self.h, batch, width)


class FastPlaneTransform(nn.Cell):
    """The kept part of rfft2(norm="ortho") by MindSpore's FFT.

    Zeros are concatenated, not padded: the gradient of ops.pad is wrong from the second call of a compiled graph on.
    """

    def __init__(self, token_grid: tuple[int, int], kept_rows: range, kept_columns: range) -> None:
        super().__init__()
        self.h, self.w = token_grid
        self.first, self.last = kept_rows.start, kept_rows.stop
        self.k = len(kept_columns)
        self.complex = ops.Complex()

    def construct(self, x: Tensor) -> Tensor:
        """(w h, B, C) to (K, 2, R, B, C), real and imaginary part on the second axis."""
        x = x.reshape(self.w, self.h, x.shape[1], x.shape[2])
        spectrum = ops.rfft2(x, dim=(1, 0), norm="ortho")[: self.k, self.first : self.last]
        return ops.stack((ops.real(spectrum), ops.imag(spectrum)), axis=1)

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, R, B, C) to (w, h, B, C)."""
        batch, width = x.shape[3], x.shape[4]
        above = ops.zeros((self.k, 2, self.first, batch, width))
        below = ops.zeros((self.k, 2, self.h - self.last, batch, width))
        cut = ops.zeros((self.w // 2 + 1 - self.k, 2, self.h, batch, width))
        x = ops.concat((ops.concat((above, x, below), 2), cut), 0)
        return ops.irfft2(self.complex(x[:, 0], x[:, 1]), s=(self.h, self.w), dim=(1, 0), norm="ortho")


class FastSequenceTransform(nn.Cell):
    """rfft(norm="ortho") along a sequence by MindSpore's FFT."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.complex = ops.Complex()

    def construct(self, x: Tensor) -> Tensor:
        """(N, B, C) to (K, 2, 1, B, C), real and imaginary part on the second axis."""
        spectrum = ops.rfft(x, dim=0, norm="ortho")
        modes = ops.stack((ops.real(spectrum), ops.imag(spectrum)), axis=1)
        return modes.reshape(self.tokens // 2 + 1, 2, 1, x.shape[1], x.shape[2])

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, 1, B, C) to (N, B, C)."""
        return ops.irfft(self.complex(x[:, 0, 0], x[:, 1, 0]), n=self.tokens, dim=0, norm="ortho")


class NativeSegments(nn.Cell):
    """The sum of the rows with equal index, with gathering as its gradient: the one of the operator is far slower."""

    def __init__(self, segments: NDArray[np.int32], count: int) -> None:
        super().__init__()
        self.segments, self.count = Tensor(segments), count

    def construct(self, x: Tensor) -> Tensor:
        """(E, C) to (count, C)."""
        return ops.unsorted_segment_sum(x, self.segments, self.count)

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """(count, C) to (E, C)."""
        return (ops.gather(dout, self.segments, 0),)


class GatheredSegments(nn.Cell):
    """The same from gathering alone: the first row of every segment, the second and so on, with a row of zeros between.

    It takes as many gatherings as the largest segment has rows, and needs no operator that adds to places.
    """

    def __init__(self, segments: NDArray[np.int32], count: int) -> None:
        super().__init__()
        order = np.argsort(segments, kind="stable")
        sizes = np.bincount(segments, minlength=count)
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        places = first[:, None] + np.arange(sizes.max(initial=1))
        inside = np.arange(sizes.max(initial=1)) < sizes[:, None]
        rows = np.where(inside, np.append(order, 0)[np.minimum(places, len(order))], len(segments)).astype(np.int32)
        self.turns = [Tensor(np.ascontiguousarray(column)) for column in rows.T]
        self.segments = Tensor(segments)

    def construct(self, x: Tensor) -> Tensor:
        """(E, C) to (count, C)."""
        x = ops.concat((x, ops.zeros((1, x.shape[1]), x.dtype)), 0)
        total = ops.gather(x, self.turns[0], 0)
        for turn in self.turns[1:]:
            total = total + ops.gather(x, turn, 0)
        return total

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """(count, C) to (E, C)."""
        return (ops.gather(dout, self.segments, 0),)


class NativeLayerNorm(nn.Cell):
    """LayerNorm over the last axis of (tokens, C) by MindSpore's kernel."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.kernel = ops.LayerNorm(begin_norm_axis=1, begin_params_axis=1, epsilon=epsilon)

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(tokens, C) to the same."""
        y, _, _ = self.kernel(x, weight, bias)
        return y


class Centred(nn.Cell):
    """Rows less their mean, by products with a thin matrix, so that few kernels go over whole fields."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.average = Tensor(np.full((width, 1), 1 / width, np.float32))
        self.along_width, self.product = Tensor(np.ones((1, width), np.float32)), ops.MatMul()

    def construct(self, x: Tensor) -> Tensor:
        """(rows, C) to the same."""
        return x - self.product(self.product(x, self.average), self.along_width)

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """The same of dout."""
        return (dout - self.product(self.product(dout, self.average), self.along_width),)


class NormOfCentred(nn.Cell):
    """x * scale * weight + bias with scale = rsqrt(mean(x^2) + epsilon), for rows x (tokens, C) whose mean is 0.

    Sums over tokens and over their width are products with a thin matrix, and a value of every token is repeated along
    its width by one.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon, self.share = epsilon, 1 / width
        self.average = Tensor(np.full((width, 1), 1 / width, np.float32))
        self.along_width = Tensor(np.ones((1, width), np.float32))
        self.product, self.add = ops.MatMul(), ops.BiasAdd()
        self.of_transposed, self.with_transposed = ops.MatMul(transpose_a=True), ops.MatMul(transpose_b=True)

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """(tokens, C) to the result (tokens, C) and the scale (tokens, 1), which is kept for the gradient alone."""
        scale = ops.rsqrt(self.product(ops.square(x), self.average) + self.epsilon)
        return self.add(x * self.product(scale, weight.reshape(1, -1)), bias), scale

    def bprop(
        self, x: Tensor, weight: Tensor, bias: Tensor, out: tuple[Tensor, Tensor], dout: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, ...]:
        """With g = dy * weight: dx = scale * g - x * scale^3 * mean(g * x); the others are sums over tokens."""
        scale, dy = out[1], dout[0]
        row, slopes = weight.reshape(1, -1), dy * x
        along = scale * scale * scale * self.with_transposed(slopes, row * self.share)
        dx = dy * self.product(scale, row) - x * self.product(along, self.along_width)
        dweight = self.of_transposed(scale, slopes).reshape(weight.shape)
        dbias = self.product(ops.ones((1, dy.shape[0]), dy.dtype), dy).reshape(bias.shape)
        return dx, dweight, dbias


class ComposedLayerNorm(nn.Cell):
    """LayerNorm over the last axis of (tokens, C)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.centred, self.norm = Centred(width), NormOfCentred(width, epsilon)

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(tokens, C) to the same."""
        return self.norm(self.centred(x), weight, bias)[0]


class NativeGELU(nn.Cell):
    """The exact GELU by MindSpore, with the gradient that it derives."""

    def construct(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        return ops.gelu(x, approximate="none")


class ComposedGELU(nn.Cell):
    """x * Phi(x) with the normal distribution function Phi from erf."""

    def construct(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        return x * (0.5 + 0.5 * ops.erf(x * math.sqrt(0.5)))

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """dout * (Phi(x) + x * phi(x)) with the normal density phi."""
        distribution = 0.5 + 0.5 * ops.erf(x * math.sqrt(0.5))
        density = ops.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        return (dout * (distribution + x * density),)


def composed_swish(x: Tensor) -> Tensor:
    """x * sigmoid(x), whose gradient takes the sigmoid that is there: the one of ops.silu computes it anew."""
    return x * ops.sigmoid(x)


class ComposedSoftShrink(nn.Cell):
    """What of x lies beyond the threshold on either side, by two rectifiers."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def construct(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        return ops.relu(x - self.threshold) - ops.relu(-x - self.threshold)


class LinearFunction(nn.Cell):
    """x @ weight^T + bias for x (tokens, in), weight (out, in) and bias (out,), with the gradients of MindSpore."""

    def __init__(self) -> None:
        super().__init__()
        self.product, self.product_of_transposed = ops.MatMul(), ops.MatMul(transpose_a=True)
        self.product_with_transposed, self.add = ops.MatMul(transpose_b=True), ops.BiasAdd()

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(tokens, in) to (tokens, out)."""
        return self.add(self.product_with_transposed(x, weight), bias)


class ComposedLinearFunction(LinearFunction):
    """The same with its gradients in closed form."""

    def bprop(self, x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """dout @ weight, dout^T @ x and the sum of dout over tokens."""
        ones = ops.ones((1, x.shape[0]), x.dtype)
        dbias = self.product(ones, dout).reshape(bias.shape)
        return self.product(dout, weight), self.product_of_transposed(dout, x), dbias


class BatchedLinearFunction(nn.Cell):
    """x @ weight + bias for x (blocks, tokens, in), weight (blocks, in, out) and bias (blocks, 1, out).

    Gradients are those of MindSpore.
    """

    def __init__(self) -> None:
        super().__init__()
        self.product, self.product_of_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_a=True)
        self.product_with_transposed = ops.BatchMatMul(transpose_b=True)

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(blocks, tokens, in) to (blocks, tokens, out)."""
        return self.product(x, weight) + bias


class ComposedBatchedLinearFunction(BatchedLinearFunction):
    """The same with biases repeated by a product with ones, and gradients in closed form."""

    def construct(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(blocks, tokens, in) to (blocks, tokens, out)."""
        tokens = ops.ones((x.shape[0], x.shape[1], 1), x.dtype)
        return self.product(x, weight) + self.product(tokens, bias)

    def bprop(self, x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """dout @ weight^T, x^T @ dout and the sum of dout over tokens."""
        ones = ops.ones((x.shape[0], 1, x.shape[1]), x.dtype)
        dx = self.product_with_transposed(dout, weight)
        return dx, self.product_of_transposed(x, dout), self.product(ones, dout)


PLANE_TRANSFORMS: Mapping[str, Callable[[tuple[int, int], range, range], nn.Cell]] = {
    "dft": lambda token_grid, rows, columns: MatrixTransform(plane_matrices(token_grid, rows, columns)),
    "fft": FastPlaneTransform,
}
SEQUENCE_TRANSFORMS: Mapping[str, Callable[[int], nn.Cell]] = {
    "dft": lambda tokens: MatrixTransform(sequence_matrices(*factors(tokens))),
    "fft": FastSequenceTransform,
}
SEGMENT_SUMS: Mapping[str, Callable[[NDArray[np.int32], int], nn.Cell]] = {
    "native": NativeSegments,
    "gathered": GatheredSegments,
}
LAYER_NORMS: Mapping[str, Callable[[int, float], nn.Cell]] = {
    "native": NativeLayerNorm,
    "composed": ComposedLayerNorm,
}
GELUS: Mapping[str, Callable[[], nn.Cell]] = {"native": NativeGELU, "composed": ComposedGELU}
SWISHES: Mapping[str, Callable[[Tensor], Tensor]] = {"native": ops.silu, "composed": composed_swish}
SOFT_SHRINKS: Mapping[str, Callable[[float], Any]] = {"native": ops.SoftShrink, "composed": ComposedSoftShrink}
LINEAR_FUNCTIONS: Mapping[str, Callable[[], LinearFunction]] = {
    "native": LinearFunction,
    "composed": ComposedLinearFunction,
}
BATCHED_LINEAR_FUNCTIONS: Mapping[str, Callable[[], BatchedLinearFunction]] = {
    "native": BatchedLinearFunction,
    "composed": ComposedBatchedLinearFunction,
}


def plane_transform(spectral: Spectral, token_grid: tuple[int, int], rows: range, columns: range) -> nn.Cell:
    """rfft2(norm="ortho") over h rows and w columns of tokens: its kept rows and columns, and back."""
    return PLANE_TRANSFORMS[_serving("spectral", spectral)](token_grid, rows, columns)


def sequence_transform(spectral: Spectral, tokens: int) -> nn.Cell:
    """rfft(norm="ortho") along a sequence of tokens, and back."""
    return SEQUENCE_TRANSFORMS[_serving("spectral", spectral)](tokens)


def segment_sum(segment_sum: SegmentSum, segments: NDArray[np.int32], count: int) -> nn.Cell:
    """The sum of the rows of each of `count` segments, given the segment (E,) of every row."""
    return SEGMENT_SUMS[_serving("segment_sum", segment_sum)](segments, count)


def layer_norm(width: int, epsilon: float) -> nn.Cell:
    """The normalisation of (tokens, width) along its width, given weight and bias (width,)."""
    return LAYER_NORMS[served_by("layer_norm")](width, epsilon)


def gelu() -> nn.Cell:
    """The exact GELU, by erf: any shape to the same."""
    return GELUS[served_by("gelu")]()


def swish() -> Callable[[Tensor], Tensor]:
    """x * sigmoid(x): any shape to the same."""
    return SWISHES[served_by("dense")]


def soft_shrink(threshold: float) -> Any:
    """Values moved towards 0 by a threshold, 0 where they lie within it: any shape to the same."""
    return SOFT_SHRINKS[served_by("soft_shrink")](threshold)


def linear_function() -> LinearFunction:
    """x @ weight^T + bias for x (tokens, in), weight (out, in) and bias (out,)."""
    return LINEAR_FUNCTIONS[served_by("dense")]()


def batched_linear_function() -> BatchedLinearFunction:
    """x @ weight + bias for x (blocks, tokens, in), weight (blocks, in, out) and bias (blocks, 1, out)."""
    return BATCHED_LINEAR_FUNCTIONS[served_by("dense")]()


def served_by(operator: Operator) -> str:
    """What serves an operator on the device of this process."""
    return _serving(operator, "auto")


def _serving(operator: Operator, wanted: str) -> str:
    return serving(operator, wanted, "mindspore", ms.get_context("device_target"))
