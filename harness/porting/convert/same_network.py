"""What the shapes of weights do not tell of the network that they were trained in, and their file does."""

from collections.abc import Sequence
from pathlib import Path

from harness.errors import UserError
from harness.models import architecture
from harness.porting.convert.expected import Expected
from harness.porting.convert.tensors import Tensor, in_float32

OTHER_POSITIONS = 0.01
"""More than bfloat16 rounds sines off by, far less than sines of other places differ."""


def check_computed(passed_over: Sequence[Tensor], expected: Expected, path: Path) -> None:
    """Raise UserError where a tensor that is passed over, because ours is computed, is not what ours is."""
    import numpy as np

    package = architecture(expected.architecture)
    if not hasattr(package, "computed"):
        return
    ours = package.computed(package.Network.model_validate(expected.network), expected.grid)
    for tensor in passed_over:
        if tensor.name not in ours:
            continue
        needed = ours[tensor.name]
        if tensor.shape != needed.shape:
            raise UserError(
                f"{path}: {tensor.name} has shape {tensor.shape}, {expected.title} on {expected.grid[0]}x"
                f"{expected.grid[1]} points has {needed.shape}: the weights are those of another grid or patch size; "
                "convert --partial takes them all the same"
            )
        values = in_float32(tensor)
        if values is None or not np.abs(values - needed).max() < OTHER_POSITIONS:
            raise UserError(
                f"{path}: {tensor.name} does not hold the sines and cosines that {expected.title} computes: the "
                "weights were trained with other positions, which it cannot be given"
            )
