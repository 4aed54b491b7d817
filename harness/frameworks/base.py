"""What a runner may ask of a framework."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Annotated, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from harness.frameworks.ranks import Ranks
from harness.frozen import Frozen
from harness.models.domain import Domain
from harness.scenario.execution import Matmul, Precision
from harness.scenario.labels import precision_label
from harness.scenario.schema import OptimiserConfig

Array = NDArray[np.float32]


Policy = Annotated[Matmul, BeforeValidator(lambda policy: "ieee" if policy == "fp32" else policy)]
"""What products of float32 are asked to keep, by a name of Precision.matmul; old records call ieee fp32."""


class FrameworkDescription(Frozen):
    """What ran: versions, device, threads."""

    name: str
    version: str
    build: str
    device: str
    device_name: str
    driver: str | None
    execution: str = Field(description="eager or graph, as the framework itself tells it; compiled in old records")
    threads: int | None
    packages: dict[str, str]
    compilation: dict[str, str] = Field(
        default_factory=dict, description="what the framework says of its graphs; empty where there are none"
    )


class Graphs(Frozen):
    """Graphs that a process has compiled so far, and how much of their code it had to make.

    `made` counts graphs. `built` counts what no cache held, in units of the framework: it stands still while a graph
    is compiled from cached code alone. None where nobody counts that.
    """

    made: int
    built: int | None


class Compile(Frozen):
    """A call that compiled a graph before it ran it: `s` seconds for both.

    `warm` says whether all its code came out of a cache, of earlier processes or graphs; None where nobody knows.
    """

    what: str = Field(description="train_step, evaluate or predict")
    shape: str = Field(description="shapes of the inputs, such as 8x4x32x64 1x8x4x32x64")
    s: float
    warm: bool | None


class Switches(Frozen):
    """What a framework says at the moment of the precision of its float32 products: switches by name, as text."""

    values: dict[str, str]
    unread: tuple[str, ...] = Field(description="what could not be set or read back, and why, one line each")


class Numerics(Frozen):
    """The precision that a launch was asked for, and what its matrix product was found to keep of it.

    Bits are those of the significand, the leading one counted: 24 in float32, 12 in HF32, 11 in TF32 and float16, 8 in
    bfloat16.
    """

    policy: Policy
    policy_bits: int
    matmul_bits: int = Field(description="measured on the device, before training")
    switches: dict[str, str] = Field(description="set to what the policy asks for, then read back")
    unread: tuple[str, ...] = Field(description="switches that could not be set or read back, and why")
    dropped: dict[str, str] = Field(description="environment variables that the worker did not inherit, with values")

    @property
    def asked(self) -> str:
        """The format that the policy asks for, as people call it: fp32, TF32 or HF32."""
        return precision_label(Precision(matmul=self.policy))

    @property
    def shortfall(self) -> str | None:
        """In words how the product falls short of the policy; None where it does not."""
        if self.matmul_bits >= self.policy_bits:
            return None
        return f"the matrix product kept {self.matmul_bits} of the {self.policy_bits} bits that {self.asked} asks for"


class PeakMemory(NamedTuple):
    """Bytes of a device at their peak; None on a CPU, where no framework counts them.

    Allocated is what tensors took, reserved what the framework's allocator had taken of the device for them.
    """

    allocated_bytes: int | None
    reserved_bytes: int | None


class Framework(Protocol):
    """One network on one device.

    x (B, inputs, H, W) has the channels of `Domain`, in its order. Device values are opaque: `put` makes them, `get`
    reads them. Work may still be under way when a call returns; a clock is read only after `synchronise`.
    """

    @property
    def ranks(self) -> Ranks:
        """The ranks that train this network together; `Alone` where this process is the only one."""

    def describe(self) -> FrameworkDescription:
        """Versions, device and threads."""

    def switches(self) -> Switches:
        """The switches that decide the precision of products, read at the moment; `open_device` has set them."""

    def build(self, architecture: ModuleType, network: Any, domain: Domain, port: ModuleType | None = None) -> None:
        """Make the network of these hyperparameters for a domain.

        `port` offers another `build` and `loss` in place of those of the architecture in this framework.
        """

    def load(self, weights: Mapping[str, Array]) -> None:
        """Set every parameter.

        Raises ValueError where names or shapes are not exactly those of the network.
        """

    def weights(self) -> dict[str, Array]:
        """Every parameter by name."""

    def start_stage(self, optimiser: OptimiserConfig, learning_rates: NDArray[np.float64], rollout_steps: int) -> None:
        """A fresh optimiser; step k of the stage uses learning_rates[k]."""

    def put(self, array: NDArray[Any]) -> Any:
        """A host array to the device."""

    def get(self, value: Any) -> Array:
        """A device value to the host; waits for it."""

    def multiply(self, left: Any, right: Any) -> Any:
        """Matrix product of two device values (m, k) and (k, n)."""

    def train_step(self, x: Any, targets: Any, forcings: Any = None, extras: Sequence[Any] = ()) -> Any:
        """One optimiser step over a rollout from x to targets (rollout_steps, B, C, H, W); the loss before the update.

        `forcings` (rollout_steps - 1, B, F', H, W) are those of the later steps, all offsets of a step together; None
        where there are none. A prediction times the mask is the newest state of the next step. `extras` are the
        architecture's `training_extras`, given to the network at every step.
        """

    def evaluate(self, x: Any, target: Any) -> Any:
        """The loss of one step ahead, without extras and without an update."""

    def gradients(self, x: Any, target: Any, extras: Sequence[Any] = ()) -> tuple[float, dict[str, Array]]:
        """The loss of one step ahead and its gradient by every parameter."""

    def predict(self, x: Any) -> Any:
        """The state (B, C, H, W) one step later."""

    def without_exchange(self) -> AbstractContextManager[Any]:
        """Around training steps of the same shapes in which the ranks exchange nothing, to time the rest of them.

        The weights of the ranks drift apart there: load them anew afterwards and start a stage.
        """

    def adam_kernel(self) -> str:
        """What serves Adam and AdamW on the device: `fused`, or `foreach` where the fused kernel raises."""

    def low_precision_layers(self) -> tuple[str, ...] | None:
        """Names of the layers that run in a lower format, the same in every framework: none in float32.

        None where the framework's own lists of operators decide.
        """

    @property
    def loss_scale(self) -> float | None:
        """What the loss is multiplied with at present; None where it is not scaled."""

    @property
    def skipped_steps(self) -> int | None:
        """Training steps since `build` that were skipped for gradients beyond the format; None without a scale."""

    def synchronise(self) -> None:
        """Wait until the device has finished."""

    def peak_memory(self) -> PeakMemory:
        """Peak memory of the device since the start, as the framework counts it."""

    def graphs(self) -> Graphs:
        """The graphs compiled so far; none where nothing is compiled."""


@runtime_checkable
class Sinks(Protocol):
    """A framework whose device takes its batches from a queue of its own."""

    def sunk_steps(self, tasks: Sequence[Callable[[], tuple[NDArray[Any], ...]]], workers: int) -> Iterator[Any]:
        """The loss of each of the next training steps, on the inputs of `train_step` that the tasks make in threads.

        Raises UserError where the device has no such queue, and the error of a task as it is.
        """
