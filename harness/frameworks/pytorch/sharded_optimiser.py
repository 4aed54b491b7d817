"""Data parallelism whose optimiser is divided (ZeRO-1).

Every rank holds the whole network, but the states of some of its parameters alone: it updates these and sends them to
the others.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer

from harness.frameworks.pytorch.data_parallel import DataParallel
from harness.frameworks.pytorch.optimisers import optimiser_settings
from harness.scenario.execution import Execution
from harness.scenario.schema import OptimiserConfig


class ShardedOptimiser(DataParallel):
    """Beside it, PyTorch's ZeroRedundancyOptimizer: whole parameters are dealt to ranks, the largest first."""

    def optimiser(
        self, config: OptimiserConfig, parameters: Iterable[nn.Parameter], execution: Execution
    ) -> torch.optim.Optimizer:
        """The optimiser of all parameters with the states of this rank's."""
        kind, settings = optimiser_settings(config, self._device, compiled=execution.is_graph)
        return SharedStates(parameters, kind, self, parameters_as_bucket_view=True, **settings)


class SharedStates(ZeroRedundancyOptimizer):
    """A ZeroRedundancyOptimizer that counts its updates, and sends none where nothing shall be exchanged."""

    def __init__(self, parameters: Iterable[nn.Parameter], kind: Any, ranks: DataParallel, **settings: Any) -> None:
        self.updates = 0
        self._ranks = ranks
        super().__init__(parameters, kind, **settings)

    def step(self, closure: Any = None, **settings: Any) -> Any:
        """One update."""
        self.updates += 1
        return super().step(closure, **settings)

    def _sync_params(self) -> None:
        if self._ranks.exchanges:
            super()._sync_params()
