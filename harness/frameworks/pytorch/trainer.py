"""PyTorch behind the framework protocol: CPU, CUDA (DCU too, which presents itself as cuda) and torch_npu."""

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import UserError
from harness.frameworks.base import Array, FrameworkDescription, Switches
from harness.frameworks.pytorch import precision
from harness.frameworks.pytorch.optimisers import optimiser_class
from harness.models.domain import Domain
from harness.scenario.execution import EAGER, Execution
from harness.scenario.schema import OptimiserConfig

EXTENSIONS = {"npu": "torch_npu"}


def open_device(device: str, execution: Execution = EAGER, *, dtype: torch.dtype = torch.float32) -> "PyTorch":
    """Open a device by its PyTorch name: cpu, cuda or npu. Networks and what is put there get the type `dtype`.

    Products of float32 keep all of it (precision). Raises UserError where PyTorch does not see the device.
    """
    if device in EXTENSIONS:
        importlib.import_module(EXTENSIONS[device])
    backend = None if device == "cpu" else getattr(torch, device)
    if backend is not None and not backend.is_available():
        raise UserError(
            f"PyTorch {torch.__version__} sees no {device} device; check the driver and the visible devices"
        )
    precision.keep_float32(torch)
    return PyTorch(device, backend, execution, dtype)


