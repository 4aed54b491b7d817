"""GraphCast in PyTorch.

Nodes and edges run first: (N, B, C), so that gathering and adding up move whole rows. The first dense layer of an MLP
on several inputs is the sum of one product for each, which for nodes is computed before gathering: there are fewer
nodes than edges. What does not depend on the fields is computed once and repeated. Where the table of choices says so
rows run in tiles (harness.models.tiling), which gives the same numbers but for the order of sums.

In pieces, no array of a row for every grid point or every edge to and from the grid is made: a range of grid points is
embedded, sends its messages to the mesh and is forgotten, and is embedded again to receive those of the mesh.
"""

import itertools
import operator
from collections.abc import Sequence
from functools import partial, reduce

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.domain import Domain
from harness.models.graphcast.config import EDGE_FEATURES, LAYER_NORM_EPSILON, NODE_FEATURES, Network, input_spec
from harness.models.graphcast.geometry import Graph, geometry
from harness.models.graphcast.memory import group_size
from harness.models.layers.pytorch import LayerNorm, recomputed
from harness.models.operators.pytorch import add_segments
from harness.models.tiling.pytorch import Ends, Tail, in_tiles, tiled, tiled_messages
from harness.scenario.execution import Execution, Recompute


class MLP(nn.Module):
    """Dense layers with swish between, then a LayerNorm."""

    def __init__(self, network: Network, features: int, out: int, *, norm: bool = True) -> None:
        super().__init__()
        sizes = [features, *[network.latent_size] * network.hidden_layers, out]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.norm = LayerNorm(out, LAYER_NORM_EPSILON) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) to (..., out)."""
        if in_tiles(x, x.shape[:-1].numel(), len(self.layers[0].bias)):
            return tiled([x], [self.layers[0].weight], self.layers[0].bias, self.tail())
        return self.finish(self.layers[0](x))

    def tail(self) -> Tail:
        """What `finish` computes, for tiles."""
        norm = () if isinstance(self.norm, nn.Identity) else (self.norm.weight, self.norm.bias)
        layers = [each for layer in self.layers[1:] for each in (layer.weight, layer.bias)]
        return Tail(norm, layers, LAYER_NORM_EPSILON)

    def finish(self, x: Tensor) -> Tensor:
        """All that follows the product of the first layer: (..., latent) to (..., out)."""
        for layer in self.layers[1:]:
            x = layer(F.silu(x))
        return self.norm(x)


class Edges(nn.Module):
    """Where the edges of a graph begin and end, their features, and the width of their messages.

    In tiles edges are embedded by kind: those that look alike from their receivers have the same features, in each of
    the three thirds of the globe that the icosahedron divides it into.
    """

    senders: Tensor
    receivers: Tensor
    features: Tensor
    of_kinds: Tensor

    def __init__(self, graph: Graph, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("senders", torch.from_numpy(graph.senders).long(), persistent=False)
        self.register_buffer("receivers", torch.from_numpy(graph.receivers).long(), persistent=False)
        self.register_buffer("features", torch.from_numpy(graph.features), persistent=False)
        of_kinds, kinds = np.unique(graph.features, axis=0, return_inverse=True)
        self.register_buffer("of_kinds", torch.from_numpy(of_kinds), persistent=False)
        self.ends = Ends(self.senders, self.receivers, torch.from_numpy(kinds.reshape(-1)))

    def in_tiles(self) -> bool:
        """Whether messages along them run in tiles."""
        return in_tiles(self.features, len(self.features), self.width)

    def given(self) -> Tensor:
        """The features that are to be embedded, of edges (E, 1, 4), or in tiles of their kinds (K, 1, 4)."""
        return (self.of_kinds if self.in_tiles() else self.features)[:, None]

    def gather(self, senders: Tensor, receivers: Tensor) -> Tensor:
        """The sum of the two ends: (N, B, C) and (M, B, C) to (E, B, C)."""
        return senders.index_select(0, self.senders) + receivers.index_select(0, self.receivers)

    def add_up(self, messages: Tensor, receivers: int) -> Tensor:
        """The sum of the messages that each receiver gets: (E, B, C) to (receivers, B, C)."""
        return add_segments(messages, self.receivers, receivers)


class MessageStep(nn.Module):
    """Updates edges from their ends and receivers from their messages."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        width = network.latent_size
        self.edge_update = MLP(network, 3 * width, width)
        self.node_update = MLP(network, 2 * width, width)

    def forward(
        self,
        graph: Edges,
        edges: Tensor,
        senders: Tensor,
        receivers: Tensor,
        embedded: bool = False,
        forgets: bool = False,
    ) -> tuple[Tensor | None, Tensor]:
        """Edges (E, 1 or B, C), senders (N, B, C), receivers (M, 1 or B, C) to the new (E, B, C) and (M, B, C).

        Edges that are just `embedded` are those that the graph has given. A step that `forgets` the edges gives their
        messages in their place, and in tiles None.
        """
        if graph.in_tiles():
            updated, received = self.in_tiles(graph, edges, senders, receivers, by_kind=embedded, skip=not forgets)
        else:
            messages = self.messages(graph, edges, senders, receivers)
            updated = messages if forgets else edges + messages
            received = graph.add_up(messages, len(receivers))
        return updated, self.updated(receivers, received)

    def received(self, graph: Edges, edges: Tensor, senders: Tensor, receivers: Tensor) -> Tensor:
        """Embedded edges, senders (N, B, C), receivers (M, 1 or B, C) to the sums of messages (M, B, C)."""
        if graph.in_tiles():
            return self.in_tiles(graph, edges, senders, receivers, by_kind=True, skip=False)[1]
        return graph.add_up(self.messages(graph, edges, senders, receivers), len(receivers))

    def messages(self, graph: Edges, edges: Tensor, senders: Tensor, receivers: Tensor) -> Tensor:
        """Edges (E, 1 or B, C), senders (N, B, C), receivers (M, 1 or B, C) to the messages (E, B, C)."""
        first = self.edge_update.layers[0]
        of_edge, of_sender, of_receiver = first.weight.chunk(3, dim=1)
        ends = graph.gather(F.linear(senders, of_sender), F.linear(receivers, of_receiver))
        return self.edge_update.finish(F.linear(edges, of_edge, first.bias) + ends)

    def in_tiles(
        self, graph: Edges, edges: Tensor, senders: Tensor, receivers: Tensor, *, by_kind: bool, skip: bool
    ) -> tuple[Tensor | None, Tensor]:
        """The new edges, where `skip`, and the sums of messages; the bias is added to receivers, the fewest rows."""
        first = self.edge_update.layers[0]
        of_edge, of_sender, of_receiver = first.weight.chunk(3, dim=1)
        ends = F.linear(senders, of_sender), F.linear(receivers, of_receiver, first.bias)
        tail = self.edge_update.tail()
        return tiled_messages(graph.ends, edges, *ends, of_edge, tail, by_kind=by_kind, skip=skip)

    def updated(self, receivers: Tensor, received: Tensor) -> Tensor:
        """Receivers (M, 1 or B, C) and the sum of the messages they get (M, B, C) to the new ones (M, B, C)."""
        first = self.node_update.layers[0]
        weights = first.weight.chunk(2, dim=1)
        if in_tiles(received, received.shape[:-1].numel(), len(first.bias)):
            return tiled(
                [receivers.expand_as(received), received], weights, first.bias, self.node_update.tail(), skip=True
            )
        of_received = F.linear(received, weights[1])
        return receivers + self.node_update.finish(F.linear(receivers, weights[0], first.bias) + of_received)


