"""Tiny networks with batches that ranks divide: what is trained here by one process and by several."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.models.parameters import draw
from harness.scenario.schema import OptimiserConfig
from tests.models.domains import make_domain

GRID, CHANNELS, SAMPLES, BATCHES = (8, 12), 3, 4, 3
STAGES = ((1, 20), (2, 30))
"""Steps of a rollout, and how many training steps have it."""
STEPS = sum(steps for _, steps in STAGES)
HIDDEN_FROM = 2
"""The training step from which AI-GOMS hides tokens: before, its mask token is not used."""
RATE = 5e-3
OPTIMISER = OptimiserConfig(name="adamw", weight_decay=0.1, clip_norm=0.5)
NETWORKS = {
    "fourcastnet": {"patch_size": 2, "embed_dim": 16, "depth": 1, "num_blocks": 2},
    "aigoms": {
        "patch_size": 2,
        "embed_dim": 16,
        "decoder_embed_dim": 8,
        "depth": 1,
        "decoder_depth": 1,
        "num_blocks": 2,
        "masking": [{"last_epoch": 1, "ratio": 0.5}],
    },
    "graphcast": {"mesh_refinement": 1, "latent_size": 16, "message_steps": 1},
}
KINDS = ("data", "sharded_optimiser", "sharded")
FEW = 3
"""Training steps where a kind is not run for all of them."""
OVERFLOWS_AT = 2
"""The step in which one rank alone is beyond float16."""
STATES = {"fourcastnet": 1, "aigoms": 1, "graphcast": 2}


@dataclass(frozen=True)
class Subject:
    """`inputs` (P, N, inputs, H, W), `targets` (P, 2, N, C, H, W), `forcings` (P, 1, N, F', H, W) or None.

    `extras` (P, ...) are those of a training step that hides tokens.
    """

    architecture: Any
    network: Any
    domain: Any
    inputs: Any
    targets: Any
    forcings: Any
    extras: tuple[Any, ...]
    weights: dict[str, Any]


def subject(model):
    """A network that learns half of its newest state; in AI-GOMS's batches one sample has a channel without values."""
    architecture = importlib.import_module(f"harness.models.{model}")
    network = architecture.Network(**NETWORKS[model])
    named = {} if model == "fourcastnet" else {"forcings": ("sun",), "statics": ("height",)}
    random = np.random.default_rng(11)
    mask = random.random((CHANNELS, *GRID)) > 0.1
    domain = make_domain(GRID, mask, **named)
    inputs = domain.inputs(architecture.input_spec(network))
    x = random.standard_normal((BATCHES, SAMPLES, inputs, *GRID)).astype(np.float32)
    newest = x[:, None, :, :CHANNELS] * mask
    targets = np.concatenate([0.5 * newest, 0.25 * newest], axis=1).astype(np.float32)
    if model == "aigoms":
        targets[:, :, -1, 0] = 0
    forced = inputs - STATES[model] * CHANNELS - len(domain.statics)
    forcings = random.standard_normal((BATCHES, 1, SAMPLES, forced, *GRID)).astype(np.float32) if named else None
    drawn = [architecture.training_extras(network, domain, SAMPLES, 1, random) for _ in range(BATCHES)]
    extras = tuple(np.stack(each) for each in zip(*drawn, strict=True))
    weights = draw(architecture.parameters(network, domain), 1)
    return Subject(architecture, network, domain, x, targets, forcings, extras, weights)


def built(framework, found):
    """The framework with the network and its weights."""
    framework.build(found.architecture, found.network, found.domain)
    framework.load(found.weights)
    return framework


def batch(framework, found, number, rollout=1):
    """What this rank is given of a batch: inputs, targets, forcings, extras, on the device."""
    rank = framework.ranks.rank
    share = SAMPLES // rank.size
    own = slice(rank.number * share, (rank.number + 1) * share)
    put = lambda values: framework.put(np.ascontiguousarray(values))  # noqa: E731
    place = number % BATCHES
    forcings = None if found.forcings is None or rollout == 1 else put(found.forcings[place, :, own])
    extras = tuple(put(each[place, own]) for each in found.extras)
    return put(found.inputs[place, own]), put(found.targets[place, :rollout, own]), forcings, extras


def mean_over_ranks(framework, loss):
    """The loss of the batches of all ranks."""
    ranks = framework.ranks
    return float(ranks.sum(np.array([float(framework.get(loss))]))[0]) / ranks.rank.size


def trained(framework, found, steps=STEPS):
    """The losses of a training from the first weights."""
    losses = []
    for rollout, its_steps in STAGES:
        framework.start_stage(OPTIMISER, np.full(its_steps, RATE), rollout)
        for _ in range(its_steps):
            number = len(losses)
            if number == steps:
                return np.array(losses)
            x, targets, forcings, extras = batch(framework, found, number, rollout)
            extras = extras if number >= HIDDEN_FROM else ()
            losses.append(mean_over_ranks(framework, framework.train_step(x, targets, forcings, extras)))
    return np.array(losses)


def slopes(framework, found, *, hidden):
    """Loss over all ranks, and gradients, of the first batch, with tokens hidden or not."""
    x, targets, _, extras = batch(framework, found, 0)
    local, gradients = framework.gradients(x, targets[0], extras if hidden else ())
    loss = float(framework.ranks.sum(np.array([local]))[0]) / framework.ranks.rank.size
    return {"loss": np.array(loss), **{f"gradients/{name}": values for name, values in gradients.items()}}
