"""Operators that are not served alike everywhere, in PyTorch: native ones and those composed of matrix products."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.operators.choices import CHOICES, Operator, serving
from harness.models.operators.spectral import TransformMatrices, factors, plane_matrices, sequence_matrices
from harness.scenario.execution import Spectral


class MatrixTransform(nn.Module):
    """A Fourier transform by matrix products over w columns, then h rows of tokens; K x R modes."""

    columns: Tensor
    rows: Tensor
    unrows: Tensor
    uncolumns: Tensor

    def __init__(self, matrices: TransformMatrices) -> None:
        super().__init__()
        for name, matrix in matrices._asdict().items():
            self.register_buffer(name, torch.from_numpy(matrix), persistent=False)
        self.h = matrices.rows.shape[-1] // 2

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, B, C) to (K, 2, R, B, C), real and imaginary part on the second axis.

        The tokens may lie on several axes.
        """
        batch, width = x.shape[-2:]
        x = (self.columns @ x.reshape(self.columns.shape[1], -1)).reshape(-1, 2 * self.h, batch * width)
        return (self.rows @ x).reshape(x.shape[0], 2, -1, batch, width)

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, R, B, C) to (w, h, B, C)."""
        k, _, r, batch, width = x.shape
        x = self.unrows @ x.reshape(k, 2 * r, batch * width)
        x = self.uncolumns @ x.reshape(2 * k, -1)
        return x.reshape(x.shape[0], -1, batch, width)


class FastPlaneTransform(nn.Module):
    """The kept part of rfft2(norm="ortho") by torch.fft."""

    def __init__(self, token_grid: tuple[int, int], kept_rows: range, kept_columns: range) -> None:
        super().__init__()
        self.h, self.w = token_grid
        self.kept_rows, self.kept_columns = kept_rows, kept_columns

    def forward(self, x: Tensor) -> Tensor:
        """(w, h, B, C) to (K, 2, R, B, C), real and imaginary part on the second axis."""
        spectrum = torch.fft.rfft2(x, dim=(1, 0), norm="ortho")
        rows = slice(self.kept_rows.start, self.kept_rows.stop)
        return torch.view_as_real(spectrum[: len(self.kept_columns), rows]).permute(0, 4, 1, 2, 3)

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, R, B, C) to (w, h, B, C)."""
        spectrum = torch.view_as_complex(x.permute(0, 2, 3, 4, 1).contiguous())
        above, below = self.kept_rows.start, self.h - self.kept_rows.stop
        spectrum = F.pad(spectrum, (0, 0, 0, 0, above, below, 0, self.w // 2 + 1 - len(self.kept_columns)))
        return torch.fft.irfft2(spectrum, s=(self.h, self.w), dim=(1, 0), norm="ortho")


class FastSequenceTransform(nn.Module):
    """rfft(norm="ortho") along a sequence by torch.fft."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, x: Tensor) -> Tensor:
        """(N, B, C) to (K, 2, 1, B, C), real and imaginary part on the second axis."""
        spectrum = torch.fft.rfft(x, dim=0, norm="ortho")
        return torch.view_as_real(spectrum).permute(0, 3, 1, 2)[:, :, None]

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, 1, B, C) to (N, B, C)."""
        spectrum = torch.view_as_complex(x[:, :, 0].permute(0, 2, 3, 1).contiguous())
        return torch.fft.irfft(spectrum, n=self.tokens, dim=0, norm="ortho")


PLANE_TRANSFORMS: Mapping[str, Callable[[tuple[int, int], range, range], nn.Module]] = {
    "dft": lambda token_grid, rows, columns: MatrixTransform(plane_matrices(token_grid, rows, columns)),
    "fft": FastPlaneTransform,
}
SEQUENCE_TRANSFORMS: Mapping[str, Callable[[int], nn.Module]] = {
    "dft": lambda tokens: MatrixTransform(sequence_matrices(*factors(tokens))),
    "fft": FastSequenceTransform,
}


def plane_transform(spectral: Spectral, token_grid: tuple[int, int], rows: range, columns: range) -> nn.Module:
    """rfft2(norm="ortho") over h rows and w columns of tokens: its kept rows and columns, and back."""
    return PLANE_TRANSFORMS[_serving(spectral)](token_grid, rows, columns)


def sequence_transform(spectral: Spectral, tokens: int) -> nn.Module:
    """rfft(norm="ortho") along a sequence of tokens, and back."""
    return SEQUENCE_TRANSFORMS[_serving(spectral)](tokens)


def add_segments(rows: Tensor, segments: Tensor, count: int) -> Tensor:
    """The sum of the rows (E, ...) of each segment: (count, ...); `segments` (E,) names the one of each row."""
    return rows.new_zeros(count, *rows.shape[1:]).index_add_(0, segments, rows)


class ComposedGELU(torch.autograd.Function):
    """x * Phi(x) with the normal distribution function Phi from erf; only x is kept for the gradient.

    Lower formats are computed in float32 and rounded once, as PyTorch's own kernels do.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Any shape to the same."""
        ctx.save_for_backward(x)
        wide = _wide(x)
        return (wide * 0.5 * (1 + torch.erf(wide * math.sqrt(0.5)))).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        """slope * (Phi(x) + x * phi(x)) with the normal density phi."""
        (x,) = ctx.saved_tensors
        wide = _wide(x)
        distribution = 0.5 * (1 + torch.erf(wide * math.sqrt(0.5)))
        density = torch.exp(wide * wide * -0.5) * (1 / math.sqrt(2 * math.pi))
        return (slope * (distribution + wide * density)).to(x.dtype)


def composed_soft_shrink(x: Tensor, threshold: float) -> Tensor:
    """What of x lies beyond the threshold on either side, by two rectifiers."""
    return F.relu(x - threshold) - F.relu(-x - threshold)


def composed_layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """(x - mean) * rsqrt(variance + epsilon) * weight + bias over the last axis."""
    wide = _wide(x)
    centred = wide - wide.mean(-1, keepdim=True)
    normalised = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + epsilon)
    return (normalised * weight + bias).to(x.dtype)


def _wide(x: Tensor) -> Tensor:
    """The same in float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


NATIVE_OR_COMPOSED: tuple[Operator, ...] = ("gelu", "soft_shrink", "layer_norm")

COMPOSED: Mapping[Operator, frozenset[str]] = {
    name: frozenset(
        device
        for (framework, device), choice in CHOICES.items()
        if framework == "pytorch" and getattr(choice, name) == "composed"
    )
    for name in NATIVE_OR_COMPOSED
}
"""Devices on which an operator is composed, by PyTorch's names."""


def gelu(x: Tensor) -> Tensor:
    """The exact GELU, by erf: any shape to the same."""
    if x.device.type in COMPOSED["gelu"]:
        found: Tensor = ComposedGELU.apply(x)
        return found
    return F.gelu(x)


def soft_shrink(x: Tensor, threshold: float) -> Tensor:
    """Values moved towards 0 by a threshold, 0 where they lie within it: any shape to the same."""
    return (composed_soft_shrink if x.device.type in COMPOSED["soft_shrink"] else F.softshrink)(x, threshold)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """The normalisation of x (..., C) along its last axis, given weight and bias (C,)."""
    if x.device.type in COMPOSED["layer_norm"]:
        return composed_layer_norm(x, weight, bias, epsilon)
    return F.layer_norm(x, x.shape[-1:], weight, bias, epsilon)


def _serving(spectral: Spectral) -> str:
    return serving("spectral", spectral, "pytorch", device_of_build())


def device_of_build() -> str:
    """The kind of device on which a network is being made, asked of a tensor that is made there.

    Before PyTorch 2.8 `torch.get_default_device` says nothing of the device of a `with` block.
    """
    return torch.empty(0).device.type
