"""FourCastNet in PyTorch; tokens run columns before rows: (w, h, B, C)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.domain import Domain
from harness.models.fourcastnet.config import LAYER_NORM_EPSILON, Network
from harness.models.layers.pytorch import AFNO, Block, MatrixTransform, PatchEmbed
from harness.models.layers.spectral import plane_matrices


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


def transform(network: Network, grid: tuple[int, int]) -> nn.Module:
    """The kept part of rfft2(norm="ortho"), in the way that the network names."""
    if network.spectral == "fft":
        return FastTransform(network.token_grid(grid), *network.kept_modes(grid))
    return MatrixTransform(plane_matrices(network.token_grid(grid), *network.kept_modes(grid)))


def block(network: Network, grid: tuple[int, int]) -> Block:
    """One block over the tokens of a grid."""
    width, tokens = network.embed_dim, math.prod(network.token_grid(grid))
    mixer = AFNO(width, network.num_blocks, network.sparsity_threshold, {tokens: transform(network, grid)})
    return Block(mixer, width, network.mlp_dim, LAYER_NORM_EPSILON)


class FourCastNet(nn.Module):
    """Fields (B, channels, H, W) to the fields one step later."""

    def __init__(self, network: Network, grid: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.patch, self.channels = network.patch_size, channels
        self.rows, self.columns = network.token_grid(grid)
        self.pos_embed = nn.Parameter(torch.empty(1, self.rows * self.columns, network.embed_dim))
        self.patch_embed = PatchEmbed(channels, network.embed_dim, network.patch_size, columns_first=True)
        self.blocks = nn.Sequential(*(block(network, grid) for _ in range(network.depth)))
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
