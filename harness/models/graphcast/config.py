"""Hyperparameters of GraphCast and what follows from them without a framework.

Which parts there are, as in google-deepmind/graphcast:

- An MLP is `hidden_layers` dense layers of the latent size with swish between, a dense layer to its output and, in all
  but the head, a LayerNorm. Every dense layer has a bias.
- Embeddings: one MLP for the grid points, one for the mesh nodes (fed zeros in place of fields) and one for the edges
  of each graph.
- A step of message passing: edge' = edge + MLP[edge, sender, receiver], then node' = node + MLP[node, sum of the
  messages it receives], where a message is what the edge's MLP gives, before the edge is added.
- Encoder: one step from grid to mesh, in which the grid points, which receive nothing, are updated from themselves
  alone. Processor: steps on the multi-mesh with weights of their own. Decoder: one step from mesh to grid.
- Left out, because the prediction never depends on it: the update of the mesh nodes in the reference's decoder.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from harness.errors import UserError
from harness.frozen import Frozen, PositiveInt
from harness.models.domain import Domain, InputSpec
from harness.models.graphcast.weighting import VARIABLE_WEIGHTS, LevelWeights, in_words, level_shares, weight_name
from harness.models.operators.choices import Operator
from harness.models.parameters import Parameter, count, numbered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYER_NORM_EPSILON = 1e-5
NODE_FEATURES, EDGE_FEATURES = 3, 4
OPERATORS: tuple[Operator, ...] = ("segment_sum", "messages")
RANGES = True
LOSS = "squared error of the normalised residual, weighted by area, level and variable, summed over variables"


class Network(Frozen):
    """Hyperparameters, by the names of the reference's ModelConfig where they say enough."""

    variant: Literal["deepmind"] = "deepmind"
    mesh_refinement: int = Field(ge=0, le=8, description="refinements of the icosahedron; the edges of all are joined")
    latent_size: PositiveInt = 512
    message_steps: PositiveInt = Field(default=16, description="steps of message passing on the multi-mesh")
    hidden_layers: PositiveInt = 1
    radius_fraction: float = Field(
        default=0.6,
        ge=0.59,
        description="a grid point sends to the mesh nodes within this times the longest edge of the finest mesh",
    )
    mesh_to_grid_length: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="length on the unit sphere over which the features of the edges from mesh to grid are, the "
        "mesh2grid_edge_normalization_factor of published weights (0.6180338738074472); null: that of the longest edge",
        exclude_if=lambda length: length is None,
    )
    variable_weights: dict[str, float] = Field(
        default=VARIABLE_WEIGHTS,
        description="weights of variables in the loss, by any of their usual names; 1 for those that are not named",
    )
    level_weights: LevelWeights = Field(
        default="auto",
        description="weights of levels in the loss: in proportion to the level (as published, for pressures), to the "
        "thickness of the layer, or the same for all; auto: thickness for depths and heights, else the level",
        exclude_if=lambda rule: rule == "auto",
    )

    @property
    def graphs(self) -> tuple[int, float, float | None]:
        """What `geometry` must know beside the grid."""
        return self.mesh_refinement, self.radius_fraction, self.mesh_to_grid_length

    @property
    def mesh_nodes(self) -> int:
        """Number of vertices of the finest mesh."""
        return int(10 * 4**self.mesh_refinement) + 2


def check_grid(network: Network, grid: tuple[int, int]) -> None:
    """Raise UserError if the grid (latitude rows, longitude columns) has fewer points than mesh nodes."""
    points = grid[0] * grid[1]
    if network.mesh_nodes > points:
        raise UserError(
            f"mesh_refinement {network.mesh_refinement} gives {network.mesh_nodes:,} mesh nodes, more than the "
            f"{points:,} points of the grid {grid[0]}x{grid[1]}; lower it"
        )


def input_spec(network: Network) -> InputSpec:
    """Two states, forcings at both and at the time of the output; the output is added to the newest state."""
    return InputSpec(history=2, forcing_offsets=(-1, 0, 1), residual=True)


