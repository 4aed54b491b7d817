"""Tiny networks with data, the same in every process."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.models.parameters import draw
from tests.models.domains import make_domain

BATCHES, ROWS, COLUMNS, CHANNELS = 4, 8, 12, 3
NETWORKS = {
    "fourcastnet": {"patch_size": 2, "embed_dim": 16, "depth": 1, "num_blocks": 2},
    "aigoms": {
        "patch_size": 2,
        "embed_dim": 16,
        "decoder_embed_dim": 16,
        "depth": 1,
        "decoder_depth": 1,
        "num_blocks": 2,
    },
    "graphcast": {"mesh_refinement": 1, "latent_size": 16, "message_steps": 1},
}
COMPILED = ("fourcastnet",)
"""Those that are run as a graph, too: compiling takes longer than all else here."""
DENSE_SHAPES = {
    "head.weight": (CHANNELS, CHANNELS),
    "head.bias": (CHANNELS,),
    "modes.linear.weight": (CHANNELS, CHANNELS),
    "modes.linear.bias": (CHANNELS,),
    "shift": (1,),
}


@dataclass(frozen=True)
class World:
    """`inputs` (P, B, inputs, H, W) and `targets` (P, 1, B, C, H, W), batch k of P."""

    architecture: Any
    network: Any
    domain: Any
    inputs: Any
    targets: Any

    def weights(self, seed):
        return draw(self.architecture.parameters(self.network, self.domain), seed)


def world(model):
    """A network whose target is half of its newest state, with noise."""
    architecture = importlib.import_module(f"harness.models.{model}")
    network = architecture.Network(**NETWORKS[model])
    domain = make_domain((ROWS, COLUMNS), CHANNELS)
    random = np.random.default_rng(7)
    shape = (BATCHES, 2, domain.inputs(architecture.input_spec(network)), ROWS, COLUMNS)
    inputs = random.standard_normal(shape).astype(np.float32)
    noise = 0.3 * random.standard_normal((*shape[:2], CHANNELS, ROWS, COLUMNS))
    targets = (0.5 * inputs[:, :, :CHANNELS] + noise).astype(np.float32)[:, None]
    return World(architecture, network, domain, inputs, targets)


def dense():
    """The package beside this file, with weights and fields of 13 significant bits: more than float16 holds."""
    architecture = importlib.import_module("tests.precision.dense")
    random = np.random.default_rng(8)

    def values(*shape):
        return (random.integers(4096, 8192, shape) * random.choice([-1, 1], shape) / 4096).astype(np.float32)

    weights = {name: values(*shape) for name, shape in DENSE_SHAPES.items()}
    inputs, targets = values(16, 2, CHANNELS, ROWS, COLUMNS), values(16, 1, 2, CHANNELS, ROWS, COLUMNS)
    domain = make_domain((ROWS, COLUMNS), CHANNELS)
    return World(architecture, architecture.Network(), domain, inputs, targets), weights
