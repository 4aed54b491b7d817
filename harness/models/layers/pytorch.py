"""Layers that networks share in PyTorch: patches, Fourier mixing of tokens and the block around it.

Tokens run first, then the batch: (..., B, C). In that order a Fourier transform is a plain matrix product over
contiguous memory and no layer between the patch embedding and the head has to move data.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils.checkpoint import checkpoint

from harness.models.operators.pytorch import gelu, layer_norm, soft_shrink
from harness.models.operators.spectral import REAL_FORM


def recomputed(function: Callable[..., Any], *inputs: Any) -> Any:
    """What a function gives; what it computes on the way is computed anew in the backward pass, in the same formats.

    That is under the function modes of now, which PyTorch restores only for autocast. No network here draws random
    numbers, so that there is no state of a generator to keep.
    """
    modes = _get_current_function_mode_stack()
    contexts = {"context_fn": lambda: (nullcontext(), _within(modes))} if modes else {}
    return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False, **contexts)


@contextmanager
def _within(modes: Iterable[TorchFunctionMode]) -> Iterator[None]:
    with ExitStack() as entered:
        for mode in modes:
            entered.enter_context(mode)
        yield


class AFNO(nn.Module):
    """Token mixer with a skip: a two-layer complex MLP, block-diagonal over channels, on the modes of a transform.

    There is a transform for every number of tokens that may come.
    """

    kind = "spectral"
    real_form: Tensor

    def __init__(self, width: int, blocks: int, threshold: float, transforms: Mapping[int, nn.Module]) -> None:
        super().__init__()
        size = width // blocks
        self.blocks, self.size, self.threshold = blocks, size, threshold
        self.w1 = nn.Parameter(torch.empty(2, blocks, size, size))
        self.b1 = nn.Parameter(torch.empty(2, blocks, size))
        self.w2 = nn.Parameter(torch.empty(2, blocks, size, size))
        self.b2 = nn.Parameter(torch.empty(2, blocks, size))
        self.transforms = nn.ModuleDict({str(tokens): transform for tokens, transform in transforms.items()})
        self.register_buffer("real_form", torch.from_numpy(REAL_FORM), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, B, C) to the same; the transform and the MLP run in float32 at least, whatever the input."""
        transform = self.transforms[str(x.shape[:-2].numel())]
        modes = transform(x.to(torch.promote_types(x.dtype, torch.float32)))
        k, _, r, batch, width = modes.shape
        z = modes.reshape(k, 2, r, batch, self.blocks, self.size).permute(4, 0, 2, 3, 1, 5)
        z = z.reshape(self.blocks, k * r * batch, 2 * self.size)
        z = F.relu(torch.baddbmm(complex_bias(self.b1), z, complex_matrix(self.real_form, self.w1)))
        z = soft_shrink(
            torch.baddbmm(complex_bias(self.b2), z, complex_matrix(self.real_form, self.w2)), self.threshold
        )
        z = z.reshape(self.blocks, k, r, batch, 2, self.size).permute(1, 4, 2, 3, 0, 5)
        mixed = transform.inverse(z.reshape(k, 2, r, batch, width))
        return mixed.reshape(x.shape).to(x.dtype) + x


def complex_matrix(real_form: Tensor, w: Tensor) -> Tensor:
    """(2, blocks, in, out), real and imaginary, to the real (blocks, 2 in, 2 out) that acts on [real | imaginary]."""
    _, blocks, size, out = w.shape
    parts = (real_form @ w.reshape(2, -1)).reshape(2, 2, blocks, size, out)
    return parts.permute(2, 0, 3, 1, 4).reshape(blocks, 2 * size, 2 * out)


def complex_bias(b: Tensor) -> Tensor:
    """(2, blocks, out) to (blocks, 1, 2 out)."""
    return b.transpose(0, 1).reshape(b.shape[1], 1, -1)


class LayerNorm(nn.LayerNorm):
    """Normalisation over the last axis with scale and shift, by what serves it on the device."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__(width, eps=epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        return layer_norm(x, self.weight, self.bias, self.eps)


class MLP(nn.Module):
    """Two dense layers with the exact (erf) GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        return self.fc2(gelu(self.fc1(x)))


class Block(nn.Module):
    """Mixer and MLP, each after a LayerNorm and with a skip of its own (double skip)."""

    def __init__(self, mixer: AFNO, width: int, hidden: int, epsilon: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width, epsilon)
        self.filter = mixer
        self.norm2 = LayerNorm(width, epsilon)
        self.mlp = MLP(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, B, C) to the same."""
        x = x + self.filter(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """A convolution with kernel = stride = patch, as a matrix product over patches."""

    def __init__(self, channels: int, width: int, patch: int, *, columns_first: bool) -> None:
        super().__init__()
        self.patch, self.columns_first = patch, columns_first
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (h, w, B, C), or (w, h, B, C) with the columns first."""
        batch, channels, height, width = x.shape
        p = self.patch
        h, w = height // p, width // p
        first, second = (4, 2) if self.columns_first else (2, 4)
        x = x.reshape(batch, channels, h, p, w, p).permute(first, second, 0, 1, 3, 5)
        x = x.reshape(*x.shape[:2], batch, channels * p * p)
        return F.linear(x, self.proj.weight.reshape(self.proj.out_channels, -1), self.proj.bias)
