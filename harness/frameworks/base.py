"""What a runner may ask of a framework."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.frozen import Frozen
from harness.scenario.schema import OptimiserConfig

Array = NDArray[np.float32]


class FrameworkDescription(Frozen):
    """What ran: versions, device, threads."""

    name: str
    version: str
    build: str
    device: str
    device_name: str
    driver: str | None
    execution: str
    threads: int | None
    packages: dict[str, str]


class Framework(Protocol):
    """One network on one device.

    Device values are opaque: `put` makes them, `get` reads them. Work may still be under way when a call returns;
    a clock is read only after `synchronise`.
    """

    def describe(self) -> FrameworkDescription:
        """Versions, device and threads."""

    def build(self, architecture: ModuleType, network: Any, grid: tuple[int, int], mask: NDArray[np.bool_]) -> None:
        """Make the network for fields under a mask (C, H, W), which is True where a point counts."""

    def load(self, weights: Mapping[str, Array]) -> None:
        """Set every parameter.

        Raises ValueError where names or shapes are not exactly those of the network.
        """

    def weights(self) -> dict[str, Array]:
        """Every parameter by name."""

    def start_stage(self, optimiser: OptimiserConfig, learning_rates: NDArray[np.float64], rollout_steps: int) -> None:
        """A fresh optimiser; step k of the stage uses learning_rates[k]."""

    def put(self, array: Array) -> Any:
        """A host array to the device."""

    def get(self, value: Any) -> Array:
        """A device value to the host; waits for it."""

    def multiply(self, left: Any, right: Any) -> Any:
        """Matrix product of two device values (n, n)."""

    def train_step(self, x: Any, targets: Any) -> Any:
        """One optimiser step from x (B, C, H, W) to targets (rollout_steps, B, C, H, W); the loss before the update."""

    def evaluate(self, x: Any, target: Any) -> Any:
        """The loss of one step ahead, without an update."""

    def gradients(self, x: Any, target: Any) -> tuple[float, dict[str, Array]]:
        """The loss of one step ahead and its gradient by every parameter."""

    def predict(self, x: Any) -> Any:
        """Fields (B, C, H, W) one step later."""

    def synchronise(self) -> None:
        """Wait until the device has finished."""

    def peak_memory_bytes(self) -> int | None:
        """Peak memory of the device since the start, None where the framework keeps no count."""
