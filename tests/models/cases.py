"""What the tests ask of the frameworks: networks with weights, batches and training stages.

A case is added to the common parity run (test_parity.py: predictions, gradients and, with stages, the loss of every
step in all frameworks and executions) by an entry in PARITY. It needs

- `architecture`: the importable name of the package, `network`: its hyperparameters and `grid`;
- `channels`: name, variable and level of each, `forcings` and `statics`: names, as the domain lists them; without
  `channels` they are variables of their own, as many as the mask has;
- `execution`: groups of the execution that are not as the run has them;
- `compiled`: whether MindSpore compiles it, too, which takes seconds for each graph; `evaluated`: whether the loss is
  asked for without an update, too;
- `arrays`, in which P is the number of batches and training step k of a stage uses batch k % P:

      mask             (C, H, W), or anything that broadcasts from (C, 1, 1)
      inputs           (P, B, inputs, H, W), channels in the order of Domain
      targets          (P, steps, B, C, H, W), 0 at masked points, for the longest rollout of the stages
      forcings         (P, steps - 1, B, F', H, W), those of the later steps of a rollout; absent where there are none
      extras/NAME      (P, ...), entry k goes to the network with batch k, in the order of the names; absent without
      latitude, longitude, residual_scale    of the domain; absent: equally spaced, and 1
      weights/NAME     every parameter
"""

from dataclasses import dataclass, field, replace

import numpy as np
from aigoms_cases import BATCH, FIXED, FORCED, INPUTS, OUTPUTS, SMALL, order, weights
from domains import make_domain

ADAM = {"name": "adam"}
ADAMW = {"name": "adamw", "weight_decay": 0.1, "beta2": 0.95}


@dataclass(frozen=True)
class Stage:
    """A part of the training; the learning rate falls along a cosine."""

    optimiser: dict
    rollout_steps: int = 1
    steps: int = 50
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Case:
    """Everything that a framework is given; arrays by the names above."""

    network: dict
    grid: tuple[int, int]
    arrays: dict
    stages: tuple[Stage, ...] = ()
    architecture: str = "harness.models.fourcastnet"
    channels: tuple[tuple[str, str, float | None], ...] = ()
    forcings: tuple[str, ...] = ()
    statics: tuple[str, ...] = ()
    execution: dict = field(default_factory=dict)
    compiled: bool = True
    evaluated: bool = False

    @property
    def domain(self):
        names = {"latitude", "longitude", "residual_scale"} & self.arrays.keys()
        return make_domain(
            self.grid,
            self.arrays["mask"],
            channels=self.channels,
            forcings=self.forcings,
            statics=self.statics,
            **{name: self.arrays[name] for name in names},
        )

    @property
    def weights(self):
        return {name.removeprefix("weights/"): v for name, v in self.arrays.items() if name.startswith("weights/")}

    def with_weights(self, weights):
        others = {name: values for name, values in self.arrays.items() if not name.startswith("weights/")}
        return replace(self, arrays={**others, **{f"weights/{name}": values for name, values in weights.items()}})


