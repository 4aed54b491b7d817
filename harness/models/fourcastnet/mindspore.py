"""FourCastNet in MindSpore; tokens run columns before rows, (w h B, C), as in PyTorch."""

import math

from mindspore import Tensor, nn, ops

from harness.models.domain import Domain
from harness.models.fourcastnet.config import LAYER_NORM_EPSILON, Network
from harness.models.layers.mindspore import AFNO, Block, Linear, MatrixTransform, PatchEmbed, empty
from harness.models.layers.spectral import plane_matrices


class FastTransform(nn.Cell):
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


def transform(network: Network, grid: tuple[int, int]) -> nn.Cell:
    """The kept part of rfft2(norm="ortho"), in the way that the network names."""
    if network.spectral == "fft":
        return FastTransform(network.token_grid(grid), *network.kept_modes(grid))
    return MatrixTransform(plane_matrices(network.token_grid(grid), *network.kept_modes(grid)))


def block(network: Network, grid: tuple[int, int]) -> Block:
    """One block over the tokens of a grid."""
    width, tokens = network.embed_dim, math.prod(network.token_grid(grid))
    mixer = AFNO(width, network.num_blocks, network.sparsity_threshold, {tokens: transform(network, grid)})
    return Block(mixer, width, network.mlp_dim, LAYER_NORM_EPSILON)


class FourCastNet(nn.Cell):
    """Fields (B, channels, H, W) to the fields one step later."""

    def __init__(self, network: Network, grid: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.patch, self.channels, self.width = network.patch_size, channels, network.embed_dim
        self.rows, self.columns = network.token_grid(grid)
        self.pos_embed = empty(1, self.rows * self.columns, network.embed_dim)
        self.patch_embed = PatchEmbed(channels, network.embed_dim, network.patch_size, columns_first=True)
        self.blocks = nn.CellList([block(network, grid) for _ in range(network.depth)])
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


def build(network: Network, domain: Domain) -> nn.Cell:
    """The network with weights of zero."""
    return FourCastNet(network, domain.grid, domain.outputs)


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Relative L2 norm of the error over a whole sample, mean over the batch.

    `prediction` and `target` are (B, C, H, W), `weights` the mask (C, H, W): 1 where a point counts, 0 elsewhere, where
    `target` is 0 too.
    """
    batch = target.shape[0]
    error = ops.square((prediction - target) * weights).reshape(batch, -1).sum(-1)
    return ops.mean(ops.sqrt(error / ops.square(target).reshape(batch, -1).sum(-1)))
