"""GraphCast in PyTorch.

Nodes and edges run first: (N, B, C), so that gathering and adding up move whole rows. The first dense layer of an MLP
on several inputs is the sum of one product for each, which for nodes is computed before gathering: there are fewer
nodes than edges. What does not depend on the fields is computed once and repeated.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.domain import Domain
from harness.models.graphcast.config import EDGE_FEATURES, LAYER_NORM_EPSILON, NODE_FEATURES, Network, input_spec
from harness.models.graphcast.geometry import Graph, geometry
from harness.models.operators.pytorch import add_segments


class MLP(nn.Module):
    """Dense layers with swish between, then a LayerNorm."""

    def __init__(self, network: Network, features: int, out: int, *, norm: bool = True) -> None:
        super().__init__()
        sizes = [features, *[network.latent_size] * network.hidden_layers, out]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.norm = nn.LayerNorm(out, eps=LAYER_NORM_EPSILON) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) to (..., out)."""
        return self.finish(self.layers[0](x))

    def finish(self, x: Tensor) -> Tensor:
        """All that follows the product of the first layer: (..., latent) to (..., out)."""
        for layer in self.layers[1:]:
            x = layer(F.silu(x))
        return self.norm(x)


class Edges(nn.Module):
    """Where the edges of a graph begin and end, and their features."""

    senders: Tensor
    receivers: Tensor
    features: Tensor

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.register_buffer("senders", torch.from_numpy(graph.senders).long(), persistent=False)
        self.register_buffer("receivers", torch.from_numpy(graph.receivers).long(), persistent=False)
        self.register_buffer("features", torch.from_numpy(graph.features), persistent=False)

    def gather(self, senders: Tensor, receivers: Tensor) -> Tensor:
        """The sum of the two ends: (N, B, C) and (M, B, C) to (E, B, C)."""
        return senders.index_select(0, self.senders) + receivers.index_select(0, self.receivers)

    def add_up(self, messages: Tensor, receivers: int) -> Tensor:
        """The sum of the messages that each receiver gets: (E, B, C) to (receivers, B, C)."""
        return add_segments(messages, self.receivers, receivers)


class MessageStep(nn.Module):
    """Updates edges from their ends and receivers from their messages; what is added to each."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        width = network.latent_size
        self.edge_update = MLP(network, 3 * width, width)
        self.node_update = MLP(network, 2 * width, width)

    def forward(self, graph: Edges, edges: Tensor, senders: Tensor, receivers: Tensor) -> tuple[Tensor, Tensor]:
        """Edges (E, 1 or B, C), senders (N, B, C), receivers (M, 1 or B, C) to changes (E, B, C) and (M, B, C)."""
        first = self.edge_update.layers[0]
        of_edge, of_sender, of_receiver = first.weight.chunk(3, dim=1)
        ends = graph.gather(F.linear(senders, of_sender), F.linear(receivers, of_receiver))
        messages = self.edge_update.finish(F.linear(edges, of_edge, first.bias) + ends)
        first = self.node_update.layers[0]
        of_node, of_messages = first.weight.chunk(2, dim=1)
        received = F.linear(graph.add_up(messages, len(receivers)), of_messages)
        return messages, self.node_update.finish(F.linear(receivers, of_node, first.bias) + received)


class Transfer(nn.Module):
    """One step of message passing between the grid and the mesh, after which the edges are forgotten."""

    def __init__(self, network: Network, graph: Graph) -> None:
        super().__init__()
        self.graph = Edges(graph)
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.step = MessageStep(network)

    def forward(self, senders: Tensor, receivers: Tensor) -> Tensor:
        """Senders (N, B, C) and receivers (M, 1 or B, C) to receivers (M, B, C)."""
        edges = self.edge_embedding(self.graph.features[:, None])
        return receivers + self.step(self.graph, edges, senders, receivers)[1]


class Processor(nn.Module):
    """Steps of message passing on the multi-mesh."""

    def __init__(self, network: Network, graph: Graph) -> None:
        super().__init__()
        self.graph = Edges(graph)
        self.edge_embedding = MLP(network, EDGE_FEATURES, network.latent_size)
        self.steps = nn.ModuleList(MessageStep(network) for _ in range(network.message_steps))

    def forward(self, nodes: Tensor) -> Tensor:
        """(M, B, C) to the same."""
        edges = self.edge_embedding(self.graph.features[:, None])
        for step in self.steps:
            edge_change, node_change = step(self.graph, edges, nodes, nodes)
            edges, nodes = edges + edge_change, nodes + node_change
        return nodes


class GraphCast(nn.Module):
    """Two states and the forcings and static fields (B, inputs, H, W) to the state one step later."""

    grid_nodes: Tensor
    mesh_nodes: Tensor
    residual_scale: Tensor

    def __init__(self, network: Network, domain: Domain) -> None:
        super().__init__()
        graphs = geometry(domain.latitude, domain.longitude, network.mesh_refinement, network.radius_fraction)
        self.fields, self.outputs = domain.inputs(input_spec(network)), domain.outputs
        self.register_buffer("grid_nodes", torch.from_numpy(graphs.grid_nodes), persistent=False)
        self.register_buffer("mesh_nodes", torch.from_numpy(graphs.mesh_nodes), persistent=False)
        self.register_buffer("residual_scale", torch.from_numpy(domain.residual_scale), persistent=False)
        width = network.latent_size
        self.grid_embedding = MLP(network, self.fields + NODE_FEATURES, width)
        self.mesh_embedding = MLP(network, self.fields + NODE_FEATURES, width)
        self.grid_update = MLP(network, width, width)
        self.encoder = Transfer(network, graphs.grid_to_mesh)
        self.processor = Processor(network, graphs.mesh)
        self.decoder = Transfer(network, graphs.mesh_to_grid)
        self.head = MLP(network, width, self.outputs, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, C, H, W)."""
        batch, _, height, width = x.shape
        fields = x.flatten(2).permute(2, 0, 1)
        grid = self.grid_embedding(torch.cat([fields, self.grid_nodes[:, None].expand(-1, batch, -1)], dim=2))
        mesh = self.mesh_embedding(F.pad(self.mesh_nodes, (self.fields, 0))[:, None])
        mesh = self.processor(self.encoder(grid, mesh))
        output = self.head(self.decoder(mesh, grid + self.grid_update(grid)))
        output = (output * self.residual_scale).permute(1, 2, 0).reshape(batch, self.outputs, height, width)
        return x[:, : self.outputs] + output


def build(network: Network, domain: Domain) -> nn.Module:
    """The network with uninitialised weights."""
    return GraphCast(network, domain)


def loss(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted squared error, summed over channels, mean over grid points and batch.

    `prediction` and `target` are (B, C, H, W), `weights` is (C, H, W) as `loss_weights` gives them.
    """
    return ((prediction - target).square() * weights).mean(dim=(0, 2, 3)).sum()
