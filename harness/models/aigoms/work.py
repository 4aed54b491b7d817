"""The operators of AI-GOMS, with what they compute and move."""

import math

from harness.models.aigoms.config import Network, input_spec
from harness.models.domain import Domain
from harness.models.operations import (
    Layer,
    Layers,
    Part,
    added,
    blocks_anew,
    elementwise,
    gathered,
    least_products,
    moved,
    normalised,
    reduction,
)
from harness.models.operators.spectral import factors
from harness.models.token_operations import Plane, token_block
from harness.scenario.execution import EAGER, Execution


def operations(
    network: Network, domain: Domain, samples: int, execution: Execution, *, epoch: int | None, later: bool
) -> tuple[Part, ...]:
    """The network on some samples, with the tokens hidden of an epoch of the training, or none where it is None.

    `later` is a step of a rollout whose input has a gradient.
    """
    ratio = 0.0 if epoch is None else network.masking_ratio(epoch)
    return _operations(network, domain, samples, execution, ratio, later=later)


def _operations(
    network: Network, domain: Domain, samples: int, execution: Execution, ratio: float, *, later: bool
) -> tuple[Part, ...]:
    count = Layers(execution)
    tokens, seen = network.tokens(domain.grid), network.kept_tokens(domain.grid, ratio)
    width, decoder, patch = network.embed_dim, network.decoder_embed_dim, network.patch_size**2
    rows, seen_rows = samples * tokens, samples * seen
    given, predicted = domain.inputs(input_spec(network)) * patch, domain.outputs * patch

    def blocks(length: int, width: int, depth: int) -> Part:
        columns, along = factors(length)
        plane = Plane(columns, along, columns // 2 + 1, along, matrix_for_each_column=True)
        fast = execution.operators.spectral == "fft"
        if fast:
            plane = Plane(length, 1, length // 2 + 1, 1)
        hidden = network.hidden(width)
        layers = token_block(count, plane, samples, width, hidden, network.num_blocks, fast=fast)
        return Part(layers, depth, blocks_anew(execution))

    embedding = (
        moved(rows * given, needed=later),
        count.linear(rows, given, width, needed=later),
        added(rows * width, reads=rows * width + tokens * width),
        *((gathered(seen_rows, width, rows),) if ratio else ()),
    )
    between = (
        normalised(seen_rows, width),
        count.linear(seen_rows, width, decoder),
        *((moved(seen_rows * decoder), gathered(rows, decoder, seen_rows + samples)) if ratio else ()),
        added(rows * decoder, reads=rows * decoder + tokens * decoder),
    )
    head = (normalised(rows, decoder), count.linear(rows, decoder, predicted), moved(rows * predicted))
    return (
        Part(embedding),
        blocks(seen, width, network.depth),
        Part(between),
        blocks(tokens, decoder, network.decoder_depth),
        Part(head),
    )


def loss_operations(network: Network, domain: Domain, samples: int) -> Part:
    """The relative norm of the error of every channel of a sample."""
    points = domain.outputs * math.prod(domain.grid)
    fields, channels = samples * points, samples * domain.outputs
    square = elementwise("square", fields, fields, backward_reads=2 * fields)
    total = Layer((reduction(fields, channels),))
    return Part(
        (
            elementwise("subtract", fields, 2 * fields, keeps=False),
            elementwise("multiply", fields, fields + points, backward_reads=fields + points),
            square,
            total,
            Layer(square.forward),
            total,
        )
    )


def forward_flops(network: Network, domain: Domain, *, training: bool) -> int:
    """Of the dense layers, for one sample and step: patches, token MLPs, what lies between them and the head.

    In training the encoder is taken to see as few tokens as the masking ever leaves it.
    """
    ratio = max((phase.ratio for phase in network.masking), default=0.0) if training else 0.0
    return least_products(_operations(network, domain, 1, EAGER, ratio, later=False))