class Transfer(nn.Module):
    """One step of message passing between the grid and the mesh, after which the edges are forgotten."""

    def __init__(self, network: Network, graphs: Sequence[Graph]) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(Edges(graph, network.latent_size) for graph in graphs)
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.step = MessageStep(network)

    def forward(self, senders: Tensor, receivers: Tensor, piece: int = 0) -> Tensor:
        """Senders (N, B, C) and receivers (M, 1 or B, C) to receivers (M, B, C)."""
        graph = self.graphs[piece]
        edges = self.edge_embedding(graph.given())
        updated: Tensor = self.step(graph, edges, senders, receivers, True, True)[1]
        return updated

    def received(self, senders: Tensor, receivers: Tensor, piece: int) -> Tensor:
        """Senders (N, B, C) and receivers (M, 1 or B, C) to the sum of the messages of a piece (M, B, C)."""
        edges = self.edge_embedding(self.graphs[piece].given())
        return self.step.received(self.graphs[piece], edges, senders, receivers)


class Processor(nn.Module):
    """Steps of message passing on the multi-mesh.

    Where it recomputes, a backward pass computes a group of steps anew from what the group was given, and then each
    step: of n steps only some 2 sqrt(n) inputs are there at once, and a forward pass is computed three times in all.
    """

    def __init__(self, network: Network, graph: Graph, *, recomputes: bool) -> None:
        super().__init__()
        self.graph = Edges(graph, network.latent_size)
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.steps = nn.ModuleList(MessageStep(network) for _ in range(network.message_steps))
        self.recomputes = recomputes

    def forward(self, nodes: Tensor) -> Tensor:
        """(M, B, C) to the same."""
        features = self.graph.given()
        if not self.recomputes:
            return self.run(0, len(self.steps), self.edge_embedding(features), nodes)[1]
        edges, size = recomputed(self.edge_embedding, features), group_size(len(self.steps))
        for first in range(0, len(self.steps), size):
            edges, nodes = recomputed(self.run, first, first + size, edges, nodes)
        return nodes

    def run(self, first: int, last: int, edges: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Some of the steps: edges (E, 1 or B, C) and nodes (M, 1 or B, C) to the same."""
        for index, step in enumerate(self.steps[first:last], start=first):
            run = partial(recomputed, step) if self.recomputes else step
            edges, nodes = run(self.graph, edges, nodes, nodes, index == 0)
        return edges, nodes


class GraphCast(nn.Module):
    """Two states and the forcings and static fields (B, inputs, H, W) to the state one step later."""

    grid_nodes: Tensor
    mesh_nodes: Tensor
    residual_scale: Tensor

    def __init__(self, network: Network, domain: Domain, recompute: Recompute) -> None:
        super().__init__()
        whole = geometry(domain.latitude, domain.longitude, *network.graphs)
        pieces = whole.pieces(recompute.ranges)
        self.fields, self.outputs = domain.inputs(input_spec(network)), domain.outputs
        self.sizes = [len(piece.grid_nodes) for piece in pieces]
        self.register_buffer("grid_nodes", torch.from_numpy(whole.grid_nodes), persistent=False)
        mesh_nodes = F.pad(torch.from_numpy(whole.mesh_nodes), (self.fields, 0))
        self.register_buffer("mesh_nodes", mesh_nodes[:, None], persistent=False)
        self.register_buffer("residual_scale", torch.from_numpy(domain.residual_scale), persistent=False)
        width = network.latent_size
        self.grid_embedding = MLP(network, self.fields + NODE_FEATURES, width)
        self.mesh_embedding = MLP(network, self.fields + NODE_FEATURES, width)
        self.grid_update = MLP(network, width, width)
        self.encoder = Transfer(network, [piece.grid_to_mesh for piece in pieces])
        self.processor = Processor(network, whole.mesh, recomputes=recompute.unit == "ranges")
        self.decoder = Transfer(network, [piece.mesh_to_grid for piece in pieces])
        self.head = MLP(network, width, self.outputs, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, C, H, W)."""
        batch, _, height, width = x.shape
        fields = x.flatten(2).permute(2, 0, 1)
        output = self.at_once(fields) if len(self.sizes) == 1 else self.in_pieces(fields)
        return x[:, : self.outputs] + output.permute(1, 2, 0).reshape(batch, self.outputs, height, width)

    def at_once(self, fields: Tensor) -> Tensor:
        """Fields (N, B, inputs) to the change of the newest state (N, B, outputs)."""
        grid = self.embed(fields, self.grid_nodes)
        mesh = self.encoder(grid, self.mesh_embedding(self.mesh_nodes))
        return self.decode(grid, self.processor(mesh), 0)

    def in_pieces(self, fields: Tensor) -> Tensor:
        """The same, with every grid point embedded twice, before and after the processor."""
        pieces = list(enumerate(zip(fields.split(self.sizes), self.grid_nodes.split(self.sizes), strict=True)))
        mesh = self.mesh_embedding(self.mesh_nodes)
        received = reduce(operator.add, (recomputed(self.send, *rows, mesh, piece) for piece, rows in pieces))
        mesh = self.processor(self.encoder.step.updated(mesh, received))
        return torch.cat([recomputed(self.receive, *rows, mesh, piece) for piece, rows in pieces])

    def send(self, fields: Tensor, nodes: Tensor, mesh: Tensor, piece: int) -> Tensor:
        """What the mesh nodes (M, 1, C) get from a piece of the grid: (M, B, C)."""
        return self.encoder.received(self.embed(fields, nodes), mesh, piece)

    def receive(self, fields: Tensor, nodes: Tensor, mesh: Tensor, piece: int) -> Tensor:
        """The change of the newest state at a piece of the grid, from the mesh nodes (M, B, C)."""
        return self.decode(self.embed(fields, nodes), mesh, piece)

    def embed(self, fields: Tensor, nodes: Tensor) -> Tensor:
        """Fields (N, B, inputs) and features (N, 3) of grid points to (N, B, C)."""
        return self.grid_embedding(torch.cat([fields, nodes[:, None].expand(-1, fields.shape[1], -1)], dim=2))

    def decode(self, grid: Tensor, mesh: Tensor, piece: int) -> Tensor:
        """Grid points (N, B, C) and mesh nodes (M, B, C) to the change of the newest state (N, B, outputs)."""
        return self.head(self.decoder(mesh, grid + self.grid_update(grid), piece)) * self.residual_scale


def build(network: Network, domain: Domain, execution: Execution) -> nn.Module:
    """The network with uninitialised weights."""
    return GraphCast(network, domain, execution.recompute)


def blocks(module: GraphCast) -> list[nn.Module]:
    """What is computed for all grid points, and the message steps: a backward pass can compute each anew."""
    on_grid = (module.grid_embedding, module.encoder, module.grid_update, module.decoder, module.head)
    return [*on_grid, *module.processor.steps]


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted squared error, summed over channels, mean over grid points and batch.

    `prediction` and `target` are (B, C, H, W), `weights` is (C, H, W) as `loss_weights` gives them.
    """
    return ((prediction - target).square() * weights).mean(dim=(0, 2, 3)).sum()
