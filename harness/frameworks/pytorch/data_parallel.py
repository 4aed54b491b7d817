"""Data parallelism: every rank holds the whole network, and gradients are averaged as the backward pass makes them."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from harness.frameworks.pytorch.parallel import SeveralDevices

_NEW_NAME = "forward_sync_buffers"
_NAMES = inspect.signature(DistributedDataParallel).parameters
_SENDS_BUFFERS = _NEW_NAME if _NEW_NAME in _NAMES else "broadcast_buffers"


class DataParallel(SeveralDevices):
    """DistributedDataParallel around the losses of a step, however often these call the network."""

    def exchanging(self, losses: Callable[..., Any], module: nn.Module) -> Callable[..., Any]:
        """`losses`, whose backward pass averages gradients over the ranks, in buckets of which gradients are views.

        Any parameter may be left out of a step, as AI-GOMS leaves out its mask token where no token is hidden. Buffers
        are constants, which nobody sends.
        """
        settings: dict[str, Any] = {_SENDS_BUFFERS: False}
        self._losses = DistributedDataParallel(
            _Losses(losses, module), find_unused_parameters=True, gradient_as_bucket_view=True, **settings
        )
        return self._losses

    def pass_of(self, last: bool) -> AbstractContextManager[Any]:
        """Only the last micro-batch exchanges gradients, those of all."""
        return nullcontext() if last and self.exchanges else self._losses.no_sync()


class _Losses(nn.Module):
    """Losses as a module, whose parameters are those of the network."""

    def __init__(self, losses: Callable[..., Any], network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._losses = losses

    def forward(self, *batch: Any) -> Any:
        return self._losses(*batch)
