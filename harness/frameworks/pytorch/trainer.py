"""PyTorch behind the framework protocol: CPU, CUDA (DCU too, which presents itself as cuda) and torch_npu."""

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import UserError
from harness.frameworks.base import Array, FrameworkDescription, Graphs, PeakMemory, Switches
from harness.frameworks.pytorch import compilation, switches
from harness.frameworks.pytorch.accumulation import micro_batches
from harness.frameworks.pytorch.casting import Casting
from harness.frameworks.pytorch.loss_scaling import Scaling
from harness.frameworks.pytorch.offload import check_offload, kept_on_host
from harness.frameworks.pytorch.optimisers import adam_kernel
from harness.frameworks.pytorch.parallel import parallel_of
from harness.frameworks.pytorch.recompute import prepare, recompute_blocks
from harness.frameworks.ranks import Alone, Ranks
from harness.models.domain import Domain
from harness.scenario.execution import EAGER, Execution
from harness.scenario.schema import OptimiserConfig

EXTENSIONS = {"npu": "torch_npu"}


def open_device(device: str, execution: Execution = EAGER, *, dtype: torch.dtype = torch.float32) -> "PyTorch":
    """Open a device by its PyTorch name: cpu, cuda or npu. Networks and what is put there get the type `dtype`.

    Products of float32 keep what the execution says (switches). Raises UserError where PyTorch does not see the device,
    or the execution asks it for what it has not. Where that names several devices this process is one of the ranks that
    torchrun has started: it meets the others and opens the device that is its own.
    """
    if device in EXTENSIONS:
        importlib.import_module(EXTENSIONS[device])
    backend = None if device == "cpu" else getattr(torch, device)
    if backend is not None and not backend.is_available():
        raise UserError(
            f"PyTorch {torch.__version__} sees no {device} device; check the driver and the visible devices"
        )
    check_offload(device, execution)
    compilation.prepare(execution.compilation, device)
    switches.set_products(torch, execution.precision.matmul)
    if execution.world.devices == 1:
        return PyTorch(device, backend, execution, dtype)
    ranks = importlib.import_module("harness.frameworks.pytorch.ranks")
    rank = ranks.rank_of_environment(execution.world)
    own = ranks.local_device(device, backend, rank)
    return PyTorch(own, backend, execution, dtype, ranks.join(device, rank))


