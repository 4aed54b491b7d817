"""FourCastNet in PyTorch; tokens run columns before rows: (w, h, B, C)."""

import math

import torch
from torch import Tensor, nn

from harness.models.domain import Domain
from harness.models.fourcastnet.config import LAYER_NORM_EPSILON, Network
from harness.models.layers.pytorch import AFNO, Block, PatchEmbed
from harness.models.operators.pytorch import plane_transform
from harness.scenario.execution import Execution, Operators


def block(network: Network, grid: tuple[int, int], operators: Operators) -> Block:
    """One block over the tokens of a grid."""
    width, token_grid = network.embed_dim, network.token_grid(grid)
    transform = plane_transform(operators.spectral, token_grid, *network.kept_modes(grid))
    mixer = AFNO(width, network.num_blocks, network.sparsity_threshold, {math.prod(token_grid): transform})
    return Block(mixer, width, network.mlp_dim, LAYER_NORM_EPSILON)


class FourCastNet(nn.Module):
    """Fields (B, channels, H, W) to the fields one step later."""

    def __init__(self, network: Network, grid: tuple[int, int], channels: int, operators: Operators) -> None:
        super().__init__()
        self.patch, self.channels = network.patch_size, channels
        self.rows, self.columns = network.token_grid(grid)
        self.pos_embed = nn.Parameter(torch.empty(1, self.rows * self.columns, network.embed_dim))
        self.patch_embed = PatchEmbed(channels, network.embed_dim, network.patch_size, columns_first=True)
        self.blocks = nn.Sequential(*(block(network, grid, operators) for _ in range(network.depth)))
        self.head = nn.Linear(network.embed_dim, channels * self.patch**2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same."""
        batch, p = x.shape[0], self.patch
        position = self.pos_embed.reshape(self.rows, self.columns, 1, -1).transpose(0, 1)
        x = self.head(self.blocks(self.patch_embed(x) + position))
        x = x.reshape(self.columns, self.rows, batch, p, p, self.channels).permute(2, 5, 1, 3, 0, 4)
        return x.reshape(batch, self.channels, self.rows * p, self.columns * p)


def build(network: Network, domain: Domain, execution: Execution) -> nn.Module:
    """The network with uninitialised weights."""
    return FourCastNet(network, domain.grid, domain.outputs, execution.operators)


def blocks(module: FourCastNet) -> list[nn.Module]:
    """The blocks over tokens, which a backward pass can compute anew."""
    return list(module.blocks)


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Relative L2 norm of the error over a whole sample, mean over the batch.

    `prediction` and `target` are (B, C, H, W), `weights` the mask (C, H, W): 1 where a point counts, 0 elsewhere, where
    `target` is 0 too.
    """
    error = ((prediction - target) * weights).flatten(1)
    return (error.norm(dim=1) / target.flatten(1).norm(dim=1)).mean()
