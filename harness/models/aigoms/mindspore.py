"""AI-GOMS in MindSpore; tokens run in the order of the grid's rows, (N B, C), as in PyTorch."""

import numpy as np
from mindspore import Tensor, nn, ops

from harness.models.aigoms.config import LAYER_NORM_EPSILON, Network, input_spec, positions
from harness.models.domain import Domain
from harness.models.layers.mindspore import (
    AFNO,
    Block,
    LayerNorm,
    Linear,
    PatchEmbed,
    empty,
)
from harness.models.operators.mindspore import linear_function, sequence_transform
from harness.scenario.execution import Execution, Operators


def stack(network: Network, depth: int, width: int, transforms: dict[int, nn.Cell]) -> nn.CellList:
    """Blocks to run one after the other, with the same transforms."""
    mixers = (AFNO(width, network.num_blocks, network.sparsity_threshold, transforms) for _ in range(depth))
    return nn.CellList([Block(mixer, width, network.hidden(width), LAYER_NORM_EPSILON) for mixer in mixers])


class PatchPrediction(nn.Cell):
    """A transposed convolution with kernel = stride = patch, as a matrix product over tokens."""

    kind, products = "convolution", ("function",)

    def __init__(self, width: int, outputs: int, patch: int, token_grid: tuple[int, int]) -> None:
        super().__init__()
        self.weight, self.bias = empty(width, outputs, patch, patch), empty(outputs)
        self.width, self.outputs, self.patch, self.token_grid = width, outputs, patch, token_grid
        self.matmul, self.function = ops.MatMul(), linear_function()
        self.along_patch = Tensor(np.ones((1, patch * patch), np.float32))

    def construct(self, x: Tensor, batch: int) -> Tensor:
        """(h w B, width) to (B, outputs, H, W)."""
        (h, w), p = self.token_grid, self.patch
        weight = self.weight.reshape(self.width, self.outputs * p * p).transpose(1, 0)
        bias = self.matmul(self.bias.reshape(self.outputs, 1), self.along_patch).reshape(-1)
        x = self.function(x, weight, bias).reshape(h, w, batch, self.outputs, p, p)
        return x.transpose(2, 3, 0, 4, 1, 5).reshape(batch, self.outputs, h * p, w * p)


class AIGOMS(nn.Cell):
    """Fields (B, inputs, H, W) to the state (B, outputs, H, W) one step later."""

    def __init__(self, network: Network, domain: Domain, operators: Operators) -> None:
        super().__init__()
        width, decoder_width, patch = network.embed_dim, network.decoder_embed_dim, network.patch_size
        token_grid = network.token_grid(domain.grid)
        self.tokens, self.width, self.decoder_width = network.tokens(domain.grid), width, decoder_width
        self.position = Tensor(positions(width, token_grid)[:, None])
        self.decoder_position = Tensor(positions(decoder_width, token_grid)[:, None])
        transforms = {n: sequence_transform(operators.spectral, n) for n in network.sequence_lengths(domain.grid)}
        whole = {self.tokens: transforms[self.tokens]}
        self.patch_embed = PatchEmbed(domain.inputs(input_spec(network)), width, patch, columns_first=False)
        self.blocks = stack(network, network.depth, width, transforms)
        self.norm = LayerNorm(width, LAYER_NORM_EPSILON)
        self.decoder_embed = Linear(width, decoder_width)
        self.mask_token = empty(1, 1, decoder_width)
        self.decoder_blocks = stack(network, network.decoder_depth, decoder_width, whole)
        self.decoder_norm = LayerNorm(decoder_width, LAYER_NORM_EPSILON)
        self.decoder_pred = PatchPrediction(decoder_width, domain.outputs, patch, token_grid)

    def construct(self, x: Tensor, keep: Tensor | None = None, restore: Tensor | None = None) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W).

        The encoder sees the tokens `keep` (B, K), in that order, all in the order of the grid without it. Token n of
        the decoder is number `restore` (B, N) of what it saw, the mask token where that is K or more.
        """
        batch = x.shape[0]
        x = self.patch_embed(x).reshape(self.tokens, batch, self.width) + self.position
        x = x.reshape(self.tokens * batch, self.width)
        if keep is not None:
            x = ops.gather(x, places(keep), 0)
        for block in self.blocks:
            x = block(x, batch)
        x = self.decoder_embed(self.norm(x))
        if restore is not None:
            seen = x.shape[0]
            x = ops.concat((x, self.mask_token.reshape(1, self.decoder_width)), 0)
            x = ops.gather(x, ops.minimum(places(restore), Tensor(seen, restore.dtype)), 0)
        x = x.reshape(self.tokens, batch, self.decoder_width) + self.decoder_position
        x = x.reshape(self.tokens * batch, self.decoder_width)
        for block in self.decoder_blocks:
            x = block(x, batch)
        return self.decoder_pred(self.decoder_norm(x), batch)


def places(index: Tensor) -> Tensor:
    """Rows of (N B, C) that an index (B, K) of tokens names for each sample: (K B,)."""
    batch = index.shape[0]
    return (index.transpose(1, 0) * batch + ops.arange(batch, dtype=index.dtype)).reshape(-1)


def build(network: Network, domain: Domain, execution: Execution) -> nn.Cell:
    """The network with weights of zero."""
    return AIGOMS(network, domain, execution.operators)


def blocks(module: AIGOMS) -> list[nn.Cell]:
    """The blocks of encoder and decoder, which a backward pass can compute anew."""
    return [*module.blocks, *module.decoder_blocks]


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Relative L2 norm of the error of a channel of a sample, over the points that count; mean over both.

    `prediction` and `target` are (B, C, H, W), `weights` the mask (C, H, W): 1 where a point counts, 0 elsewhere, where
    `target` is 0 too. Left out of the mean are channels of a sample whose target is 0 everywhere, so those without any
    point; the loss is 0 where none is left.
    """
    batch, channels = target.shape[0], target.shape[1]
    weights = ops.concat((weights,) * batch, 0).reshape(batch * channels, -1)
    target, prediction = target.reshape(batch * channels, -1), prediction.reshape(batch * channels, -1)
    points = ops.ones((target.shape[1], 1), target.dtype)
    error = ops.MatMul()(ops.square((prediction - target) * weights), points)
    size = ops.MatMul()(ops.square(target), points)
    counts = size > 0
    ratio = ops.where(counts, error, ops.zeros_like(error)) / ops.where(counts, size, ops.ones_like(size))
    wrong = ratio > 0
    norm = ops.where(wrong, ops.sqrt(ops.where(wrong, ratio, ops.ones_like(ratio))), ops.zeros_like(ratio))
    return norm.sum() / ops.maximum(counts.astype(target.dtype).sum(), Tensor(1.0, target.dtype))


def loss_size(target: Tensor) -> Tensor:
    """Channels of samples of a target (B, C, H, W) that `loss` is the mean over: those that are not 0 everywhere."""
    fields = ops.square(target).reshape(target.shape[0] * target.shape[1], -1).sum(-1)
    return (fields > 0).astype(target.dtype).sum()
