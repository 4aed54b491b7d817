"""Blocks of a network that a backward pass computes anew, so that only their inputs are kept."""

from functools import partial
from importlib import import_module
from typing import Any

from torch import nn

from harness.models.executing import blocks_of
from harness.models.layers.pytorch import recomputed
from harness.scenario.execution import Recompute


def prepare(recompute: Recompute) -> None:
    """Import what PyTorch's checkpoint imports when it is first called, which would be in a timed step."""
    if recompute.unit in ("blocks", "ranges"):
        import_module("torch._dynamo")


def recompute_blocks(source: Any, network: nn.Module) -> None:
    """Let the backward pass compute each block of a network anew; names and values stay as they are.

    `source` is the module that built the network. Raises UserError where it names no blocks.
    """
    for block in blocks_of(source, network):
        block.forward = partial(recomputed, block.forward)
