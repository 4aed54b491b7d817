"""GraphCast in MindSpore.

The same order as in PyTorch, nodes and edges first, with the batch beside them: (N, B C) where rows are gathered and
added up, (N B, C) where they are multiplied. What does not depend on the fields is computed once and repeated. Pieces
are as in PyTorch, but on a CPU the peak memory of a compiled training step is nearly that of a step at once.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops, recompute

from harness.models.domain import Domain
from harness.models.graphcast.config import EDGE_FEATURES, LAYER_NORM_EPSILON, NODE_FEATURES, Network, input_spec
from harness.models.graphcast.geometry import Graph, geometry
from harness.models.layers.mindspore import LayerNormOfDense, Linear, layer_norm_of_dense
from harness.models.operators.mindspore import linear_function, segment_sum, served_by, swish
from harness.scenario.execution import Execution, Operators


class MLP(nn.Cell):
    """Dense layers with swish between, then a LayerNorm."""

    def __init__(self, network: Network, features: int, out: int, *, norm: bool = True) -> None:
        super().__init__()
        sizes = [features, *[network.latent_size] * network.hidden_layers, out]
        self.layers = nn.CellList([Linear(a, b) for a, b in itertools.pairwise(sizes)])
        self.norm: Any = layer_norm_of_dense(out, LAYER_NORM_EPSILON) if norm else None
        self.joins = isinstance(self.norm, LayerNormOfDense)
        self.swish, self.linear = swish(), linear_function()

    def construct(self, x: Tensor, kinds: Tensor | None = None) -> Tensor:
        """(rows, features) to (rows, out); where rows are of `kinds` (E,), x has a row of each kind, and (E, out)."""
        if kinds is None:
            return self.finish(self.layers[0](x))
        return ops.gather(self.at_once(x), kinds, 0)

    def finish(self, x: Tensor) -> Tensor:
        """All that follows the product of the first layer: (rows, latent) to (rows, out).

        A slice of a CellList, made op by op, would rename its parameters.
        """
        for index in range(1, len(self.layers) - 1):
            x = self.layers[index](self.swish(x))
        x, layer = self.swish(x), self.layers[-1]
        if self.norm is None:
            return layer(x)
        return self.norm(x, layer.weight, layer.bias) if self.joins else self.norm(layer(x))

    def at_once(self, x: Tensor) -> Tensor:
        """The same without a call of the layers, so that none who compares layers row by row meets these rows."""
        for index in range(len(self.layers) - 1):
            layer = self.layers[index]
            x = self.swish(self.linear(x, layer.weight, layer.bias))
        return self.norm.construct(x, self.layers[-1].weight, self.layers[-1].bias)


class Edges(nn.Cell):
    """Where the edges of a graph begin and end, and their features.

    Edges that look alike from their receivers are of one kind and have the same features, in each of the three thirds
    of the globe that the icosahedron divides it into.
    """

    def __init__(self, operators: Operators, graph: Graph, senders: int, receivers: int) -> None:
        super().__init__()
        of_kinds, kinds = np.unique(graph.features, axis=0, return_inverse=True)
        self.by_kind = served_by("messages") == "by_kind" and len(of_kinds) < len(graph.features)
        self.of_kinds, self.kinds = Tensor(of_kinds), Tensor(kinds.reshape(-1).astype(np.int32))
        self.features = Tensor(graph.features)
        self.senders, self.receivers = Tensor(graph.senders), Tensor(graph.receivers)
        self.add = segment_sum(operators.segment_sum, graph.receivers, receivers)
        self.nodes, self.edges = (senders, receivers), len(graph.senders)

    def gather(self, senders: Tensor, receivers: Tensor) -> Tensor:
        """The sum of the two ends: (N B, C) and (M B, C) to (E B, C)."""
        begin = ops.gather(senders.reshape(self.nodes[0], -1), self.senders, 0)
        end = ops.gather(receivers.reshape(self.nodes[1], -1), self.receivers, 0)
        return (begin + end).reshape(-1, senders.shape[1])

    def add_up(self, messages: Tensor) -> Tensor:
        """The sum of the messages that each receiver gets: (E B, C) to (M B, C)."""
        return self.add(messages.reshape(self.edges, -1)).reshape(-1, messages.shape[1])


def embedded(layers: MLP, graph: Edges) -> Tensor:
    """The embedding (E, C) of the features of edges: once of each kind, where the table of choices says so."""
    if layers.joins and graph.by_kind:
        return layers(graph.of_kinds, graph.kinds)
    return layers(graph.features)


class MessageStep(nn.Cell):
    """Updates edges from their ends and receivers from their messages."""

    kind, products = "dense", ("product", "linear")

    def __init__(self, network: Network) -> None:
        super().__init__()
        width = network.latent_size
        self.edge_update = MLP(network, 3 * width, width)
        self.node_update = MLP(network, 2 * width, width)
        self.parts_of_edge, self.parts_of_node = ops.Split(1, 3), ops.Split(1, 2)
        self.product, self.linear = ops.MatMul(transpose_b=True), linear_function()

    def construct(
        self, graph: Edges, edges: Tensor, senders: Tensor, receivers: Tensor, forgets: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Edges (E B, C), senders (N B, C), receivers (M B, C) to the new (E B, C) and (M B, C).

        A step that `forgets` the edges gives their messages in their place.
        """
        messages = self.messages(graph, edges, senders, receivers)
        updated = messages if forgets else edges + messages
        return updated, receivers + self.node_change(receivers, graph.add_up(messages))

    def messages(self, graph: Edges, edges: Tensor, senders: Tensor, receivers: Tensor) -> Tensor:
        """Edges (E B, C), senders (N B, C), receivers (M B, C) to the messages (E B, C).

        The bias is added to receivers, the fewest rows.
        """
        first = self.edge_update.layers[0]
        of_edge, of_sender, of_receiver = self.parts_of_edge(first.weight)
        ends = graph.gather(self.product(senders, of_sender), self.linear(receivers, of_receiver, first.bias))
        return self.edge_update.finish(self.product(edges, of_edge) + ends)

    def node_change(self, receivers: Tensor, received: Tensor) -> Tensor:
        """Receivers (M B, C) and the sum of the messages they get (M B, C) to (M B, C)."""
        first = self.node_update.layers[0]
        of_node, of_messages = self.parts_of_node(first.weight)
        of_received = self.product(received, of_messages)
        return self.node_update.finish(self.linear(receivers, of_node, first.bias) + of_received)