class PyTorch:
    """A network in PyTorch; eager, or its forward passes or whole losses as graphs (compilation).

    A parameter that a step does not use has a gradient of 0 in it, so that Adam's moments fade as in MindSpore, whose
    graphs give every parameter a gradient.

    Of several ranks each is given a batch of its own. Gradients are averaged over them, and the mean over them of the
    losses of a step is the loss of their batches as one.
    """

    def __init__(
        self, device: str, backend: Any, execution: Execution, dtype: torch.dtype, ranks: Ranks | None = None
    ) -> None:
        self.ranks: Ranks = Alone() if ranks is None else ranks
        self._device = torch.device(device)
        self._backend = backend
        self._execution = execution
        self._dtype = dtype
        self._parallel = parallel_of(execution.world, self._device)

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
            execution=self._execution.compilation.mode,
            threads=torch.get_num_threads(),
            packages=packages,
            compilation=compilation.described(self._execution.compilation),
        )

    def switches(self) -> Switches:
        """The switches that decide the precision of products, read at the moment; `open_device` has set them."""
        return switches.read(torch)

    def build(self, architecture: ModuleType, network: Any, domain: Domain, port: ModuleType | None = None) -> None:
        """Make the network of these hyperparameters for a domain.

        `port` offers another `build` and `loss` in place of those of the architecture.
        """
        source = port or importlib.import_module(f"{architecture.__name__}.pytorch")
        with self._device:
            self.module: torch.nn.Module = source.build(network, domain, self._execution).to(self._device, self._dtype)
        prepare(self._execution.recompute)
        if self._execution.recompute.unit == "blocks":
            recompute_blocks(source, self.module)
        self._parallel.divide(source, self.module, self._execution)
        how = self._execution.compilation
        autocast = self._execution.precision.autocast
        self._casting = Casting(autocast, self._device.type, self.module)
        self._scaling = Scaling(autocast, self._device.type)
        self._forward = self._casting.forward(compilation.compiled(self.module, how, scope="forward"))
        rollout = compilation.compiled(self._rollout, how, scope="step")
        self._loss_of_rollout = self._parallel.exchanging(rollout, self.module)
        self._loss_ahead = compilation.compiled(self._one_ahead, how, scope="step")
        self._predict = compilation.compiled(self._forward, how, scope="step")
        self._loss, self._loss_size = source.loss, getattr(source, "loss_size", None)
        self._loss_weights = self.put(architecture.loss_weights(network, domain))
        self._mask = self.put(domain.mask.astype(np.float32))
        self._layout = domain.layout(architecture.input_spec(network))

    def load(self, weights: Mapping[str, Array]) -> None:
        """Set every parameter; each rank is given the same, whole ones.

        Raises ValueError where names or shapes are not exactly those of the network.
        """
        own = dict(self.module.named_parameters())
        if missing := own.keys() ^ weights.keys():
            raise ValueError(f"parameters on one side only: {', '.join(sorted(missing))}")
        with torch.no_grad():
            for name, parameter in own.items():
                if parameter.shape != weights[name].shape:
                    raise ValueError(f"{name}: shape {weights[name].shape}, the network has {tuple(parameter.shape)}")
                parameter.copy_(self._parallel.part(torch.from_numpy(weights[name]), parameter))

    def weights(self) -> dict[str, Array]:
        """Every parameter by name, whole on every rank."""
        named = self.module.named_parameters()
        return {name: self.get(self._parallel.whole(parameter)) for name, parameter in named}

    def start_stage(self, optimiser: OptimiserConfig, learning_rates: NDArray[np.float64], rollout_steps: int) -> None:
        """A fresh optimiser; step k of the stage uses learning_rates[k]."""
        self._optimiser = self._parallel.optimiser(optimiser, self.module.parameters(), self._execution)
        self._scaling.start(self._optimiser)
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
        compilation.begin_step(self._execution.compilation)
        total = torch.zeros((), device=self._device, dtype=self._dtype)
        parts = self._execution.accumulation
        batches = micro_batches(parts, x, targets, forcings, extras, self._loss_size, self._parallel)
        for number, batch in enumerate(batches, start=1):
            with self._parallel.pass_of(last=number == parts):
                with kept_on_host(self._execution, self._device.type):
                    losses = self._loss_of_rollout(batch.x, batch.targets, batch.forcings, tuple(batch.extras))
                    loss = batch.total(losses)
                self._scaling.scaled(loss).backward()
            total += loss.detach()
        self._fill_gradients()
        self._scaling.update(self._optimiser, self.module, self._clip_norm)
        return total

    def evaluate(self, x: Tensor, target: Tensor) -> Tensor:
        """The loss of one step ahead, without extras and without an update."""
        with torch.no_grad():
            loss: Tensor = self._loss_ahead(x, target, ())
            return loss

    def gradients(self, x: Tensor, target: Tensor, extras: Sequence[Tensor] = ()) -> tuple[float, dict[str, Array]]:
        """The loss of one step ahead and its gradient by every parameter, averaged over the ranks."""
        (batch,) = micro_batches(1, x, target[None], None, extras, self._loss_size, self._parallel)
        for scale in self._scaling.trials():
            self.module.zero_grad()
            with self._parallel.pass_of(last=True):
                loss = batch.total(self._loss_of_rollout(batch.x, batch.targets, None, tuple(batch.extras)))
                (loss * scale).backward()
            self._fill_gradients()
            gradients = {name: self._parallel.whole(p.grad) for name, p in self.module.named_parameters()}
            found = {name: self.get(gradient) / scale for name, gradient in gradients.items()}
            if all(np.isfinite(gradient).all() for gradient in found.values()):
                break
        return loss.item(), found

    def without_exchange(self) -> AbstractContextManager[Any]:
        """Around training steps in which the ranks exchange nothing, to time the rest of them."""
        return self._parallel.without_exchange()

    def predict(self, x: Tensor) -> Tensor:
        """The state (B, C, H, W) one step later."""
        compilation.begin_step(self._execution.compilation)
        with torch.no_grad():
            return compilation.kept(self._predict(x), self._execution.compilation)

    def adam_kernel(self) -> str:
        """What serves Adam: fused or foreach."""
        return adam_kernel(self._device)

    def low_precision_layers(self) -> tuple[str, ...] | None:
        """Names of the layers that run in the lower format; None where PyTorch's own lists decide."""
        return self._casting.layers()

    @property
    def loss_scale(self) -> float | None:
        """What the loss is multiplied with at present; None where it is not scaled."""
        return self._scaling.loss_scale

    @property
    def skipped_steps(self) -> int | None:
        """Training steps that were skipped for their gradients; None where the loss is not scaled."""
        return self._scaling.skipped_steps

    def synchronise(self) -> None:
        """Wait until the device has finished."""
        if self._backend is not None:
            self._backend.synchronize()

    def peak_memory(self) -> PeakMemory:
        """Peak memory of the device since the start; a CPU has no count."""
        if self._backend is None:
            return PeakMemory(None, None)
        return PeakMemory(int(self._backend.max_memory_allocated()), int(self._backend.max_memory_reserved()))

    def graphs(self) -> Graphs:
        """The graphs compiled so far; none where nothing is compiled."""
        return compilation.graphs(self._execution.compilation)

    def _fill_gradients(self) -> None:
        for parameter in self.module.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def _one_ahead(self, x: Tensor, target: Tensor, extras: Sequence[Tensor]) -> Tensor:
        loss: Tensor = self._loss(self._forward(x, *extras), target, self._loss_weights)
        return loss

    def _rollout(self, x: Tensor, targets: Tensor, forcings: Tensor | None, extras: Sequence[Tensor]) -> list[Tensor]:
        """The loss of every step."""
        state = self._forward(x, *extras)
        losses: list[Tensor] = [self._loss(state, targets[0], self._loss_weights)]
        for step, target in enumerate(targets[1:]):
            x = self._next_input(x, state * self._mask, () if forcings is None else (forcings[step],))
            state = self._forward(x, *extras)
            losses.append(self._loss(state, target, self._loss_weights))
        return losses

    def _next_input(self, x: Tensor, state: Tensor, forcings: Sequence[Tensor]) -> Tensor:
        if self._layout.state_alone:
            return state
        kept, static = x[:, : self._layout.kept], x[:, x.shape[1] - self._layout.statics :]
        return torch.cat((state, kept, *forcings, static), dim=1)
