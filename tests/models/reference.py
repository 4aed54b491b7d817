"""FourCastNet, its loss and Adam in float64 NumPy, written from the formulas; no code of the harness is used.

z = F x                                 orthonormal rfft2 over rows and columns of tokens
z = S(W2 R(W1 z + b1) + b2)             complex, block-diagonal over channels; R and S act on both parts
z = 0 outside rows [T - K, T + K) and columns [0, K), T = rows // 2 + 1, K = int(T * fraction)
mixer(x) = F^-1 z + x
block(x) = y + mlp(norm(y)),  y = x + mixer(norm(x))
"""

import numpy as np
from scipy.special import erf


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * weight + bias


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def both_parts(function, z):
    return function(z.real) + 1j * function(z.imag)


def soft_shrink(values, threshold):
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0)


def mixer(x, w1, b1, w2, b2, threshold, fraction):
    _, rows, columns, width = x.shape
    blocks = w1.shape[1]
    z = np.fft.rfft2(x, axes=(1, 2), norm="ortho")
    total = rows // 2 + 1
    kept = int(total * fraction)
    outside = np.ones(z.shape[1:3], dtype=bool)
    outside[total - kept : total + kept, :kept] = False
    blocked = z.reshape(*z.shape[:3], blocks, width // blocks)
    hidden = np.einsum("bhwki,kio->bhwko", blocked, w1[0] + 1j * w1[1]) + (b1[0] + 1j * b1[1])
    hidden = both_parts(lambda part: np.maximum(part, 0), hidden)
    out = np.einsum("bhwki,kio->bhwko", hidden, w2[0] + 1j * w2[1]) + (b2[0] + 1j * b2[1])
    out = both_parts(lambda part: soft_shrink(part, threshold), out).reshape(z.shape)
    out[:, outside] = 0
    return np.fft.irfft2(out, s=(rows, columns), axes=(1, 2), norm="ortho") + x


def forward(weights, x, patch_size, threshold=0.01, fraction=1.0):
    """Fields (batch, channels, height, width) to the same."""
    batch, channels, height, width = x.shape
    rows, columns, p = height // patch_size, width // patch_size, patch_size
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    patches = x.astype(np.float64).reshape(batch, channels, rows, p, columns, p)
    tokens = np.einsum("bcipjq,ecpq->bije", patches, w["patch_embed.proj.weight"]) + w["patch_embed.proj.bias"]
    tokens = tokens + w["pos_embed"].reshape(rows, columns, -1)
    depth = len([name for name in w if name.endswith(".filter.w1")])
    for at in (f"blocks.{index}" for index in range(depth)):
        normed = layer_norm(tokens, w[f"{at}.norm1.weight"], w[f"{at}.norm1.bias"])
        filters = [w[f"{at}.filter.{name}"] for name in ("w1", "b1", "w2", "b2")]
        tokens = tokens + mixer(normed, *filters, threshold, fraction)
        normed = layer_norm(tokens, w[f"{at}.norm2.weight"], w[f"{at}.norm2.bias"])
        hidden = gelu(normed @ w[f"{at}.mlp.fc1.weight"].T + w[f"{at}.mlp.fc1.bias"])
        tokens = tokens + hidden @ w[f"{at}.mlp.fc2.weight"].T + w[f"{at}.mlp.fc2.bias"]
    values = tokens @ w["head.weight"].T
    found = np.empty((batch, channels, height, width))
    for row in range(p):
        for column in range(p):
            first = (row * p + column) * channels
            found[:, :, row::p, column::p] = values[..., first : first + channels].transpose(0, 3, 1, 2)
    return found


def relative_l2(prediction, target, mask):
    """Norm of the error where the mask is True over the norm of the target, mean over the batch."""
    ratios = [
        np.sqrt(((p - t)[mask] ** 2).sum()) / np.sqrt((t[mask] ** 2).sum())
        for p, t in zip(prediction.astype(np.float64), target.astype(np.float64), strict=True)
    ]
    return sum(ratios) / len(ratios)


class Adam:
    """Algorithm 1 of arXiv 1412.6980; weight decay decoupled as in arXiv 1711.05101, scaled by the learning rate."""

    def __init__(self, shape, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0):
        self.beta1, self.beta2, self.epsilon, self.weight_decay = beta1, beta2, epsilon, weight_decay
        self.step, self.m, self.v = 0, np.zeros(shape), np.zeros(shape)

    def update(self, weight, gradient, rate):
        self.step += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * gradient
        self.v = self.beta2 * self.v + (1 - self.beta2) * gradient**2
        m, v = self.m / (1 - self.beta1**self.step), self.v / (1 - self.beta2**self.step)
        return weight - rate * self.weight_decay * weight - rate * m / (np.sqrt(v) + self.epsilon)
