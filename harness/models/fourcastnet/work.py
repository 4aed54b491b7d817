"""The operators of FourCastNet, with what they compute and move."""

import math

from harness.models.domain import Domain
from harness.models.fourcastnet.config import Network
from harness.models.operations import (
    Layer,
    Layers,
    Part,
    added,
    blocks_anew,
    elementwise,
    moved,
    reduction,
)
from harness.models.token_operations import Plane, token_block
from harness.scenario.execution import Execution


def operations(
    network: Network, domain: Domain, samples: int, execution: Execution, *, epoch: int | None, later: bool
) -> tuple[Part, ...]:
    """The network on some samples; `later` is a step of a rollout whose input has a gradient. Epochs are all alike."""
    count = Layers(execution)
    columns_first = network.token_grid(domain.grid)[::-1]
    kept_rows, kept_columns = map(len, network.kept_modes(domain.grid))
    tokens, width = math.prod(columns_first), network.embed_dim
    rows, patch = samples * tokens, domain.outputs * network.patch_size**2
    block = token_block(
        count,
        Plane(*columns_first, kept_columns, kept_rows),
        samples,
        width,
        network.mlp_dim,
        network.num_blocks,
        fast=execution.operators.spectral == "fft",
    )
    embedding = (
        moved(rows * patch, needed=later),
        count.linear(rows, patch, width, needed=later),
        added(rows * width, reads=rows * width + tokens * width, reduced=tokens * width),
    )
    head = (count.linear(rows, width, patch, bias=False), moved(rows * patch))
    return (Part(embedding), Part(block, network.depth, blocks_anew(execution)), Part(head))


def loss_operations(network: Network, domain: Domain, samples: int) -> Part:
    """The relative norm of the error of whole samples."""
    fields, points = samples * domain.outputs * math.prod(domain.grid), domain.outputs * math.prod(domain.grid)
    return Part(
        (
            elementwise("subtract", fields, 2 * fields, keeps=False),
            elementwise("multiply", fields, fields + points, backward_reads=fields + points),
            Layer((reduction(fields, samples),), (elementwise("scale", fields, 2 * fields).forward[0],)),
            Layer((reduction(fields, samples),)),
        )
    )
