"""Ways to run a step in less memory: networks, what each is trained with, and executions that must not change it."""

from dataclasses import replace

import numpy as np
from cases import ADAM, ADAMW, AIGOMS, FOURCASTNET, GRAPHCAST, Stage

BLOCKS = {"recompute": {"unit": "blocks"}}
HALVES = {"accumulation": 2}
EXECUTIONS = {"plain": {}, "blocks": BLOCKS, "halves": HALVES, "both": {**BLOCKS, **HALVES}}
STEPS = 4


def with_an_empty_channel(case):
    """The first sample of every target has a channel that is 0 everywhere, which no loss counts."""
    targets = case.arrays["targets"].copy()
    targets[:, :, 0, 1] = 0
    return replace(case, arrays={**case.arrays, "targets": targets})


def clipped(case, optimiser, clip_norm, **stage):
    return replace(case, stages=(Stage({**optimiser, "clip_norm": clip_norm}, steps=STEPS, **stage),))


NETWORKS = {
    "fourcastnet": (clipped(FOURCASTNET["tokens-7x9"], ADAMW, 0.05), ("plain", "blocks")),
    "aigoms": (
        with_an_empty_channel(clipped(AIGOMS["aigoms-45-of-60"], ADAM, 1e3, rollout_steps=2)),
        ("plain", "halves", "both"),
    ),
    "graphcast": (clipped(GRAPHCAST["graphcast-poles"], ADAMW, 0.5), ("plain", "both")),
}
"""Clipping takes hold in all but the second."""

CASES = {
    f"{name}-{how}": replace(case, execution=EXECUTIONS[how], compiled=name != "aigoms")
    for name, (case, hows) in NETWORKS.items()
    for how in hows
}
CHANGED = {name: case for name, case in CASES.items() if not name.endswith("-plain")}


def plain(name):
    return f"{name.partition('-')[0]}-plain"


SIZES = {
    "fourcastnet": ((64, 128), 6, 2, {"patch_size": 4, "embed_dim": 96, "depth": 3}),
    "aigoms": (
        (64, 128),
        6,
        2,
        {"patch_size": 4, "embed_dim": 64, "depth": 2, "decoder_embed_dim": 96, "decoder_depth": 2, "masking": []},
    ),
    "graphcast": ((36, 72), 4, 2, {"mesh_refinement": 2, "latent_size": 64, "message_steps": 4}),
}
"""Grid, channels, samples and network of what is counted."""

COUNTED = {
    f"{name}-{unit}": (name, {"recompute": recompute})
    for name in SIZES
    for unit, recompute in {"none": {}, "blocks": {"unit": "blocks"}, "ranges": {"unit": "ranges", "ranges": 6}}.items()
    if unit != "ranges" or name == "graphcast"
}
LOW = {f"{name}-{low}": (name, {"precision": {"autocast": low}}) for name in SIZES for low in ("bf16", "fp16")}

TILES = {
    name.replace("graphcast", "graphcast-tiles").removesuffix("-none"): case
    for name, case in COUNTED.items()
    if name.startswith("graphcast")
}
TILE_BYTES = 2**16
"""Of tiles that are small enough for these sizes to need them."""


def fields(inputs, channels, samples, grid):
    """x (B, inputs, H, W) and targets (1, B, C, H, W)."""
    random = np.random.default_rng(0)
    x, targets = (random.standard_normal((samples, count, *grid)).astype(np.float32) for count in (inputs, channels))
    return x, targets[None]