class PyTorch:
    """A network in PyTorch; eager, or its forward passes through torch.compile.

    A parameter that a step does not use has a gradient of 0 in it, so that Adam's moments fade as in MindSpore, whose
    graphs give every parameter a gradient.
    """

    def __init__(self, device: str, backend: Any, execution: Execution, dtype: torch.dtype) -> None:
        self._device = torch.device(device)
        self._backend = backend
        self._execution = execution
        self._dtype = dtype

    def describe(self) -> FrameworkDescription:
        """Versions, device and threads."""
        packages = {"torch": torch.__version__}
        if extension := EXTENSIONS.get(self._device.type):
            packages[extension] = importlib.metadata.version(extension)
        return FrameworkDescription(
            name="pytorch",
            version=torch.__version__,
            build=torch.__config__.show().strip(),
            device=self._device.type,
            device_name="cpu" if self._backend is None else self._backend.get_device_name(),
            driver=torch.version.cuda or torch.version.hip,
            execution="compiled" if self._execution.is_graph else "eager",
            threads=torch.get_num_threads(),
            packages=packages,
        )

    def switches(self) -> Switches:
        """The switches that decide the precision of products, read at the moment; `open_device` has set them."""
        return precision.read(torch)

    def build(self, architecture: ModuleType, network: Any, domain: Domain, port: ModuleType | None = None) -> None:
        """Make the network of these hyperparameters for a domain.

        `port` offers another `build` and `loss` in place of those of the architecture.
        """
        source = port or importlib.import_module(f"{architecture.__name__}.pytorch")
        with self._device:
            self.module: torch.nn.Module = source.build(network, domain).to(self._device, self._dtype)
        self._forward = torch.compile(self.module) if self._execution.is_graph else self.module
        self._loss = source.loss
        self._loss_weights = self.put(architecture.loss_weights(network, domain))
        self._mask = self.put(domain.mask.astype(np.float32))
        self._layout = domain.layout(architecture.input_spec(network))

    def load(self, weights: Mapping[str, Array]) -> None:
        """Set every parameter.

        Raises ValueError where names or shapes are not exactly those of the network.
        """
        own = dict(self.module.named_parameters())
        if missing := own.keys() ^ weights.keys():
            raise ValueError(f"parameters on one side only: {', '.join(sorted(missing))}")
        with torch.no_grad():
            for name, parameter in own.items():
                if parameter.shape != weights[name].shape:
                    raise ValueError(f"{name}: shape {weights[name].shape}, the network has {tuple(parameter.shape)}")
                parameter.copy_(torch.from_numpy(weights[name]))

    def weights(self) -> dict[str, Array]:
        """Every parameter by name."""
        return {name: self.get(parameter) for name, parameter in self.module.named_parameters()}

    def start_stage(self, optimiser: OptimiserConfig, learning_rates: NDArray[np.float64], rollout_steps: int) -> None:
        """A fresh optimiser; step k of the stage uses learning_rates[k]."""
        kind: Any = optimiser_class(optimiser.name, compiled=self._execution.is_graph)
        self._optimiser = kind(
            self.module.parameters(),
            betas=(optimiser.beta1, optimiser.beta2),
            eps=optimiser.epsilon,
            weight_decay=optimiser.weight_decay,
            fused=self._device.type in ("cpu", "cuda"),
        )
        self._clip_norm = optimiser.clip_norm
        self._learning_rates = iter(learning_rates.tolist())

    def put(self, array: NDArray[Any]) -> Tensor:
        """A host array to the device."""
        values = torch.from_numpy(array)
        return values.to(self._device, self._dtype if values.is_floating_point() else None)

    def get(self, value: Tensor) -> Array:
        """A device value to the host; waits for it."""
        host = value.detach().cpu()
        array: Array = (host.float() if host.dtype is torch.bfloat16 else host).numpy()
        return array

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        """Matrix product of two device values (m, k) and (k, n)."""
        return left @ right

    def train_step(
        self, x: Tensor, targets: Tensor, forcings: Tensor | None = None, extras: Sequence[Tensor] = ()
    ) -> Tensor:
        """One optimiser step over a rollout from x to targets (rollout_steps, B, C, H, W); the loss before the update.

        `forcings` (rollout_steps - 1, B, F', H, W) are those of the later steps, None where there are none.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = next(self._learning_rates)
        self._optimiser.zero_grad()
        loss = self._rollout(x, targets, forcings, extras)
        loss.backward()
        self._fill_gradients()
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self._clip_norm)
        self._optimiser.step()
        return loss.detach()

    def evaluate(self, x: Tensor, target: Tensor) -> Tensor:
        """The loss of one step ahead, without extras and without an update."""
        with torch.no_grad():
            return self._one_ahead(x, target, ())

    def gradients(self, x: Tensor, target: Tensor, extras: Sequence[Tensor] = ()) -> tuple[float, dict[str, Array]]:
        """The loss of one step ahead and its gradient by every parameter."""
        self.module.zero_grad()
        loss = self._one_ahead(x, target, extras)
        loss.backward()
        self._fill_gradients()
        return loss.item(), {name: self.get(p.grad) for name, p in self.module.named_parameters()}

    def predict(self, x: Tensor) -> Tensor:
        """The state (B, C, H, W) one step later."""
        with torch.no_grad():
            prediction: Tensor = self._forward(x)
            return prediction

    def synchronise(self) -> None:
        """Wait until the device has finished."""
        if self._backend is not None:
            self._backend.synchronize()

    def peak_memory_bytes(self) -> int | None:
        """Peak memory allocated on the device since the start, None on a CPU."""
        return None if self._backend is None else int(self._backend.max_memory_allocated())

    def _fill_gradients(self) -> None:
        for parameter in self.module.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def _one_ahead(self, x: Tensor, target: Tensor, extras: Sequence[Tensor]) -> Tensor:
        loss: Tensor = self._loss(self._forward(x, *extras), target, self._loss_weights)
        return loss

    def _rollout(self, x: Tensor, targets: Tensor, forcings: Tensor | None, extras: Sequence[Tensor]) -> Tensor:
        state = self._forward(x, *extras)
        loss: Tensor = self._loss(state, targets[0], self._loss_weights)
        for step, target in enumerate(targets[1:]):
            x = self._next_input(x, state * self._mask, () if forcings is None else (forcings[step],))
            state = self._forward(x, *extras)
            loss = loss + self._loss(state, target, self._loss_weights)
        return loss

    def _next_input(self, x: Tensor, state: Tensor, forcings: Sequence[Tensor]) -> Tensor:
        if self._layout.state_alone:
            return state
        kept, static = x[:, : self._layout.kept], x[:, x.shape[1] - self._layout.statics :]
        return torch.cat((state, kept, *forcings, static), dim=1)