def parameters(network: Network, domain: Domain) -> list[Parameter]:
    """All trainable parameters, as Haiku draws them: normal weights cut at two standard deviations, zero biases."""
    nodes = domain.inputs(input_spec(network)) + NODE_FEATURES
    width = network.latent_size

    def dense(name: str, features: int, out: int) -> Iterator[Parameter]:
        yield Parameter(f"{name}.weight", (out, features), "truncated_normal", features**-0.5)
        yield Parameter(f"{name}.bias", (out,), "constant", 0.0)

    def mlp(name: str, features: int, out: int = width, *, norm: bool = True) -> Iterator[Parameter]:
        sizes = [features, *[width] * network.hidden_layers, out]
        for index, (before, after) in enumerate(itertools.pairwise(sizes)):
            yield from dense(f"{name}.layers.{index}", before, after)
        if norm:
            yield Parameter(f"{name}.norm.weight", (out,), "constant", 1.0)
            yield Parameter(f"{name}.norm.bias", (out,), "constant", 0.0)

    found = [
        *mlp("grid_embedding", nodes),
        *mlp("mesh_embedding", nodes),
        *mlp("grid_update", width),
        *mlp("encoder.edge_embedding", EDGE_FEATURES),
        *mlp("encoder.step.edge_update", 3 * width),
        *mlp("encoder.step.node_update", 2 * width),
        *mlp("processor.edge_embedding", EDGE_FEATURES),
    ]
    for index in range(network.message_steps):
        found += mlp(f"processor.steps.{index}.edge_update", 3 * width)
        found += mlp(f"processor.steps.{index}.node_update", 2 * width)
    return [
        *found,
        *mlp("decoder.edge_embedding", EDGE_FEATURES),
        *mlp("decoder.step.edge_update", 3 * width),
        *mlp("decoder.step.node_update", 2 * width),
        *mlp("head", width, domain.outputs, norm=False),
    ]


def sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """What the shapes of the parameters say of the network, in words."""
    embedding, layers = shapes.get("grid_embedding.layers.0.weight", ()), numbered(shapes, "grid_embedding.layers.")
    if len(embedding) != 2:
        return {}
    found = {
        "latent size": embedding[0],
        "input channels": embedding[1] - NODE_FEATURES,
        "message steps": numbered(shapes, "processor.steps."),
        "hidden layers": layers - 1,
    }
    if head := shapes.get(f"head.layers.{layers - 1}.bias"):
        found["output channels"] = head[0]
    return found


def describe(network: Network, domain: Domain) -> dict[str, Any]:
    """What makes two networks the same one: hyperparameters, grid, inputs, outputs, loss and parameters."""
    found = parameters(network, domain)
    more = in_words(domain.channels, network.variable_weights, network.level_weights)
    return {
        "architecture": "graphcast",
        "hyperparameters": network.model_dump(),
        "grid": list(domain.grid),
        "inputs": domain.inputs(input_spec(network)),
        "outputs": domain.outputs,
        "loss": f"{LOSS}; {more}" if more else LOSS,
        "parameters": count(found),
        "layers": [[parameter.name, list(parameter.shape)] for parameter in found],
    }


def loss_weights(network: Network, domain: Domain) -> "NDArray[np.float32]":
    """What multiplies the squared error of a normalised state: (C, H, W), 0 where a point does not count.

    The reference's loss is a sum over variables v of w_v times the mean over levels, rows and columns of

        level / mean level * area * (o - r)^2,

    with o the network's output, r = (y - x) / s the normalised residual of the target y over the newest state x, and s
    the residual scale. The prediction is p = x + s o, so that (o - r)^2 = (p - y)^2 / s^2 and the weight of channel c
    on one of the n levels of v is

        w_v / n * level / mean level * area / s^2.

    On depths the thickness of the layer stands for the level (see `level_shares`).

    The area has mean 1 over the points of the channel that count, and the weight is scaled by H W over their number,
    so that the mean over the whole grid that `loss` takes is a mean over them. A channel that never changes (s = 0),
    whose prediction is the newest state whatever the output, has weight 0.
    """
    import numpy as np

    from harness.models.cell_area import latitude_weights, longitude_weights

    names = [weight_name(channel, network.variable_weights) for channel in domain.channels]
    of_variable = np.array([1.0 if name is None else network.variable_weights[name] for name in names])
    of_channel = of_variable * level_shares(domain.channels, network.level_weights)
    scale = domain.residual_scale.astype(np.float64)
    factor = np.divide(of_channel, scale**2, out=np.zeros_like(scale), where=scale > 0)
    area = domain.mask * latitude_weights(domain.latitude)[:, None] * longitude_weights(domain.longitude)
    total = area.sum(axis=(1, 2), keepdims=True)
    points = domain.grid[0] * domain.grid[1]
    share = np.divide(area * points, total, out=np.zeros_like(area), where=total > 0)
    weights: NDArray[np.float32] = (factor[:, None, None] * share).astype(np.float32)
    return weights


def training_extras(
    network: Network, domain: Domain, batch_size: int, epoch: int, random: "np.random.Generator"
) -> "tuple[NDArray[np.int32], ...]":
    """Nothing beside the fields."""
    return ()