class Transfer(nn.Cell):
    """One step of message passing between the grid and the mesh, after which the edges are forgotten."""

    def __init__(self, network: Network, graphs: Sequence[Edges]) -> None:
        super().__init__()
        self.graphs = nn.CellList(graphs)
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.step = MessageStep(network)

    def construct(self, senders: Tensor, receivers: Tensor, batch: int, piece: int = 0) -> Tensor:
        """Senders (N B, C) and receivers (M B, C) to receivers (M B, C)."""
        graph = self.graphs[piece]
        edges = repeat(embedded(self.edge_embedding, graph), batch)
        return self.step(graph, edges, senders, receivers, True)[1]

    def received(self, senders: Tensor, receivers: Tensor, batch: int, piece: int) -> Tensor:
        """Senders (N B, C) and receivers (M B, C) to the sum of the messages of a piece (M B, C)."""
        graph = self.graphs[piece]
        edges = repeat(embedded(self.edge_embedding, graph), batch)
        return graph.add_up(self.step.messages(graph, edges, senders, receivers))


class Processor(nn.Cell):
    """Steps of message passing on the multi-mesh."""

    def __init__(self, network: Network, graph: Edges, *, recomputes: bool) -> None:
        super().__init__()
        self.graph = graph
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.steps = nn.CellList([MessageStep(network) for _ in range(network.message_steps)])
        self.recomputes = recomputes

    def construct(self, nodes: Tensor, batch: int) -> Tensor:
        """(M B, C) to the same."""
        edges = repeat(embedded(self.edge_embedding, self.graph), batch)
        for step in self.steps:
            if self.recomputes:
                edges, nodes = recompute(step, self.graph, edges, nodes, nodes)
            else:
                edges, nodes = step(self.graph, edges, nodes, nodes)
        return nodes


def repeat(x: Tensor, batch: int) -> Tensor:
    """One sample to `batch` equal ones: (N, C) to (N B, C)."""
    return x if batch == 1 else ops.concat([x] * batch, 1).reshape(-1, x.shape[1])


