"""The operations of GraphCast's dense layers, without those of the edges from the grid to the mesh.

How many such edges there are is known only once the graph has been drawn.
"""

import math

from harness.models.domain import Domain
from harness.models.graphcast.config import NODE_FEATURES, Network, input_spec
from harness.models.graphcast.memory import edge_counts
from harness.models.work import dense


def forward_flops(network: Network, domain: Domain, *, training: bool) -> int:
    """Of one sample and step: embedding of the grid, the updates of edges and nodes, and the head.

    What does not depend on the fields, and so is the same for all samples, is left out.
    """
    points, width, mesh = math.prod(domain.grid), network.latent_size, network.mesh_nodes
    _, in_mesh, to_grid = edge_counts(network, points)

    def square(rows: int) -> int:
        return dense(rows, width, width)

    def after_first(rows: int) -> int:
        return network.hidden_layers * square(rows)

    embedding = dense(points, domain.inputs(input_spec(network)) + NODE_FEATURES, width) + after_first(points)
    encoder = 2 * square(points) + after_first(points) + square(mesh) + after_first(mesh)
    of_nodes = 2 * square(mesh) + 2 * square(mesh) + after_first(mesh)
    processor = network.message_steps * (after_first(in_mesh) + of_nodes)
    processor += (network.message_steps - 1) * square(in_mesh)
    decoder = square(mesh) + square(points) + after_first(to_grid) + 2 * square(points) + after_first(points)
    head = square(points) + (network.hidden_layers - 1) * square(points) + dense(points, width, domain.outputs)
    return embedding + encoder + processor + decoder + head
