"""FourCastNet in MindSpore.

The same token order as in PyTorch, (w, h, B, C), with every product written as a 2-D or batched matrix product: on CPU
anything wider falls back to a broadcast.
"""

import numpy as np
from mindspore import Tensor, nn, ops

from harness.models.domain import Domain
from harness.models.fourcastnet.config import LAYER_NORM_EPSILON, Network
from harness.models.fourcastnet.spectral import REAL_FORM, transform_matrices
from harness.models.layers.mindspore import GELU, BatchedLinearFunction, LayerNorm, Linear, LinearFunction, empty


class MatrixTransform(nn.Cell):
    """The kept part of rfft2(norm="ortho") by matrix products."""

    def __init__(self, token_grid: tuple[int, int], kept_rows: range, kept_columns: range) -> None:
        super().__init__()
        matrices = transform_matrices(token_grid, kept_rows, kept_columns)
        self.h, self.w = token_grid
        self.r, self.k = len(kept_rows), len(kept_columns)
        self.columns, self.uncolumns = Tensor(matrices.columns), Tensor(matrices.uncolumns)
        self.rows = Tensor(np.broadcast_to(matrices.rows, (self.k, *matrices.rows.shape)).copy())
        self.unrows = Tensor(np.broadcast_to(matrices.unrows, (self.k, *matrices.unrows.shape)).copy())
        self.matmul, self.bmm = ops.MatMul(), ops.BatchMatMul()

    def construct(self, x: Tensor) -> Tensor:
        """(w, h, B, C) to (K, 2, R, B, C), real and imaginary part on the second axis."""
        batch, width = x.shape[2], x.shape[3]
        x = self.matmul(self.columns, x.reshape(self.w, self.h * batch * width))
        x = self.bmm(self.rows, x.reshape(self.k, 2 * self.h, batch * width))
        return x.reshape(self.k, 2, self.r, batch, width)

    def inverse(self, x: Tensor) -> Tensor:
        """(K, 2, R, B, C) to (w, h, B, C)."""
        batch, width = x.shape[3], x.shape[4]
        x = self.bmm(self.unrows, x.reshape(self.k, 2 * self.r, batch * width))
        x = self.matmul(self.uncolumns, x.reshape(2 * self.k, self.h * batch * width))
        return x.reshape(self.w, self.h, batch, width)


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
        """(w, h, B, C) to (K, 2, R, B, C), real and imaginary part on the second axis."""
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


TRANSFORMS: dict[str, type[MatrixTransform] | type[FastTransform]] = {"dft": MatrixTransform, "fft": FastTransform}


class AFNO2D(nn.Cell):
    """Token mixer with a skip: a two-layer complex MLP, block-diagonal over channels, on the kept Fourier modes."""

    def __init__(self, network: Network, grid: tuple[int, int]) -> None:
        super().__init__()
        blocks, size = network.num_blocks, network.embed_dim // network.num_blocks
        self.blocks, self.size = blocks, size
        self.h, self.w = network.token_grid(grid)
        self.w1, self.b1 = empty(2, blocks, size, size), empty(2, blocks, size)
        self.w2, self.b2 = empty(2, blocks, size, size), empty(2, blocks, size)
        self.transform = TRANSFORMS[network.spectral](network.token_grid(grid), *network.kept_modes(grid))
        self.real_form = Tensor(REAL_FORM)
        self.linear, self.shrink = BatchedLinearFunction(), ops.SoftShrink(network.sparsity_threshold)

    def construct(self, x: Tensor) -> Tensor:
        """(w h B, C) to the same."""
        modes = self.transform(x.reshape(self.w, self.h, -1, x.shape[-1]))
        k, _, r, batch, width = modes.shape
        z = modes.reshape(k, 2, r, batch, self.blocks, self.size).transpose(4, 0, 2, 3, 1, 5)
        z = z.reshape(self.blocks, k * r * batch, 2 * self.size)
        z = ops.relu(self.linear(z, complex_matrix(self.real_form, self.w1), complex_bias(self.b1)))
        z = self.shrink(self.linear(z, complex_matrix(self.real_form, self.w2), complex_bias(self.b2)))
        z = z.reshape(self.blocks, k, r, batch, 2, self.size).transpose(1, 4, 2, 3, 0, 5)
        return self.transform.inverse(z.reshape(k, 2, r, batch, width)).reshape(x.shape) + x


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

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.fc1 = Linear(network.embed_dim, network.mlp_dim)
        self.fc2 = Linear(network.mlp_dim, network.embed_dim)
        self.gelu = GELU()

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, C) to the same."""
        return self.fc2(self.gelu(self.fc1(x)))


class Block(nn.Cell):
    """Mixer and MLP, each after a LayerNorm and with a skip of its own (double skip)."""

    def __init__(self, network: Network, grid: tuple[int, int]) -> None:
        super().__init__()
        self.norm1 = LayerNorm(network.embed_dim, LAYER_NORM_EPSILON)
        self.norm2 = LayerNorm(network.embed_dim, LAYER_NORM_EPSILON)
        self.filter, self.mlp = AFNO2D(network, grid), MLP(network)

    def construct(self, x: Tensor) -> Tensor:
        """(w h B, C) to the same."""
        x = x + self.filter(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Convolution(nn.Cell):
    """Weight and bias of a convolution with kernel = stride = patch, applied to patches as a matrix product."""

    def __init__(self, channels: int, out: int, patch: int) -> None:
        super().__init__()
        self.weight, self.bias = empty(out, channels, patch, patch), empty(out)
        self.out = out
        self.function = LinearFunction()

    def construct(self, x: Tensor) -> Tensor:
        """(tokens, channels * patch * patch) to (tokens, out)."""
        return self.function(x, self.weight.reshape(self.out, -1), self.bias)


class PatchEmbed(nn.Cell):
    """Patches of the grid to tokens."""

    def __init__(self, network: Network, channels: int) -> None:
        super().__init__()
        self.patch = network.patch_size
        self.proj = Convolution(channels, network.embed_dim, network.patch_size)

    def construct(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (w, h, B, C)."""
        batch, channels, height, width = x.shape
        p = self.patch
        h, w = height // p, width // p
        x = x.reshape(batch, channels, h, p, w, p).transpose(4, 2, 0, 1, 3, 5)
        return self.proj(x.reshape(w * h * batch, channels * p * p)).reshape(w, h, batch, -1)


class FourCastNet(nn.Cell):
    """Fields (B, channels, H, W) to the fields one step later."""

    def __init__(self, network: Network, grid: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.patch, self.channels, self.width = network.patch_size, channels, network.embed_dim
        self.rows, self.columns = network.token_grid(grid)
        self.pos_embed = empty(1, self.rows * self.columns, network.embed_dim)
        self.patch_embed = PatchEmbed(network, channels)
        self.blocks = nn.CellList([Block(network, grid) for _ in range(network.depth)])
        self.head = Linear(network.embed_dim, channels * network.patch_size**2, has_bias=False)

    def construct(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same."""
        batch, p = x.shape[0], self.patch
        x = self.patch_embed(x) + self.pos_embed.reshape(self.rows, self.columns, 1, self.width).swapaxes(0, 1)
        x = x.reshape(self.columns * self.rows * batch, self.width)
        for block in self.blocks:
            x = block(x)
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
