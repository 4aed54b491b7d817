"""Networks of a lab's own, by factory."""

import torch
from torch import nn
from torch.nn import functional as F


class Mixed(nn.Module):
    """Operators that none of the harness's networks has."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.up, self.attention = nn.ConvTranspose2d(8, 4, 2, stride=2), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        x = F.leaky_relu(self.norm(self.convolution(x)))
        tokens = x.flatten(2).transpose(1, 2)
        x = x + self.attention(tokens, tokens, tokens, need_weights=False)[0].transpose(1, 2).reshape(x.shape)
        x = F.interpolate(self.up(x), scale_factor=2, mode="bilinear", align_corners=False)
        x = torch.clamp(F.layer_norm(x, x.shape[1:]), min=-x.square(), max=x.amax(1, keepdim=True))
        x = F.avg_pool2d(F.avg_pool2d(x, 2), (3, 2), (2, 1), (1, 0), ceil_mode=True, count_include_pad=False)
        return torch.einsum("bchw,bdhw->bcd", x, torch.roll(x, 1, -1)).softmax(-1).var(-1)


def mixed():
    return Mixed(), (torch.randn(2, 3, 6, 8),)


class Unheard(nn.Module):
    """An operator without a counterpart, and some whose counterparts are handed functions, which graphs want named."""

    def forward(self, x):
        x = torch.special.i0e(x) * 2
        x = torch.div(1 - x.max(-1, keepdim=True)[0] + x.min() - x * x.var(), 0.7, rounding_mode="trunc") + x
        return torch.complex(x, 2 * x).conj().imag


def unheard():
    return Unheard(), (torch.randn(3, 4, requires_grad=True),)


def no_network():
    return 3


def failing():
    raise OSError("no such weights")


def wrong_inputs():
    return nn.Linear(3, 4), (torch.randn(2, 5),)
