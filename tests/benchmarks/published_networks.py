"""FourCastNet and AI-GOMS in PyTorch, operator by operator as they were published: what ours are timed against.

A restatement of NVlabs' afnonet.py and of AI-GOMS' one-dimensional block from what they compute: neither is a package
that could be installed. The batch runs first, transforms are FFTs, complex weights are applied by four real products a
layer into arrays of zeros. Dropout and stochastic depth, 0 in both, are left out. Names of parameters are the published
ones, which are those of this harness.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Mixer(nn.Module):
    """Token mixer with a skip, on the kept modes of an FFT along one axis of tokens or two."""

    def __init__(self, width, blocks, threshold, token_axes):
        super().__init__()
        self.blocks, self.threshold, self.token_axes = blocks, threshold, token_axes
        size = width // blocks
        self.w1, self.w2 = (nn.Parameter(torch.empty(2, blocks, size, size)) for _ in range(2))
        self.b1, self.b2 = (nn.Parameter(torch.empty(2, blocks, size)) for _ in range(2))

    def forward(self, x):
        """(B, tokens, C) or (B, rows, columns, C) to the same."""
        axes = tuple(range(1, 1 + self.token_axes))
        lengths = [x.shape[axis] for axis in axes]
        spectrum = torch.fft.rfftn(x.float(), dim=axes, norm="ortho")
        z = spectrum.reshape(*spectrum.shape[:-1], self.blocks, -1)
        modes = self.kept(lengths)
        real, imaginary = self.layer(z.real, z.imag, self.w1, self.b1, modes, F.relu)
        real, imaginary = self.layer(real, imaginary, self.w2, self.b2, modes, lambda values: values)
        z = F.softshrink(torch.stack([real, imaginary], dim=-1), self.threshold)
        z = torch.view_as_complex(z).reshape(spectrum.shape)
        return torch.fft.irfftn(z, s=lengths, dim=axes, norm="ortho").type(x.dtype) + x

    def kept(self, lengths):
        """Rows and columns of a plane around those of half its rows; all modes of a sequence."""
        if self.token_axes == 1:
            return (slice(None),)
        half = lengths[0] // 2 + 1
        return slice(None), slice(0, 2 * half), slice(half)

    @staticmethod
    def layer(real, imaginary, weights, bias, modes, activation):
        """Both parts of a complex dense layer, 0 where no mode is kept."""

        def product(values, part):
            return torch.einsum("...bi,bio->...bo", values[modes], weights[part])

        found = torch.zeros(real.shape), torch.zeros(real.shape)
        found[0][modes] = activation(product(real, 0) - product(imaginary, 1) + bias[0])
        found[1][modes] = activation(product(imaginary, 0) + product(real, 1) + bias[1])
        return found


class MLP(nn.Module):
    """Two dense layers with the exact GELU between."""

    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        """(..., C) to the same."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Mixer and MLP, each after a LayerNorm and with a skip."""

    def __init__(self, width, hidden, epsilon, *mixer):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=epsilon) for _ in range(2))
        self.filter, self.mlp = Mixer(width, *mixer), MLP(width, hidden)

    def forward(self, x):
        """Tokens to tokens, in the shape of the mixer."""
        x = self.filter(self.norm1(x)) + x
        return self.mlp(self.norm2(x)) + x


class PatchEmbed(nn.Module):
    """A convolution with kernel = stride = patch."""

    def __init__(self, channels, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x):
        """(B, channels, H, W) to (B, tokens, C)."""
        return self.proj(x).flatten(2).transpose(1, 2)


class FourCastNet(nn.Module):
    """Fields (B, channels, H, W) to the fields one step later."""

    def __init__(self, network, grid, channels):
        super().__init__()
        width, patch = network.embed_dim, network.patch_size
        self.token_grid, self.patch, self.channels = network.token_grid(grid), patch, channels
        tokens = self.token_grid[0] * self.token_grid[1]
        mixer = network.num_blocks, network.sparsity_threshold, 2
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, width))
        self.patch_embed = PatchEmbed(channels, width, patch)
        self.blocks = nn.Sequential(*(Block(width, network.mlp_dim, 1e-6, *mixer) for _ in range(network.depth)))
        self.head = nn.Linear(width, channels * patch**2, bias=False)

    def forward(self, x):
        """(B, channels, H, W) to the same."""
        batch, (h, w), p = len(x), self.token_grid, self.patch
        x = (self.patch_embed(x) + self.pos_embed).reshape(batch, h, w, -1)
        x = self.head(self.blocks(x)).reshape(batch, h, w, p, p, self.channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, self.channels, h * p, w * p)


class AIGOMS(nn.Module):
    """Fields (B, inputs, H, W) to the state (B, outputs, H, W) one step later, with all tokens in the grid's order."""

    def __init__(self, network, inputs, outputs, position, decoder_position):
        """Positions are (1, tokens, C) of the encoder and of the decoder."""
        super().__init__()
        width, decoder, patch = network.embed_dim, network.decoder_embed_dim, network.patch_size
        mixer = network.num_blocks, network.sparsity_threshold, 1

        def stack(depth, width):
            return nn.Sequential(*(Block(width, network.hidden(width), 1e-5, *mixer) for _ in range(depth)))

        self.position, self.decoder_position = position, decoder_position
        self.patch_embed = PatchEmbed(inputs, width, patch)
        self.blocks, self.norm = stack(network.depth, width), nn.LayerNorm(width, eps=1e-5)
        self.decoder_embed = nn.Linear(width, decoder)
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder))
        self.decoder_blocks = stack(network.decoder_depth, decoder)
        self.decoder_norm = nn.LayerNorm(decoder, eps=1e-5)
        self.decoder_pred = nn.ConvTranspose2d(decoder, outputs, patch, stride=patch)

    def forward(self, x):
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        h, w = (size // self.decoder_pred.stride[0] for size in x.shape[2:])
        x = self.norm(self.blocks(self.patch_embed(x) + self.position))
        x = self.decoder_norm(self.decoder_blocks(self.decoder_embed(x) + self.decoder_position))
        return self.decoder_pred(x.transpose(1, 2).reshape(len(x), -1, h, w))
