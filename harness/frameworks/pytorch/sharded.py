"""Fully sharded data parallelism: a rank holds its part of every parameter, of its gradient and of its states.

A block's parameters are gathered when it runs, forward and backward, and given up again, in every step of a rollout.
Gradients are sent once, when the first step of a rollout has run back; those that earlier micro-batches left are sent
apart, when its last step has.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from harness.errors import UserError
from harness.frameworks.pytorch.parallel import SeveralDevices
from harness.models.executing import blocks_of
from harness.scenario.execution import Execution

ALL_GATHER = getattr(dist, "all_gather_single", dist.all_gather_into_tensor)
REDUCE_SCATTER = getattr(dist, "reduce_scatter_single", dist.reduce_scatter_tensor)
"""By their names of now, or those of old."""


class Sharded(SeveralDevices):
    """PyTorch's fully_shard (FSDP2) of every block, and of what is left as one more."""

    def divide(self, source: Any, module: nn.Module, execution: Execution) -> None:
        """Leave to this rank its part of every parameter.

        All of a network is one block where it names none, and where it works in ranges of grid points: it does not call
        its blocks then, but parts of them.
        """
        mesh = init_device_mesh(self._device.type, (self.size,))
        in_blocks = execution.recompute.unit != "ranges" and hasattr(source, "blocks")
        self._parts: list[Any] = [*(blocks_of(source, module) if in_blocks else ()), module]
        for part in self._parts:
            fully_shard(part, mesh=mesh, reshard_after_forward=True, shard_placement_fn=self._divided)
        self._is_default = True

    def _divided(self, parameter: nn.Parameter) -> Shard | None:
        """By the first axis that the ranks divide evenly; None where there is none: by rows, as far as they go."""
        axes = (axis for axis, length in enumerate(parameter.shape) if length % self.size == 0)
        axis = next(axes, None)
        return None if axis is None else Shard(axis)

    @contextmanager
    def without_exchange(self) -> Iterator[None]:
        """Around steps in which a rank takes its own part of a parameter for those of all, and of a gradient, too.

        The norm that gradients are clipped by and whether one overflowed are still told, a number each. Raises
        UserError where this PyTorch lets nothing else stand in for its collectives.
        """
        if self._is_default:
            self._stand_in()
            self._is_default = False
        with super().without_exchange():
            yield

    def _stand_in(self) -> None:
        if not hasattr(self._parts[0], "set_custom_all_gather"):
            raise UserError(
                f"world.parallel sharded: PyTorch {torch.__version__} cannot leave its exchange out; take a newer one"
            )
        for part in self._parts:
            part.set_custom_all_gather(_Gather(self))
            part.set_custom_reduce_scatter(_Scatter(self))

    @contextmanager
    def _one_pass(self, last: bool) -> Iterator[None]:
        self._parts[-1].set_requires_gradient_sync(last)
        try:
            yield
        finally:
            self._parts[-1].set_requires_gradient_sync(True)

    def pass_of(self, last: bool) -> AbstractContextManager[Any]:
        """Only the last micro-batch exchanges gradients, those of all, which are whole until then."""
        return self._one_pass(last)

    def whole(self, tensor: Tensor) -> Tensor:
        """A parameter or gradient of which each rank holds a part; all ranks make the call."""
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def part(self, whole: Tensor, parameter: Tensor) -> Tensor:
        """Of a whole parameter what this rank holds, as rank 0 has it."""
        assert isinstance(parameter, DTensor)
        placed = whole.to(self._device, parameter.dtype)
        part: Tensor = distribute_tensor(placed, parameter.device_mesh, parameter.placements)
        return part


class _Collective:
    """A collective that is left out where nothing shall be exchanged."""

    def __init__(self, ranks: SeveralDevices) -> None:
        self._ranks = ranks

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Memory for what is sent or received."""
        return torch.empty(*size, dtype=dtype, device=device)


class _Gather(_Collective):
    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, group: Any, async_op: bool = False) -> Any:
        if self._ranks.exchanges:
            return ALL_GATHER(output_tensor, input_tensor, group=group, async_op=async_op)
        for part in output_tensor.chunk(self._ranks.size):
            if part.data_ptr() != input_tensor.data_ptr():
                part.copy_(input_tensor)
        return None


class _Scatter(_Collective):
    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, group: Any, op: Any, async_op: bool = False) -> Any:
        if self._ranks.exchanges:
            return REDUCE_SCATTER(output_tensor, input_tensor, group=group, op=op, async_op=async_op)
        output_tensor.view(-1).copy_(input_tensor.view(self._ranks.size, -1)[0])
        return None
