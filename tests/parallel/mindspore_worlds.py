"""What the ranks of MindSpore are given: batches of all ranks, of which each takes its own samples."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.models.parameters import draw
from harness.scenario.schema import OptimiserConfig
from tests.models.domains import make_domain

RANKS, OF_RANK, BATCHES, CHANNELS = 2, 2, 2, 3
ROWS, COLUMNS = 4, 6
STEPS, FEW = 50, 2
NETWORKS = {
    "fourcastnet": {"patch_size": 2, "embed_dim": 8, "depth": 1, "num_blocks": 2},
    "aigoms": {
        "patch_size": 2,
        "embed_dim": 8,
        "decoder_embed_dim": 8,
        "depth": 1,
        "decoder_depth": 1,
        "num_blocks": 2,
        "masking": [{"last_epoch": 1, "ratio": 0.5}],
    },
    "graphcast": {"mesh_refinement": 0, "latent_size": 8, "message_steps": 1},
}
MEANS = ("fourcastnet", "graphcast")
"""Networks whose ranks have equal numbers of terms, so that the gradients of all are the means of the ranks' own."""
FEW_STEPS = [
    *((model, way) for model in ("fourcastnet", "aigoms") for way in ("data", "sharded")),
    ("graphcast", "sharded"),
]
ROLLOUT_STEPS = {"fourcastnet": 1, "aigoms": 2, "graphcast": 1}
REFERENCE = {"fourcastnet": 0, "aigoms": 1, "graphcast": 0}
"""The rank that trains a network alone, for all to compare with."""
ADAMW = OptimiserConfig(name="adamw", weight_decay=0.1, clip_norm=0.5, epsilon=0.01)
"""So large an epsilon that clipping tells."""


@dataclass(frozen=True)
class Subject:
    """A network with batches of n ranks: x (P, n B, inputs, H, W), targets (P, steps, n B, C, H, W) and extras."""

    architecture: Any
    network: Any
    domain: Any
    rollout_steps: int
    inputs: Any
    targets: Any
    extras: tuple[Any, ...]

    def weights(self):
        return draw(self.architecture.parameters(self.network, self.domain), 0)

    def batch(self, number, samples):
        """x, targets and extras of some samples."""
        x, targets = self.inputs[number % BATCHES][samples], self.targets[number % BATCHES][:, samples]
        return np.ascontiguousarray(x), np.ascontiguousarray(targets), tuple(each[samples] for each in self.extras)


def subject(model, rollout_steps=None):
    """A network of which each target is half of the state before, with noise.

    In AI-GOMS a channel of the last sample is 0 everywhere in the last step and does not count, so that ranks have
    different numbers of terms.
    """
    architecture = importlib.import_module(f"harness.models.{model}")
    network, steps = architecture.Network(**NETWORKS[model]), rollout_steps or ROLLOUT_STEPS[model]
    domain = make_domain((ROWS, COLUMNS), CHANNELS)
    random = np.random.default_rng(7)
    samples = RANKS * OF_RANK
    inputs = random.standard_normal(
        (BATCHES, samples, domain.inputs(architecture.input_spec(network)), ROWS, COLUMNS)
    ).astype(np.float32)
    targets = 0.3 * random.standard_normal((BATCHES, steps, samples, CHANNELS, ROWS, COLUMNS))
    targets = (targets + 0.5 * inputs[:, None, :, :CHANNELS]).astype(np.float32)
    if model == "aigoms":
        targets[:, -1, -1, 0] = 0
    extras = architecture.training_extras(network, domain, samples, 0, random)
    return Subject(architecture, network, domain, steps, inputs, targets, extras)
