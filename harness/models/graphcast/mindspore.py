"""GraphCast in MindSpore.

The same order as in PyTorch, nodes and edges first, with the batch beside them: (N, B C) where rows are gathered and
added up, (N B, C) where they are multiplied. What does not depend on the fields is computed once and repeated.
"""

import itertools

import numpy as np
from mindspore import Tensor, nn, ops

from harness.models.domain import Domain
from harness.models.graphcast.config import EDGE_FEATURES, LAYER_NORM_EPSILON, NODE_FEATURES, Network, input_spec
from harness.models.graphcast.geometry import Graph, geometry
from harness.models.layers.mindspore import LayerNorm, Linear, LinearFunction
from harness.models.operators.mindspore import segment_sum


class MLP(nn.Cell):
    """Dense layers with swish between, then a LayerNorm."""

    def __init__(self, network: Network, features: int, out: int, *, norm: bool = True) -> None:
        super().__init__()
        sizes = [features, *[network.latent_size] * network.hidden_layers, out]
        self.layers = nn.CellList([Linear(a, b) for a, b in itertools.pairwise(sizes)])
        self.norm = LayerNorm(out, LAYER_NORM_EPSILON) if norm else None

    def construct(self, x: Tensor) -> Tensor:
        """(rows, features) to (rows, out)."""
        return self.finish(self.layers[0](x))

    def finish(self, x: Tensor) -> Tensor:
        """All that follows the product of the first layer: (rows, latent) to (rows, out).

        A slice of a CellList, made op by op, would rename its parameters.
        """
        for index in range(1, len(self.layers)):
            x = self.layers[index](ops.silu(x))
        return x if self.norm is None else self.norm(x)


class Edges(nn.Cell):
    """Where the edges of a graph begin and end, and their features."""

    def __init__(self, network: Network, graph: Graph, senders: int, receivers: int) -> None:
        super().__init__()
        self.features = Tensor(graph.features)
        self.senders, self.receivers = Tensor(graph.senders), Tensor(graph.receivers)
        self.add = segment_sum(network.segment_sum, graph.receivers, receivers)
        self.nodes, self.edges = (senders, receivers), len(graph.senders)

    def gather(self, senders: Tensor, receivers: Tensor) -> Tensor:
        """The sum of the two ends: (N B, C) and (M B, C) to (E B, C)."""
        begin = ops.gather(senders.reshape(self.nodes[0], -1), self.senders, 0)
        end = ops.gather(receivers.reshape(self.nodes[1], -1), self.receivers, 0)
        return (begin + end).reshape(-1, senders.shape[1])

    def add_up(self, messages: Tensor) -> Tensor:
        """The sum of the messages that each receiver gets: (E B, C) to (M B, C)."""
        return self.add(messages.reshape(self.edges, -1)).reshape(-1, messages.shape[1])