class GraphCast(nn.Cell):
    """Two states and the forcings and static fields (B, inputs, H, W) to the state one step later."""

    def __init__(self, network: Network, domain: Domain, execution: Execution) -> None:
        super().__init__()
        whole = geometry(domain.latitude, domain.longitude, *network.graphs)
        operators, recompute = execution.operators, execution.recompute
        pieces, nodes = whole.pieces(recompute.ranges), len(whole.mesh_nodes)
        fields, self.outputs, width = domain.inputs(input_spec(network)), domain.outputs, network.latent_size
        self.points, self.sizes = len(whole.grid_nodes), [len(piece.grid_nodes) for piece in pieces]
        self.grid_nodes = [Tensor(piece.grid_nodes) for piece in pieces]
        self.mesh_nodes = Tensor(np.pad(whole.mesh_nodes, ((0, 0), (fields, 0))))
        self.residual_scale = Tensor(domain.residual_scale.reshape(1, -1))
        self.grid_embedding = MLP(network, fields + NODE_FEATURES, width)
        self.mesh_embedding = MLP(network, fields + NODE_FEATURES, width)
        self.grid_update = MLP(network, width, width)
        sending = [Edges(operators, piece.grid_to_mesh, len(piece.grid_nodes), nodes) for piece in pieces]
        receiving = [Edges(operators, piece.mesh_to_grid, nodes, len(piece.grid_nodes)) for piece in pieces]
        self.encoder = Transfer(network, sending)
        self.processor = Processor(
            network, Edges(operators, whole.mesh, nodes, nodes), recomputes=recompute.unit == "ranges"
        )
        self.decoder = Transfer(network, receiving)
        self.head = MLP(network, width, self.outputs, norm=False)

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, C, H, W)."""
        batch, inputs, height, width = x.shape
        grid = embed(self, x.reshape(batch, inputs, self.points), self.grid_nodes[0])
        mesh = self.encoder(grid, repeat(self.mesh_embedding(self.mesh_nodes), batch), batch)
        output = decode(self, grid, self.processor(mesh, batch), batch, 0)
        return x[:, : self.outputs] + output.reshape(batch, self.outputs, height, width)


def embed(layers: nn.Cell, fields: Tensor, nodes: Tensor) -> Tensor:
    """Fields (B, inputs, N) and features (N, 3) of grid points to (N B, C)."""
    batch, inputs, points = fields.shape
    rows = fields.transpose(2, 0, 1).reshape(points * batch, inputs)
    return layers.grid_embedding(ops.concat((rows, repeat(nodes, batch)), 1))


def decode(layers: nn.Cell, grid: Tensor, mesh: Tensor, batch: int, piece: int) -> Tensor:
    """Grid points (N B, C) and mesh nodes (M B, C) to the change of the newest state (B, outputs, N)."""
    output = layers.head(layers.decoder(mesh, grid + layers.grid_update(grid), batch, piece)) * layers.residual_scale
    return output.reshape(-1, batch, output.shape[1]).transpose(1, 2, 0)


class Send(nn.Cell):
    """What the mesh nodes get from a piece of the grid."""

    def __init__(self, network: GraphCast) -> None:
        super().__init__(auto_prefix=False)
        self.grid_embedding, self.encoder = network.grid_embedding, network.encoder

    def construct(self, fields: Tensor, nodes: Tensor, mesh: Tensor, piece: int) -> Tensor:
        """Fields (B, inputs, N), features (N, 3) and mesh nodes (M B, C) to (M B, C)."""
        return self.encoder.received(embed(self, fields, nodes), mesh, fields.shape[0], piece)


class Receive(nn.Cell):
    """The change of the newest state at a piece of the grid."""

    def __init__(self, network: GraphCast) -> None:
        super().__init__(auto_prefix=False)
        self.grid_embedding, self.grid_update = network.grid_embedding, network.grid_update
        self.decoder, self.head, self.residual_scale = network.decoder, network.head, network.residual_scale

    def construct(self, fields: Tensor, nodes: Tensor, mesh: Tensor, piece: int) -> Tensor:
        """Fields (B, inputs, N), features (N, 3) and mesh nodes (M B, C) to (B, outputs, N)."""
        return decode(self, embed(self, fields, nodes), mesh, fields.shape[0], piece)


class InPieces(nn.Cell):
    """The same with every grid point embedded twice, before and after the processor.

    Only what a Cell computes can be computed anew in the backward pass. Cells within the network would rename its
    parameters.
    """

    def __init__(self, network: GraphCast) -> None:
        super().__init__(auto_prefix=False)
        self.network, self.send, self.receive = network, Send(network), Receive(network)

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, C, H, W)."""
        network = self.network
        batch, inputs, height, width = x.shape
        fields = ops.split(x.reshape(batch, inputs, network.points), network.sizes, 2)
        mesh = repeat(network.mesh_embedding(network.mesh_nodes), batch)
        received = recompute(self.send, fields[0], network.grid_nodes[0], mesh, 0)
        for piece in range(1, len(fields)):
            received = received + recompute(self.send, fields[piece], network.grid_nodes[piece], mesh, piece)
        mesh = network.processor(mesh + network.encoder.step.node_change(mesh, received), batch)
        outputs: tuple[Tensor, ...] = ()
        for piece in range(len(fields)):
            outputs = (*outputs, recompute(self.receive, fields[piece], network.grid_nodes[piece], mesh, piece))
        return x[:, : network.outputs] + ops.concat(outputs, 2).reshape(batch, network.outputs, height, width)


def build(network: Network, domain: Domain, execution: Execution) -> nn.Cell:
    """The network with uninitialised weights; a lower format multiplies by rounded weights, not by centred ones."""
    found = GraphCast(network, domain, execution)
    for _, cell in found.cells_and_names():
        if isinstance(cell, MLP):
            cell.joins = cell.joins and execution.precision.autocast == "none"
    return InPieces(found) if execution.recompute.unit == "ranges" else found


def blocks(module: GraphCast) -> list[nn.Cell]:
    """What is computed for all grid points, and the message steps: a backward pass can compute each anew."""
    on_grid = (module.grid_embedding, module.encoder, module.grid_update, module.decoder, module.head)
    return [*on_grid, *module.processor.steps]


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted squared error, summed over channels, mean over grid points and batch.

    `prediction` and `target` are (B, C, H, W), `weights` is (C, H, W) as `loss_weights` gives them.
    """
    batch, _, height, width = prediction.shape
    return (ops.square(prediction - target) * weights).sum() / (batch * height * width)
