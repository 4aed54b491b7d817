"""Hyperparameters of AI-GOMS and what follows from them without a framework."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from harness.errors import UserError
from harness.frozen import Frozen, PositiveInt
from harness.models.activations import Activations, Kept, tokens_block
from harness.models.domain import Domain, InputSpec
from harness.models.operators.choices import Operator
from harness.models.parameters import Parameter, count, numbered
from harness.scenario.execution import Execution

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYER_NORM_EPSILON = 1e-5
INITIAL_STD = 0.02
OPERATORS: tuple[Operator, ...] = ("spectral", "gelu", "soft_shrink")
LOSS = "relative L2 norm of the error of a channel over the points that count, mean over channels and batch"


class MaskingPhase(Frozen):
    """A part of the training in which the encoder sees only some of the tokens."""

    last_epoch: PositiveInt
    ratio: float = Field(ge=0, lt=1, description="part of the tokens that is hidden from the encoder")


CURRICULUM = (
    MaskingPhase(last_epoch=3, ratio=0.0),
    MaskingPhase(last_epoch=20, ratio=0.75),
    MaskingPhase(last_epoch=40, ratio=0.25),
)


class Network(Frozen):
    """Hyperparameters, by the names of the reference's YAML and constructor."""

    variant: Literal["masked_ae_ocean"] = "masked_ae_ocean"
    patch_size: PositiveInt
    embed_dim: PositiveInt
    depth: PositiveInt = Field(description="blocks of the encoder: 12 in the study's YAML, 16 in arXiv 2308.03152")
    decoder_embed_dim: PositiveInt
    decoder_depth: PositiveInt = 8
    mlp_ratio: float = Field(default=4.0, gt=0)
    num_blocks: PositiveInt = 8
    sparsity_threshold: float = Field(default=0.01, ge=0)
    masking: tuple[MaskingPhase, ...] = Field(
        default=CURRICULUM,
        description="phases in the order of the epochs, which count from 1 over the training; nothing is hidden after",
    )

    @model_validator(mode="after")
    def _widths_divide(self) -> "Network":
        for name in ("embed_dim", "decoder_embed_dim"):
            width = getattr(self, name)
            if width % self.num_blocks:
                raise ValueError(f"num_blocks {self.num_blocks} does not divide {name} {width}")
            if width % 4:
                raise ValueError(f"{name} {width} must be divisible by 4: sines and cosines of two coordinates")
        return self

    @model_validator(mode="after")
    def _phases_follow_each_other(self) -> "Network":
        ends = [phase.last_epoch for phase in self.masking]
        if ends != sorted(set(ends)):
            raise ValueError("last_epoch must rise from phase to phase of masking")
        return self

    def hidden(self, width: int) -> int:
        """Width of the hidden layer of the token MLP in blocks of a width."""
        return int(width * self.mlp_ratio)

    def token_grid(self, grid: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of patches."""
        return grid[0] // self.patch_size, grid[1] // self.patch_size

    def tokens(self, grid: tuple[int, int]) -> int:
        """Number of patches, in the order of rows."""
        return math.prod(self.token_grid(grid))

    def masking_ratio(self, epoch: int) -> float:
        """Part of the tokens that is hidden from the encoder in an epoch, counted from 1."""
        return next((phase.ratio for phase in self.masking if epoch <= phase.last_epoch), 0.0)

    def kept_tokens(self, grid: tuple[int, int], ratio: float) -> int:
        """Number of tokens that the encoder sees."""
        return int(self.tokens(grid) * (1 - ratio))

    def sequence_lengths(self, grid: tuple[int, int]) -> list[int]:
        """Every number of tokens that the encoder meets, in inference and over the curriculum, falling."""
        ratios = [0.0, *(phase.ratio for phase in self.masking)]
        return sorted({self.kept_tokens(grid, ratio) for ratio in ratios}, reverse=True)


def check_grid(network: Network, grid: tuple[int, int]) -> None:
    """Raise UserError if the patches do not tile the grid (latitude rows, longitude columns) or all are masked."""
    patch = network.patch_size
    if grid[0] % patch or grid[1] % patch:
        valid = [size for size in range(1, min(grid) + 1) if grid[0] % size == 0 and grid[1] % size == 0]
        raise UserError(
            f"patch_size {patch} does not divide the grid {grid[0]}x{grid[1]}; "
            f"sizes that do: {', '.join(map(str, valid))}"
        )
    if not network.sequence_lengths(grid)[-1]:
        ratio = max(phase.ratio for phase in network.masking)
        raise UserError(f"masking ratio {ratio} leaves none of {network.tokens(grid)} tokens to the encoder; lower it")


def input_spec(network: Network) -> InputSpec:
    """The newest state, the forcings at the time of the output, the static fields."""
    return InputSpec()


def loss_weights(network: Network, domain: Domain) -> "NDArray[np.float32]":
    """(C, H, W): 1 where a point counts, 0 elsewhere."""
    return domain.mask.astype("float32")


def training_extras(
    network: Network, domain: Domain, batch_size: int, epoch: int, random: "np.random.Generator"
) -> "tuple[()] | tuple[NDArray[np.int32], NDArray[np.int32]]":
    """Which tokens the encoder sees, in which order, and where every token is found again; () where it sees all.

    `keep` (B, K) holds the first K of a random order of the N tokens of each sample, `restore` (B, N) the place of each
    token in that order: those below K are seen. The reference permutes the tokens at ratio 0 as well, in inference too;
    here their order is then that of the grid.
    """
    import numpy as np

    ratio = network.masking_ratio(epoch)
    if not ratio:
        return ()
    kept = network.kept_tokens(domain.grid, ratio)
    tokens = np.arange(network.tokens(domain.grid), dtype=np.int32)
    order = random.permuted(np.tile(tokens, (batch_size, 1)), axis=1)
    return order[:, :kept].copy(), np.argsort(order, axis=1).astype(np.int32)


def positions(width: int, token_grid: tuple[int, int]) -> "NDArray[np.float32]":
    """(N, width): sines then cosines of the column of every token, then those of its row.

    A quarter of the width each, at frequencies from 1 falling to almost 1 / 10000 radians a patch.
    """
    import numpy as np

    rows, columns = token_grid
    frequency = 10000.0 ** (-np.arange(width // 4) / (width // 4))
    column = np.tile(np.arange(columns), rows)[:, None] * frequency
    row = np.repeat(np.arange(rows), columns)[:, None] * frequency
    return np.concatenate([np.sin(column), np.cos(column), np.sin(row), np.cos(row)], axis=1).astype(np.float32)


def computed(network: Network, grid: tuple[int, int]) -> "dict[str, NDArray[np.float32]]":
    """What the reference keeps among its parameters without training it, by its names there: (1, N, width) each."""
    widths = {"pos_embed": network.embed_dim, "decoder_pos_embed": network.decoder_embed_dim}
    return {name: positions(width, network.token_grid(grid))[None] for name, width in widths.items()}


def parameters(network: Network, domain: Domain) -> list[Parameter]:
    """All trainable parameters.

    The LayerNorm `fc_norm` of the reference, which its forward pass never uses, and the fixed positions are left out.
    """
    inputs, outputs, patch = domain.inputs(input_spec(network)), domain.outputs, network.patch_size
    width, decoder_width = network.embed_dim, network.decoder_embed_dim
    values = inputs * patch**2
    transposed_bound = 1 / math.sqrt(outputs * patch**2)
    found = [
        Parameter("patch_embed.proj.weight", (width, inputs, patch, patch), "uniform", _xavier(values, width)),
        Parameter("patch_embed.proj.bias", (width,), "uniform", 1 / math.sqrt(values)),
    ]
    for index in range(network.depth):
        found += _block(network, f"blocks.{index}", width)
    found += [*_norm("norm", width), *_dense("decoder_embed", width, decoder_width)]
    found.append(Parameter("mask_token", (1, 1, decoder_width), "normal", INITIAL_STD))
    for index in range(network.decoder_depth):
        found += _block(network, f"decoder_blocks.{index}", decoder_width)
    return [
        *found,
        *_norm("decoder_norm", decoder_width),
        Parameter("decoder_pred.weight", (decoder_width, outputs, patch, patch), "uniform", transposed_bound),
        Parameter("decoder_pred.bias", (outputs,), "uniform", transposed_bound),
    ]


def sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """What the shapes of the parameters say of the network, in words."""
    patches, predicted = shapes.get("patch_embed.proj.weight", ()), shapes.get("decoder_pred.weight", ())
    if len(patches) != 4:
        return {}
    width, channels, patch, _ = patches
    found = {
        "patch size": patch,
        "input channels": channels,
        "width": width,
        "depth": numbered(shapes, "blocks."),
        "depth of the decoder": numbered(shapes, "decoder_blocks."),
    }
    if len(predicted) == 4:
        found |= {"width of the decoder": predicted[0], "output channels": predicted[1]}
    return found


def describe(network: Network, domain: Domain) -> dict[str, Any]:
    """What makes two networks the same one: hyperparameters, masking, grid, channels, loss and the parameter list."""
    found = parameters(network, domain)
    return {
        "architecture": "aigoms",
        "hyperparameters": network.model_dump(mode="json"),
        "grid": list(domain.grid),
        "inputs": domain.inputs(input_spec(network)),
        "outputs": domain.outputs,
        "loss": LOSS,
        "parameters": count(found),
        "layers": [[parameter.name, list(parameter.shape)] for parameter in found],
    }


def _xavier(fan_in: int, fan_out: int) -> float:
    return math.sqrt(6 / (fan_in + fan_out))


def _norm(at: str, width: int) -> list[Parameter]:
    return [
        Parameter(f"{at}.weight", (width,), "constant", 1.0),
        Parameter(f"{at}.bias", (width,), "constant", 0.0),
    ]


def _dense(at: str, fan_in: int, fan_out: int) -> list[Parameter]:
    return [
        Parameter(f"{at}.weight", (fan_out, fan_in), "uniform", _xavier(fan_in, fan_out)),
        Parameter(f"{at}.bias", (fan_out,), "constant", 0.0),
    ]


def _block(network: Network, at: str, width: int) -> list[Parameter]:
    blocks, hidden = network.num_blocks, network.hidden(width)
    size = width // blocks
    shapes = {"w1": (2, blocks, size, size), "b1": (2, blocks, size)}
    shapes |= {"w2": shapes["w1"], "b2": shapes["b1"]}
    return [
        *_norm(f"{at}.norm1", width),
        *(Parameter(f"{at}.filter.{name}", shape, "normal", INITIAL_STD) for name, shape in shapes.items()),
        *_norm(f"{at}.norm2", width),
        *_dense(f"{at}.mlp.fc1", width, hidden),
        *_dense(f"{at}.mlp.fc2", hidden, width),
    ]


def activations(network: Network, domain: Domain, samples: int, execution: Execution) -> Activations:
    """What a backward pass keeps of a step with this number of samples, none of whose tokens are hidden."""
    from harness.models.operators.spectral import factors

    tokens, width, decoder = network.tokens(domain.grid), network.embed_dim, network.decoder_embed_dim
    rows, fields = samples * tokens, samples * domain.outputs * math.prod(domain.grid)
    columns, along = factors(tokens)
    modes = 2 * samples * (columns // 2 + 1) * along
    encoder_block = tokens_block(rows, width, network.hidden(width), modes)
    decoder_block = tokens_block(rows, decoder, network.hidden(decoder), modes)
    patches = rows * domain.inputs(input_spec(network)) * network.patch_size**2
    outside = Kept(products=patches + rows * (width + decoder), others=rows * (width + decoder + 4) + fields)
    blocks = (encoder_block,) * network.depth + (decoder_block,) * network.decoder_depth
    return Activations(outside, blocks, 3 * fields)
