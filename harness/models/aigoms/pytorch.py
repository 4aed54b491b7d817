"""AI-GOMS in PyTorch; tokens run in the order of the grid's rows, before the batch: (N, B, C)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.aigoms.config import LAYER_NORM_EPSILON, Network, input_spec, positions
from harness.models.domain import Domain
from harness.models.layers.pytorch import AFNO, Block, LayerNorm, PatchEmbed
from harness.models.operators.pytorch import sequence_transform
from harness.scenario.execution import Execution, Operators


def stack(network: Network, depth: int, width: int, transforms: dict[int, nn.Module]) -> nn.Sequential:
    """Blocks one after the other, with the same transforms."""
    mixers = (AFNO(width, network.num_blocks, network.sparsity_threshold, transforms) for _ in range(depth))
    return nn.Sequential(*(Block(mixer, width, network.hidden(width), LAYER_NORM_EPSILON) for mixer in mixers))


class PatchPrediction(nn.Module):
    """A transposed convolution with kernel = stride = patch, as a matrix product over tokens."""

    kind = "convolution"

    def __init__(self, width: int, outputs: int, patch: int) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.empty(width, outputs, patch, patch)),
            nn.Parameter(torch.empty(outputs)),
        )

    def forward(self, x: Tensor, token_grid: tuple[int, int]) -> Tensor:
        """(h w, B, width) to (B, outputs, H, W)."""
        (h, w), batch = token_grid, x.shape[1]
        outputs, p = self.weight.shape[1], self.weight.shape[2]
        x = F.linear(x, self.weight.flatten(1).T, self.bias.repeat_interleave(p * p))
        return x.reshape(h, w, batch, outputs, p, p).permute(2, 3, 0, 4, 1, 5).reshape(batch, outputs, h * p, w * p)


class AIGOMS(nn.Module):
    """Fields (B, inputs, H, W) to the state (B, outputs, H, W) one step later."""

    position: Tensor
    decoder_position: Tensor

    def __init__(self, network: Network, domain: Domain, operators: Operators) -> None:
        super().__init__()
        width, decoder_width, patch = network.embed_dim, network.decoder_embed_dim, network.patch_size
        self.token_grid = network.token_grid(domain.grid)
        for name, size in (("position", width), ("decoder_position", decoder_width)):
            values = torch.from_numpy(positions(size, self.token_grid))[:, None]
            self.register_buffer(name, values, persistent=False)
        transforms = {n: sequence_transform(operators.spectral, n) for n in network.sequence_lengths(domain.grid)}
        whole = {n: transforms[n] for n in [network.tokens(domain.grid)]}
        self.patch_embed = PatchEmbed(domain.inputs(input_spec(network)), width, patch, columns_first=False)
        self.blocks = stack(network, network.depth, width, transforms)
        self.norm = LayerNorm(width, LAYER_NORM_EPSILON)
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder_width))
        self.decoder_blocks = stack(network, network.decoder_depth, decoder_width, whole)
        self.decoder_norm = LayerNorm(decoder_width, LAYER_NORM_EPSILON)
        self.decoder_pred = PatchPrediction(decoder_width, domain.outputs, patch)

    def forward(self, x: Tensor, keep: Tensor | None = None, restore: Tensor | None = None) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W).

        The encoder sees the tokens `keep` (B, K), in that order, all in the order of the grid without it. Token n of
        the decoder is number `restore` (B, N) of what it saw, the mask token where that is K or more.
        """
        x = self.patch_embed(x).flatten(0, 1) + self.position
        if keep is not None:
            x = select(x, keep)
        x = self.decoder_embed(self.norm(self.blocks(x)))
        if restore is not None:
            x = torch.cat((x, self.mask_token.expand(1, x.shape[1], -1)))
            x = select(x, restore.clamp(max=len(x) - 1))
        x = self.decoder_norm(self.decoder_blocks(x + self.decoder_position))
        return self.decoder_pred(x, self.token_grid)


def select(x: Tensor, index: Tensor) -> Tensor:
    """The tokens of x (N, B, C) that an index (B, K) names for each sample: (K, B, C)."""
    tokens, batch, width = x.shape
    place = index.T.long() * batch + torch.arange(batch, device=x.device)
    return x.reshape(tokens * batch, width).index_select(0, place.flatten()).reshape(-1, batch, width)


def build(network: Network, domain: Domain, execution: Execution) -> nn.Module:
    """The network with uninitialised weights."""
    return AIGOMS(network, domain, execution.operators)


def blocks(module: AIGOMS) -> list[nn.Module]:
    """The blocks of encoder and decoder, which a backward pass can compute anew."""
    return [*module.blocks, *module.decoder_blocks]


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Relative L2 norm of the error of a channel of a sample, over the points that count; mean over both.

    `prediction` and `target` are (B, C, H, W), `weights` the mask (C, H, W): 1 where a point counts, 0 elsewhere, where
    `target` is 0 too. Left out of the mean are channels of a sample whose target is 0 everywhere, so those without any
    point; the loss is 0 where none is left.
    """
    error = ((prediction - target) * weights).square().flatten(2).sum(-1)
    size = target.square().flatten(2).sum(-1)
    counts = size > 0
    ratio = torch.where(counts, error, 0.0) / torch.where(counts, size, 1.0)
    wrong = ratio > 0
    norm = torch.where(wrong, torch.where(wrong, ratio, 1.0).sqrt(), 0.0)
    return norm.sum() / counts.sum().clamp(min=1)


def loss_size(target: Tensor) -> Tensor:
    """Channels of samples of a target (B, C, H, W) that `loss` is the mean over: those that are not 0 everywhere."""
    return (target.square().flatten(2).sum(-1) > 0).sum().to(target.dtype)