def shapes(network, grid, channels):
    """Names and shapes as in the reference's afnonet.py."""
    width, p, blocks = network["embed_dim"], network["patch_size"], network.get("num_blocks", 8)
    size, hidden = width // blocks, int(width * network.get("mlp_ratio", 4.0))
    found = {
        "pos_embed": (1, (grid[0] // p) * (grid[1] // p), width),
        "patch_embed.proj.weight": (width, channels, p, p),
        "patch_embed.proj.bias": (width,),
        "head.weight": (channels * p * p, width),
    }
    for at in (f"blocks.{index}" for index in range(network["depth"])):
        found |= {f"{at}.{norm}.{part}": (width,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
        found |= {f"{at}.filter.{w}": (2, blocks, size, size) for w in ("w1", "w2")}
        found |= {f"{at}.filter.{b}": (2, blocks, size) for b in ("b1", "b2")}
        found |= {f"{at}.mlp.fc1.weight": (hidden, width), f"{at}.mlp.fc1.bias": (hidden,)}
        found |= {f"{at}.mlp.fc2.weight": (width, hidden), f"{at}.mlp.fc2.bias": (width,)}
    return found


def fourcastnet(network, grid, *stages, channels=3, batch=2):
    """Weights that leave no part of the network small, four batches under a mask, targets for two steps ahead."""
    random = np.random.default_rng(0)
    mask = random.random((channels, *grid)) > 0.15
    arrays = {
        "mask": mask,
        "inputs": (random.standard_normal((4, batch, channels, *grid)) * mask).astype(np.float32),
        "targets": (random.standard_normal((4, 2, batch, channels, *grid)) * mask).astype(np.float32),
    }
    for name, shape in shapes(network, grid, channels).items():
        centre = 1.0 if name.endswith(("norm1.weight", "norm2.weight")) else 0.0
        spread = 0.3 if ".filter." in name else 0.1
        arrays[f"weights/{name}"] = (centre + spread * random.standard_normal(shape)).astype(np.float32)
    return Case(network, grid, arrays, stages)


THIRDS = {"patch_size": 3, "embed_dim": 32, "depth": 2, "num_blocks": 4}
ODD = {"patch_size": 2, "embed_dim": 24, "depth": 1, "num_blocks": 3, "mlp_ratio": 2.0}
FULL = {"patch_size": 2, "embed_dim": 32, "depth": 1, "sparsity_threshold": 0.2}
HALF = {**FULL, "hard_thresholding_fraction": 0.5}

FFT, GATHERED = {"operators": {"spectral": "fft"}}, {"operators": {"segment_sum": "gathered"}}

FOURCASTNET = {
    "tokens-11x12": replace(fourcastnet(THIRDS, (33, 36), Stage(ADAM)), compiled=False),
    "tokens-7x9": fourcastnet(ODD, (14, 18), Stage(ADAMW)),
    "tokens-7x9-fft": replace(fourcastnet(ODD, (14, 18)), execution=FFT, compiled=False),
    "half-the-modes": fourcastnet(HALF, (12, 40), Stage(ADAMW, rollout_steps=2), batch=1),
    "half-the-modes-fft": replace(fourcastnet(HALF, (12, 40), batch=1), execution=FFT),
    "tall": replace(fourcastnet(FULL, (32, 12)), evaluated=True),
}


def linear():
    """Gradients from a hundredth of epsilon to a hundred, with changes of sign and, in the last channel, a mask."""
    random = np.random.default_rng(1)
    scale = np.array([1e-10, 1e-8, 1e-6, 1e-3, 1.0, 100.0, 1.0])[:, None, None]
    arrays = {
        "mask": np.array([True] * 6 + [False])[:, None, None],
        "inputs": ((random.standard_normal((7, 2, 7, 1, 1)) + 0.3) * scale).astype(np.float32),
        "targets": random.standard_normal((7, 2, 2, 7, 1, 1)).astype(np.float32),
        "weights/weight": random.standard_normal(7).astype(np.float32),
    }
    stages = (
        Stage(ADAM, steps=40, learning_rate=1e-2),
        Stage(ADAMW, steps=40, learning_rate=1e-2),
        Stage({**ADAMW, "epsilon": 1e-5}, steps=20, learning_rate=1e-2, rollout_steps=2),
    )
    return Case({}, (1, 1), arrays, stages, architecture="linear")


LINEAR = {"linear": linear()}


def carry(*stages):
    """Two states in, forcings before, at and after the step, a static field; two batches from one run of states each.

    Step 0 of a rollout is at time 1 of `carry_timeline`.
    """
    states, forcing, static = carry_timeline()
    random = np.random.default_rng(3)
    mask = states[0, 0, 0] != 0
    first = [forcing[:, time : time + 3].transpose(0, 2, 1, 3, 4, 5) for time in (0, 1)]
    forced = [values.reshape(*values.shape[:2], -1, *values.shape[4:]) for values in first]
    batch = states.shape[2]
    arrays = {
        "mask": mask,
        "residual_scale": np.array([0.5, 0.2], np.float32),
        "inputs": np.concatenate(
            [states[:, 1], states[:, 0], forced[0], np.broadcast_to(static, (2, batch, *static.shape))], axis=2
        ),
        "targets": states[:, 2:4],
        "forcings": forced[1][:, None],
        "extras/gain": random.uniform(0.5, 1.5, (2, batch)).astype(np.float32),
        "weights/weight": (0.5 * random.standard_normal((2, 8))).astype(np.float32),
        "weights/bias": random.standard_normal(2).astype(np.float32),
    }
    return Case({}, (3, 4), arrays, stages, architecture="carry", forcings=("sun",), statics=("height",))


def carry_timeline():
    """States (P, T, B, C, H, W), 0 under a mask, a forcing (P, T, B, 1, H, W) and a static field (1, H, W)."""
    random = np.random.default_rng(4)
    mask = random.random((2, 3, 4)) > 0.2
    states = (random.standard_normal((2, 4, 3, 2, 3, 4)) * mask).astype(np.float32)
    forcing, static = random.standard_normal((2, 4, 3, 1, 3, 4)), random.standard_normal((1, 3, 4))
    return states, forcing.astype(np.float32), static.astype(np.float32)


CARRY = {
    "carry": carry(Stage({**ADAMW, "clip_norm": 0.05}, rollout_steps=2, learning_rate=1e-2)),
    "carry-unclipped": replace(
        carry(Stage({**ADAMW, "clip_norm": 1e3}, rollout_steps=2, learning_rate=1e-2)), compiled=False
    ),
}


SHALLOW = {**SMALL, "depth": 1}


def aigoms(ratio, *stages):
    """60 tokens, other ones of them hidden in each of three batches; two steps, forced."""
    random, grid, tokens = np.random.default_rng(5), (12, 20), 60
    mask = random.random((OUTPUTS, *grid)) > 0.3
    orders = [order(tokens, int(tokens * (1 - ratio)), random) for _ in range(3)]
    arrays = {
        "mask": mask,
        "inputs": random.standard_normal((3, BATCH, INPUTS, *grid)).astype(np.float32),
        "targets": (random.standard_normal((3, 2, BATCH, OUTPUTS, *grid)) * mask).astype(np.float32),
        "forcings": random.standard_normal((3, 1, BATCH, len(FORCED), *grid)).astype(np.float32),
        "extras/1-keep": np.stack([keep for keep, _ in orders]),
        "extras/2-restore": np.stack([restore for _, restore in orders]),
        **weights(SHALLOW, random),
    }
    network = {**SHALLOW, "masking": [{"last_epoch": 1, "ratio": ratio}]}
    return Case(network, grid, arrays, stages, "harness.models.aigoms", forcings=FORCED, statics=FIXED)


AIGOMS = {"aigoms-45-of-60": aigoms(0.25, Stage(ADAM, rollout_steps=2, steps=24))}
"""What only a training has: forcings in a rollout, and other tokens in each batch. The network itself is in aigoms/."""


def graphcast_shapes(network, inputs, outputs):
    """Names and shapes of the MLPs that google-deepmind/graphcast builds, without its unused one in the decoder."""
    width, hidden = network["latent_size"], network.get("hidden_layers", 1)
    steps = [f"processor.steps.{index}" for index in range(network["message_steps"])]
    mlps = {"grid_embedding": inputs + 3, "mesh_embedding": inputs + 3, "grid_update": width, "head": width}
    mlps |= {f"{at}.edge_embedding": 4 for at in ("encoder", "processor", "decoder")}
    for at in ("encoder.step", "decoder.step", *steps):
        mlps |= {f"{at}.edge_update": 3 * width, f"{at}.node_update": 2 * width}
    found = {}
    for name, features in mlps.items():
        sizes = [features] + hidden * [width] + [outputs if name == "head" else width]
        for layer in range(hidden + 1):
            found[f"{name}.layers.{layer}.weight"] = (sizes[layer + 1], sizes[layer])
            found[f"{name}.layers.{layer}.bias"] = (sizes[layer + 1],)
        if name != "head":
            found |= {f"{name}.norm.{part}": (width,) for part in ("weight", "bias")}
    return found


def graphcast(network, latitude, longitude, *stages, batch=2):
    """Surface fields and two levels of another under a mask, a forcing at three times and a static field.

    A rollout of two steps has forcings for both.
    """
    random = np.random.default_rng(5)
    channels = (("t2m", "t2m", None), ("msl", "msl", None), ("z250", "z", 250.0), ("z750", "z", 750.0))
    grid, outputs, inputs = (len(latitude), len(longitude)), len(channels), 2 * len(channels) + 3 + 1
    mask = random.random((outputs, *grid)) > 0.1
    arrays = {
        "mask": mask,
        "latitude": np.asarray(latitude, dtype=np.float64),
        "longitude": np.asarray(longitude, dtype=np.float64),
        "residual_scale": np.array([0.5, 0.2, 0.8, 0.3], np.float32),
        "inputs": random.standard_normal((4, batch, inputs, *grid)).astype(np.float32),
        "targets": (random.standard_normal((4, 2, batch, outputs, *grid)) * mask).astype(np.float32),
        "forcings": random.standard_normal((4, 1, batch, 3, *grid)).astype(np.float32),
    }
    arrays["inputs"][:, :, : 2 * outputs] *= np.concatenate([mask, mask])
    for name, shape in graphcast_shapes(network, inputs, outputs).items():
        centre = 1.0 if name.endswith("norm.weight") else 0.0
        spread = 0.1 if len(shape) == 1 else shape[1] ** -0.5
        arrays[f"weights/{name}"] = (centre + spread * random.standard_normal(shape)).astype(np.float32)
    package = "harness.models.graphcast"
    return Case(network, grid, arrays, stages, package, channels=channels, forcings=("sun",), statics=("height",))


CLIPPED = {**ADAMW, "clip_norm": 32.0}
GRAPHCAST = {
    "graphcast-poles": graphcast(
        {"mesh_refinement": 1, "latent_size": 16, "message_steps": 1},
        np.linspace(90, -90, 9),
        np.arange(16) * 22.5,
        Stage(CLIPPED, rollout_steps=2, steps=24),
    ),
    "graphcast-two-layers": replace(
        graphcast(
            {"mesh_refinement": 1, "latent_size": 12, "message_steps": 1, "hidden_layers": 2},
            np.arange(-84.375, 90, 11.25),
            np.arange(12) * 30.0,
            batch=1,
        ),
        execution=GATHERED,
    ),
    "graphcast-refined": replace(
        graphcast(
            {
                "mesh_refinement": 2,
                "latent_size": 16,
                "message_steps": 3,
                "radius_fraction": 0.7,
                "mesh_to_grid_length": 0.6180338738074472,
            },
            np.linspace(-80, 80, 12),
            np.arange(20) * 18.0,
            Stage(CLIPPED, steps=2),
            batch=3,
        ),
        execution=GATHERED,
        compiled=False,
    ),
}

PIECES = {"graphcast-poles": 2, "graphcast-two-layers": 2, "graphcast-refined": 7}
IN_PIECES = {
    f"{name}-pieces": replace(
        GRAPHCAST[name],
        execution={**GRAPHCAST[name].execution, "recompute": {"unit": "ranges", "ranges": pieces}},
        stages=tuple(replace(stage, steps=2) for stage in GRAPHCAST[name].stages),
        compiled=name == "graphcast-two-layers",
    )
    for name, pieces in PIECES.items()
}
"""Cases of GRAPHCAST in so many pieces, trained until the loss tells of an update."""

PARITY = {**FOURCASTNET, **CARRY, **AIGOMS, **GRAPHCAST}
TRAINED = {name: case for name, case in PARITY.items() if case.stages}

_TINY = fourcastnet({"patch_size": 2, "embed_dim": 8, "depth": 1}, (4, 4))
WRONG_WEIGHTS = {
    "head.weight": _TINY.with_weights({k: v for k, v in _TINY.weights.items() if k != "head.weight"}),
    "norm.weight": _TINY.with_weights({**_TINY.weights, "norm.weight": np.ones(8, np.float32)}),
    "pos_embed": _TINY.with_weights({**_TINY.weights, "pos_embed": _TINY.weights["pos_embed"].transpose(0, 2, 1)}),
}
"""Weights that no network may accept, by the name that is missing, that it does not have, or whose shape is another."""
