"""FourCastNet in MindSpore; tokens run columns before rows, (w h B, C), as in PyTorch."""

import math

from mindspore import Tensor, nn, ops

from harness.models.domain import Domain
from harness.models.fourcastnet.config import LAYER_NORM_EPSILON, Network
from harness.models.layers.mindspore import AFNO, Block, Linear, PatchEmbed, empty
from harness.models.operators.mindspore import plane_transform
from harness.scenario.execution import Execution, Operators


def block(network: Network, grid: tuple[int, int], operators: Operators) -> Block:
    """One block over the tokens of a grid."""
    width, token_grid = network.embed_dim, network.token_grid(grid)
    transform = plane_transform(operators.spectral, token_grid, *network.kept_modes(grid))
    mixer = AFNO(width, network.num_blocks, network.sparsity_threshold, {math.prod(token_grid): transform})
    return Block(mixer, width, network.mlp_dim, LAYER_NORM_EPSILON)


class FourCastNet(nn.Cell):
    """Fields (B, channels, H, W) to the fields one step later."""

    def __init__(self, network: Network, grid: tuple[int, int], channels: int, operators: Operators) -> None:
        super().__init__()
        self.patch, self.channels, self.width = network.patch_size, channels, network.embed_dim
        self.rows, self.columns = network.token_grid(grid)
        self.pos_embed = empty(1, self.rows * self.columns, network.embed_dim)
        self.patch_embed = PatchEmbed(channels, network.embed_dim, network.patch_size, columns_first=True)
        self.blocks = nn.CellList([block(network, grid, operators) for _ in range(network.depth)])
        self.head = Linear(network.embed_dim, channels * network.patch_size**2, has_bias=False)

    def construct(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same."""
        batch, p = x.shape[0], self.patch
        x = self.patch_embed(x) + self.pos_embed.reshape(self.rows, self.columns, 1, self.width).swapaxes(0, 1)
        x = x.reshape(self.columns * self.rows * batch, self.width)
        for layer in self.blocks:
            x = layer(x, batch)
        x = self.head(x).reshape(self.columns, self.rows, batch, p, p, self.channels).transpose(2, 5, 1, 3, 0, 4)
        return x.reshape(batch, self.channels, self.rows * p, self.columns * p)


def build(network: Network, domain: Domain, execution: Execution) -> nn.Cell:
    """The network with weights of zero."""
    return FourCastNet(network, domain.grid, domain.outputs, execution.operators)


def blocks(module: FourCastNet) -> list[nn.Cell]:
    """The blocks over tokens, which a backward pass can compute anew."""
    return list(module.blocks)


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Relative L2 norm of the error over a whole sample, mean over the batch.

    `prediction` and `target` are (B, C, H, W), `weights` the mask (C, H, W): 1 where a point counts, 0 elsewhere, where
    `target` is 0 too.
    """
    batch = target.shape[0]
    error = ops.square((prediction - target) * weights).reshape(batch, -1).sum(-1)
    return ops.mean(ops.sqrt(error / ops.square(target).reshape(batch, -1).sum(-1)))
