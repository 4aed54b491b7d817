"""What a network shares with those of other ranks, and when: nothing on one device.

The kinds for several devices are modules beside this one, imported where they are asked for.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from harness.frameworks.pytorch.optimisers import make_optimiser
from harness.scenario.execution import Execution, World
from harness.scenario.schema import OptimiserConfig

KINDS = {
    "data": "data_parallel:DataParallel",
    "sharded_optimiser": "sharded_optimiser:ShardedOptimiser",
    "sharded": "sharded:Sharded",
}


class OneDevice:
    """A network that shares nothing; the others differ from it in what they override."""

    size = 1

    def __init__(self, device: torch.device, size: int = 1) -> None:
        self._device = device
        self.size = size

    def divide(self, source: Any, module: nn.Module, execution: Execution) -> None:
        """Leave to this rank its part of every parameter, where these are divided.

        `source` is the module that built the network.
        """

    def exchanging(self, losses: Callable[..., Any], module: nn.Module) -> Callable[..., Any]:
        """`losses`, whose backward pass through the parameters of `module` averages gradients over the ranks."""
        return losses

    def pass_of(self, last: bool) -> AbstractContextManager[Any]:
        """Around forward and backward pass of a micro-batch: only those of the last exchange gradients."""
        return nullcontext()

    def without_exchange(self) -> AbstractContextManager[Any]:
        """Around steps in which the ranks exchange nothing."""
        return nullcontext()

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks, element by element."""
        return values

    def optimiser(
        self, config: OptimiserConfig, parameters: Iterable[nn.Parameter], execution: Execution
    ) -> torch.optim.Optimizer:
        """A fresh optimiser of the parameters, or of this rank's part of them."""
        return make_optimiser(config, parameters, self._device, compiled=execution.is_graph)

    def whole(self, tensor: Tensor) -> Tensor:
        """A parameter or gradient of which each rank holds a part; all ranks make the call."""
        return tensor

    def part(self, whole: Tensor, parameter: Tensor) -> Tensor:
        """Of a whole parameter what this rank holds in `parameter`."""
        return whole


class SeveralDevices(OneDevice):
    """What all kinds for several devices share; `exchanges` is False where nothing shall be sent."""

    exchanges = True

    @contextmanager
    def without_exchange(self) -> Iterator[None]:
        """Around steps in which the ranks exchange nothing: gradients and updates stay those of the rank."""
        self.exchanges = False
        try:
            yield
        finally:
            self.exchanges = True

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks, element by element; without exchange, as if all had the same."""
        if not self.exchanges:
            return values * self.size
        total = values.clone()
        dist.all_reduce(total)
        return total


def parallel_of(world: World, device: torch.device) -> OneDevice:
    """How the devices of a world train one network together; their process group is there."""
    if world.devices == 1:
        return OneDevice(device)
    module, _, name = KINDS[world.parallel].partition(":")
    made: OneDevice = getattr(import_module(f"harness.frameworks.pytorch.{module}"), name)(device, world.devices)
    return made
