"""What the tests ask of AI-GOMS in each framework: networks with weights, fields and token orders; mixers alone."""

from dataclasses import dataclass

import numpy as np
from domains import make_domain

SMALL = {"patch_size": 2, "embed_dim": 16, "depth": 2, "decoder_embed_dim": 24, "decoder_depth": 1, "num_blocks": 4}
WIDE_SHRINKAGE = {**SMALL, "patch_size": 3, "num_blocks": 2, "sparsity_threshold": 0.2, "mlp_ratio": 2.0}
BATCH, OUTPUTS, INPUTS = 2, 3, 6
STEPS = 24


FORCED, FIXED = ("wind", "heat"), ("depth",)


def domain(mask):
    """A domain with two forcings and a static field."""
    return make_domain(mask.shape[1:], mask, forcings=FORCED, statics=FIXED)


def shapes(network):
    """Names and shapes as in the reference's Masked_AE_Ocean.py."""
    width, decoder, p, blocks = (
        network[name] for name in ("embed_dim", "decoder_embed_dim", "patch_size", "num_blocks")
    )
    found = {
        "patch_embed.proj.weight": (width, INPUTS, p, p),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "decoder_embed.weight": (decoder, width),
        "decoder_embed.bias": (decoder,),
        "mask_token": (1, 1, decoder),
        "decoder_norm.weight": (decoder,),
        "decoder_norm.bias": (decoder,),
        "decoder_pred.weight": (decoder, OUTPUTS, p, p),
        "decoder_pred.bias": (OUTPUTS,),
    }
    halves = (("blocks", network["depth"], width), ("decoder_blocks", network["decoder_depth"], decoder))
    for at, d in ((f"{name}.{index}", d) for name, depth, d in halves for index in range(depth)):
        size, hidden = d // blocks, int(d * network.get("mlp_ratio", 4.0))
        found |= {f"{at}.{norm}.{part}": (d,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
        found |= {f"{at}.filter.{w}": (2, blocks, size, size) for w in ("w1", "w2")}
        found |= {f"{at}.filter.{b}": (2, blocks, size) for b in ("b1", "b2")}
        found |= {f"{at}.mlp.fc1.weight": (hidden, d), f"{at}.mlp.fc1.bias": (hidden,)}
        found |= {f"{at}.mlp.fc2.weight": (d, hidden), f"{at}.mlp.fc2.bias": (d,)}
    return found


@dataclass(frozen=True)
class Case:
    """A network and its arrays, by the names that aigoms_drive.py reads."""

    network: dict
    arrays: dict
    trained: bool = False
    spectral: str = "auto"
    compiled: bool = False

    @property
    def weights(self):
        return {name.removeprefix("weights/"): v for name, v in self.arrays.items() if name.startswith("weights/")}


def order(tokens, kept, random):
    """A random order of the tokens of each sample: what is kept, and the place of each token."""
    orders = np.stack([random.permutation(tokens) for _ in range(BATCH)])
    places = np.empty_like(orders)
    for sample in range(BATCH):
        places[sample, orders[sample]] = np.arange(tokens)
    return orders[:, :kept].astype(np.int32), places.astype(np.int32)


def weights(network, random):
    """Weights that leave no part of the network small."""
    found = {}
    for name, shape in shapes(network).items():
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        spread = 0.3 if ".filter." in name or name == "mask_token" else 0.1
        found[f"weights/{name}"] = (centre + spread * random.standard_normal(shape)).astype(np.float32)
    return found


def case(network, grid, ratio=0.0, *, identity=False, **others):
    """Two samples; the last channel has no point at all. `others` are fields of Case.

    `inputs_behind` are the inputs with other values in every patch that is hidden from a sample.
    """
    random = np.random.default_rng(0)
    p = network["patch_size"]
    rows, columns = grid[0] // p, grid[1] // p
    mask = random.random((OUTPUTS, *grid)) > 0.3
    mask[-1] = False
    x = random.standard_normal((BATCH, INPUTS, *grid)).astype(np.float32)
    arrays = {"mask": mask, "inputs": x}
    arrays["target"] = (random.standard_normal((BATCH, OUTPUTS, *grid)) * mask).astype(np.float32)
    arrays |= weights(network, random)
    tokens = rows * columns
    if ratio:
        keep, restore = order(tokens, int(tokens * (1 - ratio)), random)
        hidden = (restore >= keep.shape[1]).reshape(BATCH, 1, rows, columns).repeat(p, 2).repeat(p, 3)
        arrays |= {"keep": keep, "restore": restore}
        arrays["inputs_behind"] = np.where(hidden, x + random.standard_normal(x.shape), x).astype(np.float32)
    if identity:
        arrays["keep"] = arrays["restore"] = np.tile(np.arange(tokens, dtype=np.int32), (BATCH, 1))
    phases = [{"last_epoch": 1, "ratio": ratio}] if ratio else []
    return Case({**network, "masking": phases}, arrays, **others)


AIGOMS = {
    "60-of-60": case(SMALL, (12, 20), trained=True),
    "45-of-60": case(SMALL, (12, 20), 0.25),
    "15-of-60": case(SMALL, (12, 20), 0.75, trained=True, compiled=True),
    "60-named": case(SMALL, (12, 20), identity=True),
    "63-of-63": case(WIDE_SHRINKAGE, (21, 27), compiled=True),
    "47-of-63": case(WIDE_SHRINKAGE, (21, 27), 0.25),
    "15-of-63": case(WIDE_SHRINKAGE, (21, 27), 0.75),
    "63-of-63-fft": case(WIDE_SHRINKAGE, (21, 27), spectral="fft"),
    "15-of-60-fft": case(SMALL, (12, 20), 0.75, spectral="fft"),
}
TRAINED = {name: case for name, case in AIGOMS.items() if case.trained}
HIDDEN = {name: case for name, case in AIGOMS.items() if "inputs_behind" in case.arrays}


AMPLITUDE, PHASES, WIDTH, BLOCKS, GAIN, TURN, THRESHOLD = 1.5, (0.7, 2.0), 4, 2, 0.8, 1.1, 0.3
"""Waves AMPLITUDE cos(angle + phase), the first phase in even channels, the second in odd ones."""


def waves(angles, phases=PHASES):
    """(tokens, waves) to (tokens, waves, WIDTH)."""
    return np.stack([AMPLITUDE * np.cos(angles + phases[channel % 2]) for channel in range(WIDTH)], axis=-1)


def linear_mixer(x, **grid):
    """GAIN e^(i TURN) on every mode, from each channel to the other of its block; its biases keep ReLU in one piece."""
    identity, swap = np.eye(2), np.eye(2)[::-1]
    w2 = GAIN * np.exp(1j * TURN) * swap
    offset = 50.0
    b2 = -(offset * (1 + 1j) * np.ones(2)) @ w2
    weights = {
        "w1": np.stack([identity, np.zeros((2, 2))]),
        "b1": np.full((2, 2), offset),
        "w2": np.stack([w2.real, w2.imag]),
        "b2": np.stack([b2.real, b2.imag]),
    }
    return _mixer(weights, x, threshold=0.0, **grid)


def plain_mixer(x, **grid):
    """Nothing but ReLU and soft shrinkage on every mode."""
    identity = np.stack([np.eye(2), np.zeros((2, 2))])
    weights = {"w1": identity, "b1": np.zeros((2, 2)), "w2": identity, "b2": np.zeros((2, 2))}
    return _mixer(weights, x, threshold=THRESHOLD, **grid)


def _mixer(weights, x, **others):
    repeated = {name: np.stack([values] * BLOCKS, axis=1).astype(np.float32) for name, values in weights.items()}
    return {"x": x.astype(np.float32), **repeated, **others}


def sequence_angles(tokens):
    """2 pi k n / N for every mode k between the mean and the highest: (tokens, modes)."""
    return 2 * np.pi * np.outer(np.arange(tokens), np.arange(1, (tokens + 1) // 2)) / tokens


def plane_angles(rows, columns):
    """2 pi (p i / rows + q j / columns), q between the mean and the highest, over columns, then rows; and every q."""
    j, i = np.divmod(np.arange(rows * columns), rows)
    p, q = (index.ravel() for index in np.meshgrid(np.arange(rows), np.arange(1, (columns + 1) // 2)))
    return 2 * np.pi * (np.outer(i, p) / rows + np.outer(j, q) / columns), q


SEQUENCES = (5, 12, 47, 60, 128, 135)
ROWS, COLUMNS = 6, 15
KEPT_COLUMNS = ROWS // 2 + 1
PLANE = {"grid": np.array([ROWS, COLUMNS]), "kept_columns": KEPT_COLUMNS}
ENDS = np.stack([np.zeros(12), np.pi * np.arange(12)], axis=1)
"""Angles of the mean and of the highest mode of twelve tokens, which have no phase."""

MIXERS = {
    **{f"linear-{n}": linear_mixer(waves(sequence_angles(n))) for n in SEQUENCES},
    **{f"plain-{n}": plain_mixer(waves(sequence_angles(n))) for n in SEQUENCES},
    "linear-ends": linear_mixer(waves(ENDS, (0.0, 0.0))),
    "linear-sum": linear_mixer(waves(sequence_angles(60)).sum(1, keepdims=True)),
    "linear-plane": linear_mixer(waves(plane_angles(ROWS, COLUMNS)[0]), **PLANE),
    "plain-plane": plain_mixer(waves(plane_angles(ROWS, COLUMNS)[0]), **PLANE),
}
COMPILED_MIXERS = ("linear-47", "plain-60", "linear-plane", "plain-plane")
