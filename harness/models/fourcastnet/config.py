"""Hyperparameters of FourCastNet and what follows from them without a framework."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from harness.errors import UserError
from harness.frozen import Frozen, PositiveInt
from harness.models.activations import Activations, Kept, tokens_block
from harness.models.domain import STATE_ALONE, Domain, InputSpec
from harness.models.operators.choices import Operator
from harness.models.parameters import Parameter, count, numbered
from harness.scenario.execution import Execution

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYER_NORM_EPSILON = 1e-6
INITIAL_STD = 0.02
OPERATORS: tuple[Operator, ...] = ("spectral", "gelu", "soft_shrink")
LOSS = "relative L2 norm of the error over all points of a sample that count, mean over the batch"


class Network(Frozen):
    """Hyperparameters, by the names of the reference's AFNO.yaml."""

    variant: Literal["nvlabs"] = "nvlabs"
    patch_size: PositiveInt
    embed_dim: PositiveInt
    depth: PositiveInt
    mlp_ratio: float = Field(default=4.0, gt=0)
    num_blocks: PositiveInt = 8
    sparsity_threshold: float = Field(default=0.01, ge=0)
    hard_thresholding_fraction: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _blocks_divide(self) -> "Network":
        if self.embed_dim % self.num_blocks:
            raise ValueError(f"num_blocks {self.num_blocks} does not divide embed_dim {self.embed_dim}")
        return self

    @property
    def mlp_dim(self) -> int:
        """Width of the hidden layer of the token MLP."""
        return int(self.embed_dim * self.mlp_ratio)

    def token_grid(self, grid: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of patches."""
        return grid[0] // self.patch_size, grid[1] // self.patch_size

    def kept_modes(self, grid: tuple[int, int]) -> tuple[range, range]:
        """Rows and columns of the `rfft2` spectrum that pass the mixer.

        The reference applies `total_modes = H // 2 + 1` to both axes, so that on a wide token grid the highest
        zonal modes are cut, and a hard_thresholding_fraction below 1 keeps the rows around the Nyquist row.
        """
        rows, columns = self.token_grid(grid)
        total = rows // 2 + 1
        kept = int(total * self.hard_thresholding_fraction)
        return range(total - kept, min(total + kept, rows)), range(min(kept, columns // 2 + 1))


def check_grid(network: Network, grid: tuple[int, int]) -> None:
    """Raise UserError if the patches do not tile the grid (latitude rows, longitude columns) or no mode is kept."""
    patch = network.patch_size
    if grid[0] % patch or grid[1] % patch:
        valid = [size for size in range(1, min(grid) + 1) if grid[0] % size == 0 and grid[1] % size == 0]
        raise UserError(
            f"patch_size {patch} does not divide the grid {grid[0]}x{grid[1]}; "
            f"sizes that do: {', '.join(map(str, valid))}"
        )
    if not all(network.kept_modes(grid)):
        raise UserError(
            f"hard_thresholding_fraction {network.hard_thresholding_fraction} keeps no Fourier mode on "
            f"{network.token_grid(grid)[0]} rows of patches; raise it"
        )


def input_spec(network: Network) -> InputSpec:
    """The newest state and nothing else."""
    return STATE_ALONE


def loss_weights(network: Network, domain: Domain) -> "NDArray[np.float32]":
    """(C, H, W): 1 where a point counts, 0 elsewhere."""
    return domain.mask.astype("float32")


def training_extras(
    network: Network, domain: Domain, batch_size: int, epoch: int, random: "np.random.Generator"
) -> tuple[()]:
    """Nothing beside the fields."""
    return ()


def parameters(network: Network, domain: Domain) -> list[Parameter]:
    """All trainable parameters, for the C channels of the domain in and out.

    The final LayerNorm of the reference, which its forward pass never uses, is left out. Its truncated normal cuts at
    +-2, a hundred standard deviations away, and is drawn as a normal.
    """
    channels = domain.outputs
    rows, columns = network.token_grid(domain.grid)
    width, hidden, patch = network.embed_dim, network.mlp_dim, network.patch_size
    block = width // network.num_blocks
    bound = 1 / math.sqrt(channels * patch**2)

    def constant(name: str, size: int, value: float) -> Parameter:
        return Parameter(name, (size,), "constant", value)

    def normal(name: str, *shape: int) -> Parameter:
        return Parameter(name, shape, "normal", INITIAL_STD)

    found = [
        normal("pos_embed", 1, rows * columns, width),
        Parameter("patch_embed.proj.weight", (width, channels, patch, patch), "uniform", bound),
        Parameter("patch_embed.proj.bias", (width,), "uniform", bound),
    ]
    for index in range(network.depth):
        at = f"blocks.{index}"
        found += [
            constant(f"{at}.norm1.weight", width, 1.0),
            constant(f"{at}.norm1.bias", width, 0.0),
            normal(f"{at}.filter.w1", 2, network.num_blocks, block, block),
            normal(f"{at}.filter.b1", 2, network.num_blocks, block),
            normal(f"{at}.filter.w2", 2, network.num_blocks, block, block),
            normal(f"{at}.filter.b2", 2, network.num_blocks, block),
            constant(f"{at}.norm2.weight", width, 1.0),
            constant(f"{at}.norm2.bias", width, 0.0),
            normal(f"{at}.mlp.fc1.weight", hidden, width),
            constant(f"{at}.mlp.fc1.bias", hidden, 0.0),
            normal(f"{at}.mlp.fc2.weight", width, hidden),
            constant(f"{at}.mlp.fc2.bias", width, 0.0),
        ]
    return [*found, normal("head.weight", channels * patch**2, width)]


def sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """What the shapes of the parameters say of the network, in words."""
    patches = shapes.get("patch_embed.proj.weight", ())
    if len(patches) != 4:
        return {}
    width, channels, patch, _ = patches
    found = {"patch size": patch, "input channels": channels, "width": width, "depth": numbered(shapes, "blocks.")}
    if head := shapes.get("head.weight"):
        found["output channels"] = head[0] // patch**2
    if len(positions := shapes.get("pos_embed", ())) == 3:
        found["patches on the grid"] = positions[1]
    if len(mixer := shapes.get("blocks.0.filter.w1", ())) == 4:
        found["blocks of the spectral mixer"] = mixer[1]
    if hidden := shapes.get("blocks.0.mlp.fc1.bias"):
        found["width of the MLP"] = hidden[0]
    return found


def describe(network: Network, domain: Domain) -> dict[str, Any]:
    """What makes two networks the same one: hyperparameters, grid, channels, loss and the parameter list."""
    found = parameters(network, domain)
    return {
        "architecture": "fourcastnet",
        "hyperparameters": network.model_dump(),
        "grid": list(domain.grid),
        "inputs": domain.inputs(STATE_ALONE),
        "outputs": domain.outputs,
        "loss": LOSS,
        "parameters": count(found),
        "layers": [[parameter.name, list(parameter.shape)] for parameter in found],
    }


def activations(network: Network, domain: Domain, samples: int, execution: Execution) -> Activations:
    """What a backward pass keeps of a step with this number of samples."""
    tokens, width = math.prod(network.token_grid(domain.grid)), network.embed_dim
    rows, fields = samples * tokens, samples * domain.outputs * math.prod(domain.grid)
    modes = 2 * samples * math.prod(map(len, network.kept_modes(domain.grid)))
    block = tokens_block(rows, width, network.mlp_dim, modes)
    patches = rows * domain.outputs * network.patch_size**2
    return Activations(Kept(products=patches + rows * width, others=fields), (block,) * network.depth, 3 * fields)
