"""MindSpore behind the framework protocol: CPU and Ascend, op by op or as compiled graphs.

Loss, gradients and optimiser are one Cell, so that a compiled training step is a single graph; gradients passed into a
separately compiled optimiser are several times slower.
"""

import gc
import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from harness.errors import UserError
from harness.frameworks.base import Array, FrameworkDescription, Graphs, PeakMemory, Switches
from harness.frameworks.mindspore import casting, compilation, graph_cache, sink, switches
from harness.frameworks.mindspore.loss_scaling import LossScale, ScaledUpdates, TimesScale
from harness.frameworks.mindspore.parallel import Averaged, AveragedGradients, device_index, join
from harness.frameworks.mindspore.recompute import apply_recompute
from harness.frameworks.mindspore.training_step import Exchange, TrainStep, fused_settings, settings
from harness.frameworks.policy import scales_loss
from harness.frameworks.ranks import Alone, Ranks
from harness.models.domain import Domain, InputLayout
from harness.models.operators.choices import serving
from harness.scenario.execution import EAGER, Execution
from harness.scenario.schema import OptimiserConfig


def open_device(device: str, execution: Execution = EAGER) -> "MindSpore":
    """Open a device by its MindSpore name: CPU or Ascend.

    The first call of `synchronize` in a process returns without waiting, so it is made here. On CPU, op by op, each
    operator is waited for: handing small ones from thread to thread costs up to forty times what they compute; and
    MindSpore's own pool has as many threads as OMP_NUM_THREADS says, as PyTorch's has. Products of float32 keep what
    the execution says (switches). What the imports have made stays out of the garbage collections that each compilation
    starts. Of several ranks this is one, and waits for the others. Raises UserError where this build of MindSpore
    cannot use the device, or the other ranks are not found.
    """
    gc.freeze()
    several = execution.world.devices > 1
    try:
        ms.set_device(device, device_index(device) if several else None)
    except (RuntimeError, ValueError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise UserError(f"MindSpore {ms.__version__} cannot use {device}: {reason}") from error
    if device == "CPU" and (threads := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        ms.set_context(runtime_num_threads=int(threads))
    ranks = join(device, execution.world) if several else Alone()
    compilation.prepare(execution.compilation, device)
    refused = switches.set_products(execution.precision.matmul) if device == "Ascend" else ()
    if device == "CPU" and not execution.is_graph:
        ms.runtime.launch_blocking()
    ms.runtime.synchronize()
    return MindSpore(device, execution, refused, ranks)


def _copied(tensor: Tensor, device: str) -> Tensor:
    """The tensor on a device, by `to`, which in MindSpore 2.7 takes types alone, or else by the older `move_to`."""
    try:
        return tensor.to(device)
    except TypeError:
        return tensor.move_to(device)


class Product(nn.Cell):
    """A matrix product: as part of a graph where networks are."""

    def construct(self, left: Tensor, right: Tensor) -> Tensor:
        """The product of (m, k) and (k, n)."""
        return ops.matmul(left, right)


class OneAhead(nn.Cell):
    """Network and loss for one step ahead."""

    def __init__(self, network: nn.Cell, loss: Any, weights: Array) -> None:
        super().__init__(auto_prefix=False)
        self.network, self.loss, self.weights = network, loss, Tensor(weights)

    def construct(self, x: Tensor, target: Tensor, *extras: Tensor) -> Tensor:
        """The scalar loss."""
        return self.loss(self.network(x, *extras), target, self.weights)


class Rollout(nn.Cell):
    """Network and the losses of an autoregressive rollout, added."""

    def __init__(self, ahead: OneAhead, mask: Array, layout: InputLayout, steps: int, *, shared: bool = False) -> None:
        super().__init__(auto_prefix=False)
        self.shared = shared
        self.network, self.loss, self.weights = ahead.network, ahead.loss, ahead.weights
        self.mask, self.steps = Tensor(mask), steps
        self.state_alone, self.kept, self.statics = layout.state_alone, layout.kept, layout.statics
        self.inputs, self.forced = layout.inputs, layout.forcings > 0 and steps > 1

    def construct(self, x: Tensor, targets: Tensor, *further: Tensor) -> Tensor:
        """The scalar loss against targets (steps, B, C, H, W).

        `further` are the shares (steps,) of the losses in that of a whole batch, where there are micro-batches, the
        forcings (steps - 1, B, F', H, W) of the later steps, where there are any, and the extras.
        """
        states = (targets.reshape(targets.shape[1:]),) if self.steps == 1 else ops.unstack(targets)
        forcings, extras, shares = (), further, None
        if self.shared:
            shares, extras = extras[0], extras[1:]
        if self.forced:
            forcings, extras = ops.unstack(extras[0]), extras[1:]
        state = self.network(x, *extras)
        total = self.loss_of(state, states[0], shares, 0)
        for step in range(1, self.steps):
            x = self.next_input(x, state * self.mask, forcings[step - 1 : step])
            state = self.network(x, *extras)
            total = total + self.loss_of(state, states[step], shares, step)
        return total

    def loss_of(self, state: Tensor, target: Tensor, shares: Tensor | None, step: int) -> Tensor:
        """The loss of a step, by its share."""
        loss = self.loss(state, target, self.weights)
        return loss if shares is None else loss * shares[step]

    def next_input(self, x: Tensor, state: Tensor, forcings: tuple[Tensor, ...]) -> Tensor:
        """The new state, the older ones, the forcings of the next step and the static fields of x."""
        if self.state_alone:
            return state
        parts: tuple[Tensor, ...] = (state,)
        if self.kept > 0:
            parts = (*parts, x[:, : self.kept])
        parts = parts + forcings
        if self.statics > 0:
            parts = (*parts, x[:, self.inputs - self.statics :])
        return ops.cat(parts, axis=1)


class MindSpore:
    """A network in MindSpore."""

    def __init__(self, device: str, execution: Execution, refused: tuple[str, ...], ranks: Ranks) -> None:
        self.ranks = ranks
        self._exchange = Exchange(ranks.rank, shards=execution.world.parallel == "sharded_optimiser")
        self._device = device
        self._execution = execution
        self._refused = refused
        self._product = Product()
        self._exchanges = True

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
            execution="graph" if ms.get_context("mode") == ms.GRAPH_MODE else "eager",
            threads=ms.get_context("runtime_num_threads"),
            packages={"mindspore": ms.__version__},
            compilation=compilation.described(),
        )

    def switches(self) -> Switches:
        """The switches that decide the precision of products, read at the moment; a CPU has none."""
        return switches.read(self._refused) if self._device == "Ascend" else Switches(values={}, unread=())

    def build(self, architecture: ModuleType, network: Any, domain: Domain, port: ModuleType | None = None) -> None:
        """Make the network of these hyperparameters for a domain.

        `port` offers another `build` and `loss` in place of those of the architecture.
        """
        source = port or importlib.import_module(f"{architecture.__name__}.mindspore")
        built: nn.Cell = source.build(network, domain, self._execution)
        apply_recompute(self._execution, source, built)
        autocast = self._execution.precision.autocast
        self.network, self._low_layers = casting.cast(built, autocast)
        self._loss_scale = LossScale() if scales_loss(autocast) else None
        self._parameters = {parameter.name: parameter for parameter in self.network.trainable_params()}
        self._one_ahead = OneAhead(self.network, source.loss, architecture.loss_weights(network, domain))
        self._loss_size = getattr(source, "loss_size", None)
        self._train_step: TrainStep | None = None
        self._silent_step: TrainStep | None = None
        self._graphs_of_stages = 0
        self._stages = 0
        self._kept = None if port else graph_cache.cache_of(architecture, network, domain, self._execution)
        self._mask = domain.mask.astype(np.float32)
        self._layout = domain.layout(architecture.input_spec(network))

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
        parts, size, scale = self._execution.accumulation, self._loss_size, self._loss_scale
        shared = self._exchange.shares_losses(parts, size)
        rollout = Rollout(self._one_ahead, self._mask, self._layout, rollout_steps, shared=shared)
        scaling = None if scale is None else ScaledUpdates(scale, optimiser, len(learning_rates))
        self._graphs_of_stages += sum(len(step.compile_cache) for step in self._steps())
        self._stages += 1
        updates = len(learning_rates) if scaling else "any number of"
        self._stage = f"stage {self._stages}, {optimiser.model_dump_json()}, {rollout_steps} steps, {updates} updates:"
        self._make_step = partial(TrainStep, rollout, optimiser, parts, size, scaling)
        self._train_step = self._make_step(self._exchange)
        self._train_step.set_train()
        self._silent_step = None
        self._settings = iter((settings if scaling else fused_settings)(optimiser, learning_rates).tolist())

    def put(self, array: NDArray[Any]) -> Tensor:
        """A host array to the device: a Tensor stays on the host, from where every call of a graph copies it anew."""
        tensor = Tensor(array)
        return tensor if self._device == "CPU" else _copied(tensor, self._device)

    def get(self, value: Tensor | Parameter) -> Array:
        """A device value to the host; waits for it."""
        array: Array = value.asnumpy()
        return array

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        """Matrix product of two device values (m, k) and (k, n)."""
        return self._product(left, right)

    def train_step(
        self, x: Tensor, targets: Tensor, forcings: Tensor | None = None, extras: Sequence[Tensor] = ()
    ) -> Tensor:
        """One optimiser step over a rollout from x to targets (rollout_steps, B, C, H, W); the loss before the update.

        `forcings` (rollout_steps - 1, B, F', H, W) are those of the later steps, None where there are none.
        """
        settings = [Tensor(value, ms.float32) for value in next(self._settings)]
        further = extras if forcings is None else (forcings, *extras)
        return self._run(f"train_step {self._stage}", self._step(), *settings, x, targets, *further)

    @contextmanager
    def without_exchange(self) -> Iterator[None]:
        """Training steps inside it do all but the exchange with other ranks, on batches of the same shapes.

        They update weights and moments, so that those of the ranks go apart: for a clock alone. Each takes a learning
        rate of the stage; the first of a stage compiles a graph of its own.
        """
        self._exchanges = False
        try:
            yield
        finally:
            self._exchanges = True

    def _step(self) -> TrainStep:
        assert self._train_step is not None
        if self._exchanges or self.ranks.rank.size == 1:
            return self._train_step
        if self._silent_step is None:
            silent, moments = self._exchange._replace(sends=False), self._train_step.update.moments
            self._silent_step = self._make_step(silent, moments)
            self._silent_step.set_train()
        return self._silent_step

    def sunk_steps(self, tasks: Sequence[Callable[[], sink.Arrays]], workers: int) -> Iterator[Tensor]:
        """The losses of `train_step` on what the tasks make, taken from a queue on the device (sink.py)."""
        settings = [next(self._settings) for _ in tasks]
        level = self._execution.compilation.level or "O0"
        return sink.losses(self._step(), tasks, settings, workers=workers, level=level)

    def evaluate(self, x: Tensor, target: Tensor) -> Tensor:
        """The loss of one step ahead, without extras and without an update."""
        return self._run("evaluate", self._one_ahead, x, target)

    def gradients(self, x: Tensor, target: Tensor, extras: Sequence[Tensor] = ()) -> tuple[float, dict[str, Array]]:
        """The loss of one step ahead and its gradient by every parameter."""
        parameters = ms.ParameterTuple(self.network.trainable_params())
        function = ms.value_and_grad(TimesScale(self._one_ahead), None, parameters)
        share = 1.0
        if self._exchange.meets:
            sizes = [int(parameter.size) for parameter in parameters]
            function = AveragedGradients(function, Averaged(sizes, self.ranks.rank.size))
            share = self._share(target)
        run = ms.jit(function) if self._execution.is_graph and not self._exchange.meets else function
        for scale in (1.0,) if self._loss_scale is None else self._loss_scale.trials():
            loss, gradients = run(Tensor(scale * share, target.dtype), x, target, *extras)
            found = {p.name: self.get(g) / scale for p, g in zip(parameters, gradients, strict=True)}
            if all(np.isfinite(gradient).all() for gradient in found.values()):
                break
        return float(loss.asnumpy()) / scale, found

    def predict(self, x: Tensor) -> Tensor:
        """The state (B, C, H, W) one step later."""
        return self._run("predict", self.network, x)

    def _run(self, what: str, cell: nn.Cell, *inputs: Tensor) -> Tensor:
        """What a Cell gives, from a graph that was kept where there is one."""
        if self._kept is None:
            return cell(*inputs)
        return self._kept.run(what, inputs, lambda: cell(*inputs))

    def adam_kernel(self) -> str:
        """What serves Adam: one kernel for each parameter."""
        return serving("adam", "auto", "mindspore", self._device)

    def low_precision_layers(self) -> tuple[str, ...] | None:
        """Names of the layers that run in the lower format; None where MindSpore's own lists decide."""
        return self._low_layers

    @property
    def loss_scale(self) -> float | None:
        """What the loss is multiplied with at present; None where it is not scaled."""
        return None if self._loss_scale is None else self._loss_scale.value()

    @property
    def skipped_steps(self) -> int | None:
        """Training steps that were skipped for their gradients; None where the loss is not scaled."""
        return None if self._loss_scale is None else int(self._loss_scale.skipped.asnumpy())

    def synchronise(self) -> None:
        """Wait until the device has finished."""
        ms.runtime.synchronize()

    def peak_memory(self) -> PeakMemory:
        """Peak memory of the device since the start; MindSpore says 0 where it counts none, as on a CPU."""
        if self._device == "CPU":
            return PeakMemory(None, None)
        return PeakMemory(int(ms.runtime.max_memory_allocated()) or None, int(ms.runtime.max_memory_reserved()) or None)

    def graphs(self) -> Graphs:
        """The graphs compiled so far; none where nothing is compiled."""
        cells = [self.network, self._one_ahead, *self._steps()]
        made = self._graphs_of_stages + sum(len(cell.compile_cache) for cell in cells)
        loaded = self._kept.loaded if self._kept else 0
        return compilation.graphs(made, loaded, self._execution.compilation, self._device)

    def _steps(self) -> list[TrainStep]:
        return [step for step in (self._train_step, self._silent_step) if step is not None]

    def _share(self, target: Tensor) -> float:
        """The share of a rank's own loss of one step ahead in the loss of all, times the number of ranks."""
        if self._loss_size is None:
            return 1.0
        own = float(self._loss_size(target).asnumpy())
        return own * self.ranks.rank.size / max(float(self.ranks.sum(np.array(own))), 1.0)
