"""MindSpore behind the framework protocol: CPU and Ascend, op by op or as compiled graphs.

Loss, gradients and optimiser are one Cell, so that a compiled training step is a single graph; gradients passed into a
separately compiled optimiser are several times slower.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from harness.errors import UserError
from harness.frameworks.base import Array, FrameworkDescription
from harness.scenario.schema import OptimiserConfig


def open_device(device: str, *, compiled: bool) -> "MindSpore":
    """Open a device by its MindSpore name: CPU or Ascend.

    The first call of `synchronize` in a process returns without waiting, so it is made here. On CPU, op by op, each
    operator is waited for: handing small ones from thread to thread costs up to forty times what they compute.
    Raises UserError where this build of MindSpore cannot use it.
    """
    try:
        ms.set_device(device)
    except (RuntimeError, ValueError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise UserError(f"MindSpore {ms.__version__} cannot use {device}: {reason}") from None
    ms.set_context(mode=ms.GRAPH_MODE if compiled else ms.PYNATIVE_MODE)
    if device == "CPU" and not compiled:
        ms.runtime.launch_blocking()
    ms.runtime.synchronize()
    return MindSpore(device, compiled=compiled)


class OneAhead(nn.Cell):
    """Network and loss for one step ahead."""

    def __init__(self, network: nn.Cell, loss: Any, mask: Array) -> None:
        super().__init__(auto_prefix=False)
        self.network, self.loss, self.mask = network, loss, Tensor(mask)

    def construct(self, x: Tensor, target: Tensor) -> Tensor:
        """The scalar loss."""
        return self.loss(self.network(x), target, self.mask)


class Rollout(nn.Cell):
    """Network and the losses of an autoregressive rollout, added."""

    def __init__(self, network: nn.Cell, loss: Any, mask: Array, steps: int) -> None:
        super().__init__(auto_prefix=False)
        self.network, self.loss, self.mask, self.steps = network, loss, Tensor(mask), steps

    def construct(self, x: Tensor, targets: Tensor) -> Tensor:
        """The scalar loss against targets (steps, B, C, H, W)."""
        states = ops.unstack(targets)
        x = self.network(x)
        total = self.loss(x, states[0], self.mask)
        for step in range(1, self.steps):
            x = self.network(x * self.mask)
            total = total + self.loss(x, states[step], self.mask)
        return total


class TrainStep(nn.Cell):
    """Loss, gradients and one Adam or AdamW update.

    The fused kernel has no bias correction and adds epsilon to the uncorrected root, so that with c = sqrt(1 - beta2^t)
    the settings lr c / (1 - beta1^t), eps c and decay (1 - beta1^t) / c give the update of torch.optim.
    """

    def __init__(self, loss: nn.Cell, optimiser: OptimiserConfig) -> None:
        super().__init__(auto_prefix=False)
        self.loss = loss
        self.parameters = ms.ParameterTuple(loss.trainable_params())
        self.first_moments = self.parameters.clone("first_moment", "zeros")
        self.second_moments = self.parameters.clone("second_moment", "zeros")
        self.beta1, self.beta2 = Tensor(optimiser.beta1, ms.float32), Tensor(optimiser.beta2, ms.float32)
        self.value_and_grad = ms.value_and_grad(loss, None, self.parameters)
        self.update = ops.AdamWeightDecay()

    def construct(self, x: Tensor, targets: Tensor, rate: Tensor, epsilon: Tensor, decay: Tensor) -> Tensor:
        """The loss before the update."""
        loss, gradients = self.value_and_grad(x, targets)
        for index in range(len(self.parameters)):
            self.update(
                self.parameters[index],
                self.first_moments[index],
                self.second_moments[index],
                rate,
                self.beta1,
                self.beta2,
                epsilon,
                decay,
                gradients[index],
            )
        return loss


def fused_settings(optimiser: OptimiserConfig, learning_rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """(steps, 3): rate, epsilon and decay for every step of the kernel in TrainStep.

    The betas are rounded as the kernel rounds them, so that the correction undoes exactly what it does.
    """
    step = np.arange(1, len(learning_rates) + 1)
    first = 1 - float(np.float32(optimiser.beta1)) ** step
    root = np.sqrt(1 - float(np.float32(optimiser.beta2)) ** step)
    decay = optimiser.weight_decay * first / root
    return np.stack([learning_rates * root / first, optimiser.epsilon * root, decay], axis=1)


class MindSpore:
    """A network in MindSpore."""

    def __init__(self, device: str, *, compiled: bool) -> None:
        self._device = device
        self._compiled = compiled

    def describe(self) -> FrameworkDescription:
        """Versions, device and threads."""
        on_cpu = self._device == "CPU"
        return FrameworkDescription(
            name="mindspore",
            version=ms.__version__,
            build=ms.__version__,
            device=self._device,
            device_name="cpu" if on_cpu else ms.hal.get_device_name(0),
            driver=None,
            execution="compiled" if self._compiled else "eager",
            threads=ms.get_context("runtime_num_threads"),
            packages={"mindspore": ms.__version__},
        )

    def build(self, architecture: ModuleType, network: Any, grid: tuple[int, int], mask: NDArray[np.bool_]) -> None:
        """Make the network for fields under a mask (C, H, W), which is True where a point counts."""
        source = importlib.import_module(f"{architecture.__name__}.mindspore")
        self._network: nn.Cell = source.build(network, grid, len(mask))
        self._parameters = {parameter.name: parameter for parameter in self._network.trainable_params()}
        self._loss, self._mask = source.loss, mask.astype(np.float32)
        self._one_ahead = OneAhead(self._network, self._loss, self._mask)

    def load(self, weights: Mapping[str, Array]) -> None:
        """Set every parameter.

        Raises ValueError where names or shapes are not exactly those of the network.
        """
        if missing := self._parameters.keys() ^ weights.keys():
            raise ValueError(f"parameters on one side only: {', '.join(sorted(missing))}")
        for name, parameter in self._parameters.items():
            if parameter.shape != weights[name].shape:
                raise ValueError(f"{name}: shape {weights[name].shape}, the network has {parameter.shape}")
            parameter.set_data(Tensor(weights[name]))

    def weights(self) -> dict[str, Array]:
        """Every parameter by name."""
        return {name: self.get(parameter) for name, parameter in self._parameters.items()}

    def start_stage(self, optimiser: OptimiserConfig, learning_rates: NDArray[np.float64], rollout_steps: int) -> None:
        """A fresh optimiser; step k of the stage uses learning_rates[k]."""
        self._train_step = TrainStep(Rollout(self._network, self._loss, self._mask, rollout_steps), optimiser)
        self._train_step.set_train()
        self._settings = iter(fused_settings(optimiser, learning_rates).tolist())

    def put(self, array: Array) -> Tensor:
        """A host array to the device."""
        return Tensor(array)

    def get(self, value: Tensor | Parameter) -> Array:
        """A device value to the host; waits for it."""
        array: Array = value.asnumpy()
        return array

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        """Matrix product of two device values (n, n)."""
        return ops.matmul(left, right)

    def train_step(self, x: Tensor, targets: Tensor) -> Tensor:
        """One optimiser step from x (B, C, H, W) to targets (rollout_steps, B, C, H, W); the loss before the update."""
        settings = [Tensor(value, ms.float32) for value in next(self._settings)]
        return self._train_step(x, targets, *settings)

    def evaluate(self, x: Tensor, target: Tensor) -> Tensor:
        """The loss of one step ahead, without an update."""
        return self._one_ahead(x, target)

    def gradients(self, x: Tensor, target: Tensor) -> tuple[float, dict[str, Array]]:
        """The loss of one step ahead and its gradient by every parameter."""
        parameters = ms.ParameterTuple(self._network.trainable_params())
        function = ms.value_and_grad(self._one_ahead, None, parameters)
        loss, gradients = (ms.jit(function) if self._compiled else function)(x, target)
        return float(loss.asnumpy()), {p.name: self.get(g) for p, g in zip(parameters, gradients, strict=True)}

    def predict(self, x: Tensor) -> Tensor:
        """Fields (B, C, H, W) one step later."""
        return self._network(x)

    def synchronise(self) -> None:
        """Wait until the device has finished."""
        ms.runtime.synchronize()

    def peak_memory_bytes(self) -> int | None:
        """Peak memory allocated on the device since the start, None on a CPU, where MindSpore keeps no count."""
        return None if self._device == "CPU" else int(ms.runtime.max_memory_allocated())
