"""What a backward pass through GraphCast keeps, counted from its configuration without building the graphs.

That is operator by operator, as on a device. PyTorch on a CPU keeps less where rows run in tiles
(harness.models.tiling).
"""

import math

from harness.models.activations import Activations, Block, Kept, total
from harness.models.domain import Domain
from harness.models.graphcast.config import NODE_FEATURES, Network, input_spec
from harness.scenario.execution import Execution


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


def activations(network: Network, domain: Domain, samples: int, execution: Execution) -> Activations:
    """What a backward pass keeps of a step with this number of samples."""
    counted = _Counted(network, domain, samples)
    recompute = execution.recompute
    return counted.in_ranges(recompute.ranges) if recompute.unit == "ranges" else counted.at_once()


class _Counted:
    """Blocks by what they are given and keep; rows of width W unless said otherwise."""

    def __init__(self, network: Network, domain: Domain, samples: int) -> None:
        points = math.prod(domain.grid)
        self.width, self.layers, self.steps = network.latent_size, network.hidden_layers, network.message_steps
        self.grid, self.mesh, self.samples = samples * points, samples * network.mesh_nodes, samples
        self.nodes = network.mesh_nodes
        self.to_mesh, self.in_mesh, self.to_grid = edge_counts(network, points)
        self.features = domain.inputs(input_spec(network)) + NODE_FEATURES
        self.fields = samples * domain.outputs * points

    def mlp(self, rows: int, *, norm: bool = True) -> Kept:
        """Inside an MLP: of each layer but the first what swish is given and what it gives, and of the LayerNorm."""
        products = 2 * self.layers * rows * self.width
        return Kept(products=products, others=rows * (self.width + 2) if norm else 0)

    def rows(self, count: int) -> Kept:
        """Rows that a product is given."""
        return Kept(products=count * self.width)

    def messages(self, edges: int, receivers: int, *, embedded: bool) -> Kept:
        """Of a step: the edges and their embedding where they are embedded in it, its MLPs, what receivers get.

        The sum of the messages keeps them too, of which its gradient needs the shape alone.
        """
        embedding = total((self.mlp(edges), self.rows(edges))) if embedded else Kept()
        sent = Kept(others=edges * self.samples * self.width)
        return total((embedding, self.mlp(edges * self.samples), sent, self.rows(receivers), self.mlp(receivers)))

    def working(self, rows: int) -> int:
        """Gradients of an MLP over rows while it runs back: of what its LayerNorm gives and is given."""
        return 2 * rows * self.width

    def working_of_messages(self, edges: int, receivers: int, *, waiting: int = 0) -> int:
        """Gradients of messages over edges, by when the update of the receivers has given back what it kept.

        `waiting` are rows of gradients that a skip holds meanwhile.
        """
        given_back = total((self.rows(receivers), self.mlp(receivers)))
        of_edges = self.working(edges) + waiting * self.width - given_back.products - given_back.others
        return max(self.working(receivers), of_edges)

    def message_steps(self) -> tuple[Block, ...]:
        """The processor: edges and nodes in, messages inside; the edges are those of one sample in the first step."""
        edges = self.in_mesh * self.samples
        inside = self.messages(self.in_mesh, self.mesh, embedded=False)
        working = self.working_of_messages(edges, self.mesh, waiting=edges)
        given = [self.in_mesh, *[edges] * (self.steps - 1)]
        return tuple(Block(self.rows(count + self.mesh), inside, working) for count in given)

    def group(self, steps: tuple[Block, ...]) -> Block:
        """Steps that are computed anew together, then each for itself."""
        given = total(step.inputs for step in steps)
        return Block(steps[0].inputs, given + steps[0].inside, steps[0].working)

    def outside(self) -> Kept:
        """Of the embedding of the mesh, and the error of the loss."""
        return total((self.mlp(self.nodes), Kept(products=self.nodes * self.features, others=self.fields)))

    def at_once(self) -> Activations:
        """Every array whole."""
        of_grid = Kept(products=self.grid * self.features)
        encoder = self.messages(self.to_mesh, self.mesh, embedded=True)
        decoder = self.messages(self.to_grid, self.grid, embedded=True)
        sent, received = self.to_mesh * self.samples, self.to_grid * self.samples
        blocks = (
            Block(of_grid, self.mlp(self.grid), self.working(self.grid)),
            Block(self.rows(self.grid + self.nodes), encoder, self.working_of_messages(sent, self.mesh)),
            *self.message_steps(),
            Block(Kept(), self.mlp(self.grid), self.working(self.grid)),
            Block(self.rows(self.grid + self.mesh), decoder, self.working_of_messages(received, self.grid)),
            Block(self.rows(self.grid), self.mlp(self.grid, norm=False), self.working(self.grid)),
        )
        return Activations(self.outside() + self.mlp(self.in_mesh), blocks, 3 * self.fields)

    def in_ranges(self, count: int) -> Activations:
        """Of each range what it is given is kept: its fields, a copy of them, and the mesh."""
        size = group_size(self.steps)
        points = -(-self.grid // count)
        sent, received = -(-self.to_mesh // count), -(-self.to_grid // count)
        embedded = Kept(products=points * self.features) + self.mlp(points) + self.rows(points)
        sending = embedded + self.messages(sent, 0, embedded=True)
        receiving = total(
            (
                embedded,
                self.mlp(points),
                self.rows(2 * points),
                self.messages(received, points, embedded=True),
                self.mlp(points, norm=False),
            )
        )
        steps = self.message_steps()
        blocks = (
            Block(Kept(), sending, self.working_of_messages(sent * self.samples, 0)),
            *(self.group(steps[at : at + size]) for at in range(0, len(steps), size)),
            Block(self.rows(self.mesh), receiving, self.working_of_messages(received * self.samples, points)),
        )
        update = total((self.rows(self.mesh), self.mlp(self.mesh)))
        return Activations(self.outside() + update, blocks, 3 * self.fields, recomputes=True)