class MessageStep(nn.Cell):
    """Updates edges from their ends and receivers from their messages; what is added to each."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        width = network.latent_size
        self.edge_update = MLP(network, 3 * width, width)
        self.node_update = MLP(network, 2 * width, width)
        self.parts_of_edge, self.parts_of_node = ops.Split(1, 3), ops.Split(1, 2)
        self.product, self.linear = ops.MatMul(transpose_b=True), LinearFunction()

    def construct(self, graph: Edges, edges: Tensor, senders: Tensor, receivers: Tensor) -> tuple[Tensor, Tensor]:
        """Edges (E B, C), senders (N B, C), receivers (M B, C) to changes (E B, C) and (M B, C)."""
        first = self.edge_update.layers[0]
        of_edge, of_sender, of_receiver = self.parts_of_edge(first.weight)
        ends = graph.gather(self.product(senders, of_sender), self.product(receivers, of_receiver))
        messages = self.edge_update.finish(self.linear(edges, of_edge, first.bias) + ends)
        first = self.node_update.layers[0]
        of_node, of_messages = self.parts_of_node(first.weight)
        received = self.product(graph.add_up(messages), of_messages)
        return messages, self.node_update.finish(self.linear(receivers, of_node, first.bias) + received)


class Transfer(nn.Cell):
    """One step of message passing between the grid and the mesh, after which the edges are forgotten."""

    def __init__(self, network: Network, graph: Graph, senders: int, receivers: int) -> None:
        super().__init__()
        self.graph = Edges(network, graph, senders, receivers)
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.step = MessageStep(network)

    def construct(self, senders: Tensor, receivers: Tensor, batch: int) -> Tensor:
        """Senders (N B, C) and receivers (M B, C) to receivers (M B, C)."""
        edges = repeat(self.edge_embedding(self.graph.features), batch)
        _, change = self.step(self.graph, edges, senders, receivers)
        return receivers + change


class Processor(nn.Cell):
    """Steps of message passing on the multi-mesh."""

    def __init__(self, network: Network, graph: Graph, nodes: int) -> None:
        super().__init__()
        self.graph = Edges(network, graph, nodes, nodes)
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.steps = nn.CellList([MessageStep(network) for _ in range(network.message_steps)])

    def construct(self, nodes: Tensor, batch: int) -> Tensor:
        """(M B, C) to the same."""
        edges = repeat(self.edge_embedding(self.graph.features), batch)
        for step in self.steps:
            edge_change, node_change = step(self.graph, edges, nodes, nodes)
            edges, nodes = edges + edge_change, nodes + node_change
        return nodes


def repeat(x: Tensor, batch: int) -> Tensor:
    """One sample to `batch` equal ones: (N, C) to (N B, C)."""
    return x if batch == 1 else ops.concat([x] * batch, 1).reshape(-1, x.shape[1])


class GraphCast(nn.Cell):
    """Two states and the forcings and static fields (B, inputs, H, W) to the state one step later."""

    def __init__(self, network: Network, domain: Domain) -> None:
        super().__init__()
        graphs = geometry(domain.latitude, domain.longitude, network.mesh_refinement, network.radius_fraction)
        fields, self.outputs, width = domain.inputs(input_spec(network)), domain.outputs, network.latent_size
        points, nodes = len(graphs.grid_nodes), len(graphs.mesh_nodes)
        self.points = points
        self.grid_nodes = Tensor(graphs.grid_nodes)
        self.mesh_nodes = Tensor(np.pad(graphs.mesh_nodes, ((0, 0), (fields, 0))))
        self.residual_scale = Tensor(domain.residual_scale.reshape(1, -1))
        self.grid_embedding = MLP(network, fields + NODE_FEATURES, width)
        self.mesh_embedding = MLP(network, fields + NODE_FEATURES, width)
        self.grid_update = MLP(network, width, width)
        self.encoder = Transfer(network, graphs.grid_to_mesh, points, nodes)
        self.processor = Processor(network, graphs.mesh, nodes)
        self.decoder = Transfer(network, graphs.mesh_to_grid, nodes, points)
        self.head = MLP(network, width, self.outputs, norm=False)

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, C, H, W)."""
        batch, inputs, height, width = x.shape
        fields = x.reshape(batch, inputs, self.points).transpose(2, 0, 1).reshape(self.points * batch, inputs)
        grid = self.grid_embedding(ops.concat((fields, repeat(self.grid_nodes, batch)), 1))
        mesh = self.encoder(grid, repeat(self.mesh_embedding(self.mesh_nodes), batch), batch)
        mesh = self.processor(mesh, batch)
        output = self.head(self.decoder(mesh, grid + self.grid_update(grid), batch)) * self.residual_scale
        output = output.reshape(self.points, batch, self.outputs).transpose(1, 2, 0)
        return x[:, : self.outputs] + output.reshape(batch, self.outputs, height, width)


def build(network: Network, domain: Domain) -> nn.Cell:
    """The network with uninitialised weights."""
    return GraphCast(network, domain)


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted squared error, summed over channels, mean over grid points and batch.

    `prediction` and `target` are (B, C, H, W), `weights` is (C, H, W) as `loss_weights` gives them.
    """
    batch, _, height, width = prediction.shape
    return (ops.square(prediction - target) * weights).sum() / (batch * height * width)
