"""AI-GOMS and its loss in float64 NumPy, written from the formulas; no code of the harness is used.

x = embed(patches) + positions          tokens in the order of the grid's rows
x = [x[n] for n in keep]                the encoder sees these, in this order
z = S(W2 R(W1 F x + b1) + b2)           F: orthonormal rfft along the tokens; R and S act on both parts
block(x) = y + mlp(norm(y)),  y = x + F^-1 z(norm(x)) + norm(x)
x[n] = seen[restore[n]]                 or the mask token, then decoder positions and blocks
prediction = transposed convolution, kernel = stride = patch
"""

import math

import numpy as np
from scipy.special import erf


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def both_parts(function, z):
    return function(z.real) + 1j * function(z.imag)


def mixer(x, w1, b1, w2, b2, threshold):
    """Tokens (N, C) to the same."""
    tokens, width = x.shape
    spectrum = np.fft.rfft(x, axis=0, norm="ortho")
    out = np.empty_like(spectrum)
    size = width // w1.shape[1]
    for block in range(w1.shape[1]):
        channels = slice(block * size, (block + 1) * size)
        hidden = spectrum[:, channels] @ (w1[0, block] + 1j * w1[1, block]) + (b1[0, block] + 1j * b1[1, block])
        hidden = both_parts(lambda part: np.maximum(part, 0), hidden)
        z = hidden @ (w2[0, block] + 1j * w2[1, block]) + (b2[0, block] + 1j * b2[1, block])
        out[:, channels] = both_parts(lambda part: np.sign(part) * np.maximum(np.abs(part) - threshold, 0), z)
    return np.fft.irfft(out, n=tokens, axis=0, norm="ortho") + x


def block(x, w, at, threshold):
    filters = [w[f"{at}.filter.{name}"] for name in ("w1", "b1", "w2", "b2")]
    x = x + mixer(layer_norm(x, w[f"{at}.norm1.weight"], w[f"{at}.norm1.bias"]), *filters, threshold)
    normed = layer_norm(x, w[f"{at}.norm2.weight"], w[f"{at}.norm2.bias"])
    hidden = normed @ w[f"{at}.mlp.fc1.weight"].T + w[f"{at}.mlp.fc1.bias"]
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    return x + hidden @ w[f"{at}.mlp.fc2.weight"].T + w[f"{at}.mlp.fc2.bias"]


def position(width, row, column):
    """Position of one token: sin and cos of its column, then of its row, over falling frequencies."""
    quarter = width // 4
    angles = [[place / 10000 ** (index / quarter) for index in range(quarter)] for place in (column, row)]
    return [f(angle) for half in angles for f in (math.sin, math.cos) for angle in half]


def depth(w, at):
    return len([name for name in w if name.startswith(f"{at}.") and name.endswith(".filter.w1")])


def forward(weights, x, patch, threshold, keep=None, restore=None):
    """Fields (batch, inputs, height, width) to (batch, outputs, height, width)."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    rows, columns = x.shape[2] // patch, x.shape[3] // patch
    grid = [(row, column) for row in range(rows) for column in range(columns)]
    outputs = w["decoder_pred.bias"].size
    found = np.empty((len(x), outputs, *x.shape[2:]))
    for sample, fields in enumerate(x.astype(np.float64)):
        tokens = np.empty((len(grid), w["norm.weight"].size))
        for n, (i, j) in enumerate(grid):
            pixels = fields[:, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
            tokens[n] = np.tensordot(w["patch_embed.proj.weight"], pixels, 3) + w["patch_embed.proj.bias"]
            tokens[n] += position(tokens.shape[1], i, j)
        if keep is not None:
            tokens = tokens[keep[sample]]
        for index in range(depth(w, "blocks")):
            tokens = block(tokens, w, f"blocks.{index}", threshold)
        seen = layer_norm(tokens, w["norm.weight"], w["norm.bias"])
        seen = seen @ w["decoder_embed.weight"].T + w["decoder_embed.bias"]
        places = range(len(grid)) if restore is None else restore[sample]
        tokens = np.stack([seen[place] if place < len(seen) else w["mask_token"][0, 0] for place in places])
        tokens += [position(tokens.shape[1], i, j) for i, j in grid]
        for index in range(
            len({name for name in w if name.startswith("decoder_blocks") and name.endswith("filter.w1")})
        ):
            tokens = block(tokens, w, f"decoder_blocks.{index}", threshold)
        tokens = layer_norm(tokens, w["decoder_norm.weight"], w["decoder_norm.bias"])
        for n, (i, j) in enumerate(grid):
            pixels = np.tensordot(tokens[n], w["decoder_pred.weight"], 1) + w["decoder_pred.bias"][:, None, None]
            found[sample, :, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch] = pixels
    return found


def relative_l2(prediction, target, mask):
    """Norm of the error over that of the target by channel with any point, mean over channels and batch."""
    ratios = [
        np.sqrt(((p[c] - t[c])[mask[c]] ** 2).sum()) / np.sqrt((t[c][mask[c]] ** 2).sum())
        for p, t in zip(prediction, target.astype(np.float64), strict=True)
        for c in range(len(mask))
        if mask[c].any()
    ]
    return sum(ratios) / len(ratios)
