"""The operators of GraphCast, with what they compute and move.

How many edges lead from the grid to the mesh is known only once the graph has been drawn: on average it is what
`edge_counts` says.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from harness.models.domain import Domain
from harness.models.graphcast.config import EDGE_FEATURES, NODE_FEATURES, Network, input_spec
from harness.models.graphcast.memory import edge_counts, group_size
from harness.models.operations import (
    Layer,
    Layers,
    Part,
    added,
    blocks_anew,
    elementwise,
    gathered,
    moved,
    normalised,
    reduction,
    silu,
    skip,
    sliced,
    summed_by_receiver,
)
from harness.scenario.execution import Execution

OF_EDGE, OF_NODE = 3, 2
"""Inputs of the MLPs of edges (edge, sender, receiver) and nodes (node, messages)."""


def operations(
    network: Network, domain: Domain, samples: int, execution: Execution, *, epoch: int | None, later: bool
) -> tuple[Part, ...]:
    """The network on some samples; `later` is a step of a rollout whose input has a gradient. Epochs are all alike."""
    counted = _Counted(network, domain, samples, execution, later=later)
    return counted.in_ranges() if execution.recompute.unit == "ranges" else counted.at_once()


def loss_operations(network: Network, domain: Domain, samples: int) -> Part:
    """The weighted square of the error."""
    points = domain.outputs * math.prod(domain.grid)
    fields = samples * points
    return Part(
        (
            elementwise("subtract", fields, 2 * fields, keeps=False),
            elementwise("square", fields, fields, backward_reads=2 * fields),
            elementwise("multiply", fields, fields + points, backward_reads=fields + points),
            Layer((reduction(fields, domain.outputs),)),
        )
    )


class _Counted:
    """Layers by what they are given; rows of width W unless said otherwise."""

    def __init__(self, network: Network, domain: Domain, samples: int, execution: Execution, *, later: bool) -> None:
        self.points = math.prod(domain.grid)
        self.count, self.network, self.samples, self.later = Layers(execution), network, samples, later
        self.width, self.steps = network.latent_size, network.message_steps
        self.grid, self.mesh = samples * self.points, samples * network.mesh_nodes
        self.nodes = network.mesh_nodes
        self.to_mesh, self.in_mesh, self.to_grid = edge_counts(network, self.points)
        self.inputs = domain.inputs(input_spec(network))
        self.outputs = domain.outputs
        self.anew, self.ranges = blocks_anew(execution), execution.recompute.ranges

    def mlp(self, rows: int, features: int, *, needed: bool = True, least: bool = True) -> Iterable[Layer]:
        """An MLP with a LayerNorm."""
        yield self.count.linear(rows, features, self.width, needed=needed, least=least)
        yield from self.finish(rows, least=least)

    def finish(self, rows: int, *, least: bool = True) -> Iterable[Layer]:
        """All that follows the product of the first layer."""
        for _ in range(self.network.hidden_layers):
            yield silu(rows * self.width)
            yield self.count.linear(rows, self.width, self.width, least=least)
        yield normalised(rows, self.width)

    def square(self, rows: int, slices: int, *, bias: bool = False, least: bool = True) -> Layer:
        """One of the slices of a dense layer on several inputs; its gradient becomes part of the whole layer's."""
        layer = self.count.linear(rows, self.width, self.width, bias=bias, least=least)
        return replace(layer, backward=(*layer.backward, *sliced(self.width**2, slices, first=bias)))

    def embedded(self, edges: int) -> Iterable[Layer]:
        """The embedding of edges, the same for all samples."""
        return self.mlp(edges, EDGE_FEATURES, needed=False, least=False)

    def messages(
        self, edges: int, edge_rows: int, senders: int, receivers: int, *, ends: bool, receiving: bool, least: bool
    ) -> Iterable[Layer]:
        """The messages of a step: edges of the graph, rows of edges, senders and receivers that have values.

        `ends` and `receiving`: whether the values of edges, and of receivers, are those of each sample.
        """
        rows, width = edges * self.samples, self.width
        receiver_rows = rows if receiving else edges
        yield self.square(senders, OF_EDGE)
        yield self.square(receivers, OF_EDGE, least=receiving)
        yield gathered(rows, width, senders)
        yield gathered(receiver_rows, width, receivers)
        yield self.sum_of(rows, receiver_rows)
        yield self.square(edge_rows, OF_EDGE, bias=True, least=ends)
        yield self.sum_of(rows, edge_rows)
        yield from self.finish(rows, least=least)

    def sum_of(self, rows: int, fewer: int) -> Layer:
        """Rows with those that are the same for all samples, or that each sample has."""
        width = self.width
        return added(rows * width, reads=(rows + fewer) * width, reduced=fewer * width if fewer < rows else 0)

    def node_change(self, nodes: int, receivers: int, *, least: bool) -> Iterable[Layer]:
        """The update of nodes (rows of all samples) from themselves, of which `receivers` have values."""
        yield self.square(nodes, OF_NODE)
        yield self.square(receivers, OF_NODE, bias=True, least=least)
        yield self.sum_of(nodes, receivers)
        yield from self.finish(nodes)

    def embedding(self, points: int) -> tuple[Layer, ...]:
        """What grid points are given, joined with their features."""
        return (moved(points * (self.inputs + NODE_FEATURES), needed=self.later),)

    def of_grid(self, points: int) -> tuple[Layer, ...]:
        """The embedding of grid points."""
        return tuple(self.mlp(points, self.inputs + NODE_FEATURES, needed=self.later))

    def of_mesh(self) -> Part:
        """The embedding of mesh nodes, the same for all samples."""
        return Part(tuple(self.mlp(self.nodes, self.inputs + NODE_FEATURES, needed=False, least=False)))

    def encoding(self, edges: int, points: int) -> tuple[Layer, ...]:
        """Messages of grid points to the mesh, added up."""
        sent = self.messages(edges, edges, points, self.nodes, ends=False, receiving=False, least=False)
        summed = summed_by_receiver(edges * self.samples, self.width, self.mesh)
        return (*self.embedded(edges), *sent, summed)

    def mesh_change(self) -> tuple[Layer, ...]:
        """The update of the mesh by what it gets of the grid."""
        return (*self.node_change(self.mesh, self.nodes, least=False), skip(self.mesh * self.width))

    def message_step(self, *, first: bool) -> tuple[Layer, ...]:
        """A step on the mesh; the edges are those of one sample in the first."""
        rows = self.in_mesh * self.samples
        given = self.in_mesh if first else rows
        sent = self.messages(self.in_mesh, given, self.mesh, self.mesh, ends=not first, receiving=True, least=True)
        return (
            *sent,
            summed_by_receiver(rows, self.width, self.mesh),
            *self.node_change(self.mesh, self.mesh, least=True),
        )

    def step_skips(self) -> tuple[Layer, ...]:
        """What a step changed is added to edges and nodes."""
        return (skip(self.in_mesh * self.samples * self.width), skip(self.mesh * self.width))

    def processor(self) -> tuple[Part, ...]:
        """The steps on the mesh.

        In ranges a group of steps is computed anew, all but its last, and then each step.
        """
        first, others = self.message_step(first=True), self.message_step(first=False)
        groups = -(-self.steps // group_size(self.steps)) if self.ranges > 1 else 0
        anew, again = (1, 1) if self.ranges > 1 else (self.anew, 0)
        alone = int(self.steps > groups)
        return (
            Part(tuple(self.embedded(self.in_mesh)), anew=int(self.ranges > 1)),
            Part(first, anew=anew, again=again * alone),
            Part(others, self.steps - groups - alone, anew, again),
            Part(others, groups - 1 + alone if groups else 0, anew),
            Part(self.step_skips(), self.steps),
        )

    def update(self, points: int) -> tuple[Layer, ...]:
        """Grid points from themselves alone."""
        return tuple(self.mlp(points, self.width))

    def decoding(self, edges: int, points: int) -> tuple[Layer, ...]:
        """Messages of the mesh to grid points, and their update."""
        sent = self.messages(edges, edges, self.mesh, points, ends=False, receiving=True, least=True)
        return (
            *self.embedded(edges),
            *sent,
            summed_by_receiver(edges * self.samples, self.width, points),
            *self.node_change(points, points, least=True),
            skip(points * self.width),
        )

    def head(self, points: int) -> tuple[Layer, ...]:
        """The change of the state."""
        layers: list[Layer] = []
        for _ in range(self.network.hidden_layers):
            layers += [self.count.linear(points, self.width, self.width), silu(points * self.width)]
        return (*layers, self.count.linear(points, self.width, self.outputs))

    def onto_state(self) -> Part:
        """The change, scaled and added to the newest state."""
        values = self.grid * self.outputs
        scaled = elementwise("multiply", values, values, backward_reads=values)
        return Part((scaled, moved(values), added(values)))

    def at_once(self) -> tuple[Part, ...]:
        """Every array whole."""
        anew, grid = self.anew, self.grid
        return (
            Part(self.embedding(grid)),
            Part(self.of_grid(grid), anew=anew),
            self.of_mesh(),
            Part((*self.encoding(self.to_mesh, grid), *self.mesh_change()), anew=anew),
            *self.processor(),
            Part(self.update(grid), anew=anew),
            Part((skip(grid * self.width),)),
            Part(self.decoding(self.to_grid, grid), anew=anew),
            Part(self.head(grid), anew=anew),
            self.onto_state(),
        )

    def in_ranges(self) -> tuple[Part, ...]:
        """Grid points embedded twice, before and after the processor, a range at a time."""
        points, sent, received = (self.each(count) for count in (self.grid, self.to_mesh, self.to_grid))
        before = (*self.embedding(points), *self.of_grid(points), *self.encoding(sent, points))
        after = (
            *self.embedding(points),
            *self.of_grid(points),
            *self.update(points),
            skip(points * self.width),
            *self.decoding(received, points),
            *self.head(points),
            elementwise("multiply", points * self.outputs, points * self.outputs),
        )
        return (
            self.of_mesh(),
            Part(before, self.ranges, 1),
            Part((added(self.mesh * self.width),), self.ranges - 1),
            Part(self.mesh_change()),
            *self.processor(),
            Part(after, self.ranges, 1),
            Part((moved(self.grid * self.outputs), moved(self.grid * self.outputs))),
            Part((added(self.grid * self.outputs),)),
        )

    def each(self, count: int) -> int:
        """Of all ranges together, the part of one."""
        return -(-count // self.ranges)
