"""Blocks of a network that a backward pass computes anew, so that only their inputs are kept."""

from typing import Any

from mindspore import nn

from harness.models.executing import blocks_of


def recompute_blocks(source: Any, network: nn.Cell) -> None:
    """Let the backward pass compute each block of a network anew; names and values stay as they are.

    `source` is the module that built the network. Raises UserError where it names no blocks.
    """
    for block in blocks_of(source, network):
        block.recompute()
