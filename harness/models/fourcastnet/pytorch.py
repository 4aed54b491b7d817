"""FourCastNet in PyTorch.

Tokens run first, columns before rows: (w, h, B, C). In that order both Fourier axes are plain matrix products over
contiguous memory and no layer between the patch embedding and the head has to move data.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.domain import Domain
from harness.models.fourcastnet.config import LAYER_NORM_EPSILON, Network
from harness.models.fourcastnet.spectral import REAL_FORM, transform_matrices


class MatrixTransform(nn.Module):
    """The kept part of rfft2(norm="ortho") by matrix products."""

    columns: Tensor
    rows: Tensor
    unrows: Tensor
    uncolumns: Tensor

    def __init__(self, token_grid: tuple[int, int], kept_rows: range, kept_columns: range) -> None:
        super().__init__()
        matrices = transform_matrices(token_grid, kept_rows, kept_columns)
        for name, matrix in matrices._asdict().items():
            self.register_buffer(name, torch.from_numpy(matrix), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(w, h, B, C) to (K, 2, R, B, C), real and imaginary part on the second axis."""
        w, h, batch, width = x.shape
        x = (self.columns @ x.reshape(w, -1)).reshape(-1, 2 * h, batch * width)
        return (self.rows @ x).reshape(x.shape[0], 2, -1, batch, width)

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, R, B, C) to (w, h, B, C)."""
        k, _, r, batch, width = x.shape
        x = self.unrows @ x.reshape(k, 2 * r, batch * width)
        x = self.uncolumns @ x.reshape(2 * k, -1)
        return x.reshape(x.shape[0], -1, batch, width)


class FastTransform(nn.Module):
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


TRANSFORMS: dict[str, type[MatrixTransform] | type[FastTransform]] = {"dft": MatrixTransform, "fft": FastTransform}


class AFNO2D(nn.Module):
    """Token mixer with a skip: a two-layer complex MLP, block-diagonal over channels, on the kept Fourier modes."""

    real_form: Tensor

    def __init__(self, network: Network, grid: tuple[int, int]) -> None:
        super().__init__()
        blocks, size = network.num_blocks, network.embed_dim // network.num_blocks
        self.blocks, self.size, self.threshold = blocks, size, network.sparsity_threshold
        self.w1 = nn.Parameter(torch.empty(2, blocks, size, size))
        self.b1 = nn.Parameter(torch.empty(2, blocks, size))
        self.w2 = nn.Parameter(torch.empty(2, blocks, size, size))
        self.b2 = nn.Parameter(torch.empty(2, blocks, size))
        self.transform = TRANSFORMS[network.spectral](network.token_grid(grid), *network.kept_modes(grid))
        self.register_buffer("real_form", torch.from_numpy(REAL_FORM), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(w, h, B, C) to the same; the transform and the MLP run in float32 whatever the input."""
        modes = self.transform(x.float())
        k, _, r, batch, width = modes.shape
        z = modes.reshape(k, 2, r, batch, self.blocks, self.size).permute(4, 0, 2, 3, 1, 5)
        z = z.reshape(self.blocks, k * r * batch, 2 * self.size)
        z = F.relu(torch.baddbmm(complex_bias(self.b1), z, complex_matrix(self.real_form, self.w1)))
        z = F.softshrink(
            torch.baddbmm(complex_bias(self.b2), z, complex_matrix(self.real_form, self.w2)), self.threshold
        )
        z = z.reshape(self.blocks, k, r, batch, 2, self.size).permute(1, 4, 2, 3, 0, 5)
        return self.transform.inverse(z.reshape(k, 2, r, batch, width)).to(x.dtype) + x


def complex_matrix(real_form: Tensor, w: Tensor) -> Tensor:
    """(2, blocks, in, out), real and imaginary, to the real (blocks, 2 in, 2 out) that acts on [real | imaginary]."""
    _, blocks, size, out = w.shape
    parts = (real_form @ w.reshape(2, -1)).reshape(2, 2, blocks, size, out)
    return parts.permute(2, 0, 3, 1, 4).reshape(blocks, 2 * size, 2 * out)


def complex_bias(b: Tensor) -> Tensor:
    """(2, blocks, out) to (blocks, 1, 2 out)."""
    return b.transpose(0, 1).reshape(b.shape[1], 1, -1)


class MLP(nn.Module):
    """Two dense layers with the exact (erf) GELU between."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.fc1 = nn.Linear(network.embed_dim, network.mlp_dim)
        self.fc2 = nn.Linear(network.mlp_dim, network.embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Mixer and MLP, each after a LayerNorm and with a skip of its own (double skip)."""

    def __init__(self, network: Network, grid: tuple[int, int]) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(network.embed_dim, eps=LAYER_NORM_EPSILON)
        self.filter = AFNO2D(network, grid)
        self.norm2 = nn.LayerNorm(network.embed_dim, eps=LAYER_NORM_EPSILON)
        self.mlp = MLP(network)

    def forward(self, x: Tensor) -> Tensor:
        """(w, h, B, C) to the same."""
        x = x + self.filter(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """A convolution with kernel = stride = patch, as a matrix product over patches."""

    def __init__(self, network: Network, channels: int) -> None:
        super().__init__()
        self.patch = network.patch_size
        self.proj = nn.Conv2d(channels, network.embed_dim, self.patch, stride=self.patch)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (w, h, B, C)."""
        batch, channels, height, width = x.shape
        p = self.patch
        x = x.reshape(batch, channels, height // p, p, width // p, p).permute(4, 2, 0, 1, 3, 5)
        x = x.reshape(width // p, height // p, batch, channels * p * p)
        return F.linear(x, self.proj.weight.reshape(self.proj.out_channels, -1), self.proj.bias)


class FourCastNet(nn.Module):
    """Fields (B, channels, H, W) to the fields one step later."""

    def __init__(self, network: Network, grid: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.patch, self.channels = network.patch_size, channels
        self.rows, self.columns = network.token_grid(grid)
        self.pos_embed = nn.Parameter(torch.empty(1, self.rows * self.columns, network.embed_dim))
        self.patch_embed = PatchEmbed(network, channels)
        self.blocks = nn.Sequential(*(Block(network, grid) for _ in range(network.depth)))
        self.head = nn.Linear(network.embed_dim, channels * self.patch**2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same."""
        batch, p = x.shape[0], self.patch
        position = self.pos_embed.reshape(self.rows, self.columns, 1, -1).transpose(0, 1)
        x = self.head(self.blocks(self.patch_embed(x) + position))
        x = x.reshape(self.columns, self.rows, batch, p, p, self.channels).permute(2, 5, 1, 3, 0, 4)
        return x.reshape(batch, self.channels, self.rows * p, self.columns * p)


def build(network: Network, domain: Domain) -> nn.Module:
    """The network with uninitialised weights."""
    return FourCastNet(network, domain.grid, domain.outputs)


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Relative L2 norm of the error over a whole sample, mean over the batch.

    `prediction` and `target` are (B, C, H, W), `weights` the mask (C, H, W): 1 where a point counts, 0 elsewhere, where
    `target` is 0 too.
    """
    error = ((prediction - target) * weights).flatten(1)
    return (error.norm(dim=1) / target.flatten(1).norm(dim=1)).mean()
