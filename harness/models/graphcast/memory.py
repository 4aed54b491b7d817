"""What a backward pass through GraphCast keeps, counted from its configuration without building the graphs.

That is operator by operator, as on a device, or with rows in tiles, as in PyTorch on a CPU (harness.models.tiling).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.models.activations import Activations, Block, Kept, total
from harness.models.domain import Domain
from harness.models.graphcast.config import NODE_FEATURES, Network, input_spec
from harness.models.tiling import takes_tiles
from harness.scenario.execution import Execution

THIRDS = 3
"""The icosahedron looks the same after a third of a turn about the axis of the Earth."""


def edge_counts(network: Network, points: int) -> tuple[int, int, int]:
    """Edges from grid to mesh, of the multi-mesh, and from mesh to grid, for a number of grid points.

    The last two are exact. A grid point sends to the mesh nodes within a chord r; the cap of that chord is r^2 / 4 of
    the sphere, so that on average points * nodes * r^2 / 4 edges lead to the mesh.
    """
    from harness.models.graphcast.icosphere import longest_edge_after

    chord = network.radius_fraction * longest_edge_after(network.mesh_refinement)
    mesh = 20 * (4 ** (network.mesh_refinement + 1) - 1)
    return round(points * network.mesh_nodes * chord**2 / 4), mesh, 3 * points


def group_size(steps: int) -> int:
    """How many message steps are computed anew together: the root of their number, rounded up."""
    return math.isqrt(steps - 1) + 1


def activations(
    network: Network, domain: Domain, samples: int, execution: Execution, *, tiled: bool = False
) -> Activations:
    """What a backward pass keeps of a step with this number of samples; `tiled` where its rows run in tiles."""
    counted = (_InTiles if tiled else _Counted)(network, domain, samples)
    recompute = execution.recompute
    return counted.in_ranges(recompute.ranges) if recompute.unit == "ranges" else counted.at_once()


def thirds_are_alike(longitude: NDArray[np.float64]) -> bool:
    """Whether columns at these longitudes in degrees fall on one another after a third of a turn."""
    columns, turned = (np.sort(np.round(angle % 360, 6) % 360) for angle in (longitude, longitude + 360 / THIRDS))
    return bool(np.allclose(columns, turned, rtol=0, atol=1e-5))


class _Edges(NamedTuple):
    """Edges of a graph, and how many of them are embedded."""

    number: int
    embedded: int


class _Counted:
    """Blocks by what they are given and keep; rows of width W unless said otherwise."""

    def __init__(self, network: Network, domain: Domain, samples: int) -> None:
        points = math.prod(domain.grid)
        self.width, self.layers, self.steps = network.latent_size, network.hidden_layers, network.message_steps
        self.grid, self.mesh, self.samples = samples * points, samples * network.mesh_nodes, samples
        self.nodes = network.mesh_nodes
        self.to_mesh, self.in_mesh, self.to_grid = edge_counts(network, points)
        self.alike = THIRDS if thirds_are_alike(domain.longitude) else 1
        self.features = domain.inputs(input_spec(network)) + NODE_FEATURES
        self.fields = samples * domain.outputs * points

    def edges(self, count: int, alike: int) -> _Edges:
        """Of so many edges, each `alike` of which look the same from their receivers, all are embedded."""
        return _Edges(count, count)

    def mlp(self, rows: int, *, norm: bool = True) -> Kept:
        """Inside an MLP: of each layer but the first what swish is given and what it gives, and of the LayerNorm."""
        given = self.layers * rows * self.width
        return Kept(products=given, others=given + (rows * (self.width + 2) if norm else 0))

    def rows(self, count: int) -> Kept:
        """Rows that a product is given."""
        return Kept(products=count * self.width)

    def embedding(self, edges: _Edges) -> Kept:
        """Of edges, with what comes out."""
        return self.mlp(edges.embedded) + self.rows(edges.embedded)

    def sent(self, edges: _Edges) -> Kept:
        """Of the MLP of messages; and the messages: their sum keeps them, of which its gradient needs the shape."""
        count = edges.number * self.samples
        return self.mlp(count) + Kept(others=count * self.width)

    def messages(self, edges: _Edges, receivers: int, *, embedded: bool) -> Kept:
        """Of a step: the embedding of edges where they are embedded in it, its MLPs, what receivers get."""
        embedding = self.embedding(edges) if embedded else Kept()
        return total((embedding, self.sent(edges), self.rows(receivers), self.mlp(receivers)))

    def copied(self, receivers: int) -> Kept:
        """What the update of receivers keeps of those that are the same for all samples, beside themselves."""
        return Kept()

    def working(self, rows: int) -> int:
        """Gradients of an MLP over rows while it runs back: of what its LayerNorm gives and is given."""
        return 2 * rows * self.width

    def working_of_messages(
        self, edges: _Edges, senders: int, receivers: int, *, embedded: bool, skip: bool = False
    ) -> int:
        """Gradients of messages over edges, by when the update of the receivers has given back what it kept.

        Where `skip`, it holds a gradient of the edges meanwhile.
        """
        count = edges.number * self.samples
        of_edges = self.working(count) + skip * count * self.width - self.given_back(receivers)
        return max(self.working(receivers), of_edges)

    def given_back(self, receivers: int) -> int:
        """What the update of receivers kept."""
        kept = self.rows(receivers) + self.mlp(receivers)
        return kept.products + kept.others

    def message_steps(self, *, waiting: int, anew: bool = False) -> tuple[Block, ...]:
        """The processor: edges and nodes in, messages inside; the edges are those of one sample in the first step.

        `waiting` are rows of gradients that wait for the processor to run back. The edges that the last step gives are
        dropped; where it is computed `anew`, they are there in the place of their gradient.
        """
        edges = self.edges(self.in_mesh, THIRDS)
        inside = self.messages(edges, self.mesh, embedded=False)

        def step(index: int) -> Block:
            first, last = index == 0, index == self.steps - 1
            skip = anew or not last
            working = self.working_of_messages(edges, self.mesh, self.mesh, embedded=first, skip=skip)
            given = edges.embedded if first else edges.number * self.samples
            return Block(self.rows(given + self.mesh), inside, working + waiting * self.width)

        return tuple(map(step, range(self.steps)))

    def group(self, steps: tuple[Block, ...]) -> Block:
        """Steps that are computed anew together, then each for itself."""
        given = total(step.inputs for step in steps)
        return Block(steps[0].inputs, given + steps[0].inside, steps[0].working)

    def outside(self) -> Kept:
        """Of the embedding of the mesh, and the error of the loss."""
        return self.mlp(self.nodes) + Kept(products=self.nodes * self.features, others=self.fields)

    def at_once(self) -> Activations:
        """Every array whole."""
        of_grid = Kept(products=self.grid * self.features)
        sent, received = self.edges(self.to_mesh, self.alike), self.edges(self.to_grid, self.alike)
        encoder = self.messages(sent, self.mesh, embedded=True) + self.copied(self.mesh)
        decoder = self.messages(received, self.grid, embedded=True)
        encoding = self.working_of_messages(sent, self.grid, self.mesh, embedded=True)
        decoding = self.working_of_messages(received, self.mesh, self.grid, embedded=True)
        blocks = (
            Block(of_grid, self.mlp(self.grid), self.working(self.grid)),
            Block(self.rows(self.grid + self.nodes), encoder, encoding + self.grid * self.width),
            *self.message_steps(waiting=self.grid),
            Block(Kept(), self.mlp(self.grid), self.working(self.grid)),
            Block(self.rows(self.grid + self.mesh), decoder, decoding),
            Block(self.rows(self.grid), self.mlp(self.grid, norm=False), self.working(self.grid)),
        )
        embedding = self.mlp(self.edges(self.in_mesh, THIRDS).embedded)
        return Activations(self.outside() + embedding, blocks, 3 * self.fields)

    def in_ranges(self, count: int) -> Activations:
        """Of each range what it is given is kept: its fields, a copy of them, and the mesh."""
        size = group_size(self.steps)
        points = -(-self.grid // count)
        sent, received = (self.edges(-(-edges // count), self.alike) for edges in (self.to_mesh, self.to_grid))
        embedded = Kept(products=points * self.features) + self.mlp(points) + self.rows(points)
        sending = total((embedded, self.embedding(sent), self.sent(sent)))
        receiving = total(
            (
                embedded,
                self.mlp(points),
                self.rows(2 * points),
                self.messages(received, points, embedded=True),
                self.mlp(points, norm=False),
            )
        )
        steps = self.message_steps(waiting=0, anew=True)
        blocks = (
            Block(Kept(), sending, self.working_of_messages(sent, points, 0, embedded=True)),
            *(self.group(steps[at : at + size]) for at in range(0, len(steps), size)),
            Block(
                self.rows(self.mesh), receiving, self.working_of_messages(received, self.mesh, points, embedded=True)
            ),
        )
        update = total((self.rows(self.mesh), self.copied(self.mesh), self.mlp(self.mesh)))
        return Activations(self.outside() + update, blocks, 3 * self.fields, recomputes=True)


class _InTiles(_Counted):
    """The same where MLPs and messages of more rows than one tile holds run a tile at a time.

    Then nothing is kept of what swish gives, nor messages, and edges that look alike are embedded once.
    """

    def edges(self, count: int, alike: int) -> _Edges:
        return _Edges(count, -(-count // alike) if takes_tiles(count, self.width) else count)

    def mlp(self, rows: int, *, norm: bool = True) -> Kept:
        """Of each layer but the first what swish is given, and of the LayerNorm."""
        if not takes_tiles(rows, self.width):
            return super().mlp(rows, norm=norm)
        return Kept(products=self.layers * rows * self.width, others=rows * (self.width + 2) if norm else 0)

    def sent(self, edges: _Edges) -> Kept:
        count = edges.number * self.samples
        if takes_tiles(edges.number, self.width):
            return Kept(products=self.layers * count * self.width, others=count * (self.width + 2))
        return super().mlp(count) + Kept(others=count * self.width)

    def copied(self, receivers: int) -> Kept:
        """A row for each sample."""
        return self.rows(receivers) if self.samples > 1 and takes_tiles(receivers, self.width) else Kept()

    def working_of_messages(
        self, edges: _Edges, senders: int, receivers: int, *, embedded: bool, skip: bool = False
    ) -> int:
        """Gradients of the update: of what it gives and of both that it is given. Then, when what it kept is gone:

        of what receivers get and of the receivers, of both ends in the first product, and of the edges, twice where
        they are embedded.
        """
        if not takes_tiles(edges.number, self.width):
            return super().working_of_messages(edges, senders, receivers, embedded=embedded, skip=skip)
        count = edges.number * self.samples
        of_edges = 2 * edges.embedded if embedded else count
        of_messages = (3 * receivers + senders + of_edges + skip * count) * self.width - self.given_back(receivers)
        return max(3 * receivers * self.width, of_messages)
