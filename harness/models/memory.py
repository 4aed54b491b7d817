"""Does a training step fit? Memory counted from a network's configuration, and the execution that fits a chip.

Counted are the weights, their gradients, both moments of Adam, the fields of the batch and what a backward pass keeps,
for PyTorch in the named precision. Not counted are what the framework and its libraries take for themselves, hence the
reserve of `fitting`. MindSpore's graphs on a CPU take about twice as much, and recomputing saves nothing there.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from types import ModuleType
from typing import Any

from harness.errors import UserError
from harness.models.activations import FLOAT32_BYTES, LOW_BYTES, Activations
from harness.models.domain import Domain
from harness.models.parameters import count
from harness.scenario.chips import ChipConfig
from harness.scenario.execution import Execution, Recompute, World
from harness.scenario.schema import TrainingConfig

GIB = 2**30
RESERVE = 0.1
"""Part of a chip's memory that is left to the framework, its libraries and the gaps between blocks of memory."""

RANGES = (8, 16, 32, 64, 128)


@dataclass(frozen=True)
class StepMemory:
    """Bytes that a training step takes on one device."""

    weights: int
    gradients: int
    optimiser: int
    batch: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.batch + self.activations


def step_memory(
    package: ModuleType,
    network: Any,
    domain: Domain,
    training: TrainingConfig,
    execution: Execution,
    *,
    tiled: bool = False,
) -> StepMemory | None:
    """The memory of the largest training step; None where the architecture does not say what it keeps.

    Weights and moments stay in float32 in any precision; a lower one adds a copy of the weights, in
    each step of a rollout its own where nothing is computed anew. Of W devices each has
    the W-th part of the moments with a sharded optimiser, and of weights and gradients too where all is sharded. Then
    the gradients of micro-batches are whole until they are exchanged, once a step, and a network that works through
    ranges has all its weights gathered while it runs. Not counted is the one block that is gathered else. `tiled` says
    that rows run in tiles, as `harness.models.executing.runs_in_tiles` tells.
    """
    activations_of = getattr(package, "activations", None)
    if activations_of is None:
        return None
    samples = -(-training.batch_size // execution.accumulation)
    steps = max((stage.rollout_steps for stage in training.trained_stages), default=1)
    in_tiles = {"tiled": True} if tiled else {}
    kept: Activations = activations_of(network, domain, samples, execution, **in_tiles)
    low = execution.precision.autocast != "none"
    parameter_bytes = FLOAT32_BYTES * count(package.parameters(network, domain))
    inputs = domain.inputs(package.input_spec(network))
    fields = training.batch_size * (inputs + steps * domain.outputs) + domain.outputs
    recomputes, offloads = (execution.recompute.unit == unit for unit in ("blocks", "offload"))
    devices, parallel = execution.world.devices, execution.world.parallel
    of_moments = 1 if parallel == "data" else devices
    part = parameter_bytes // devices
    weights = gradients = parameter_bytes
    if parallel == "sharded":
        gathers_all = execution.recompute.unit == "ranges"
        weights = part + parameter_bytes * gathers_all
        gradients = parameter_bytes if gathers_all or execution.accumulation > 1 else part
    casts = 1 if recomputes or execution.recompute.unit == "ranges" else steps
    copies = casts * parameter_bytes * LOW_BYTES // FLOAT32_BYTES if low else 0
    return StepMemory(
        weights=weights + copies,
        gradients=gradients,
        optimiser=2 * parameter_bytes // of_moments,
        batch=FLOAT32_BYTES * fields * math.prod(domain.grid),
        activations=kept.peak_bytes(steps=steps, recomputes=recomputes, offloads=offloads, low=low),
    )


def fitting(
    package: ModuleType,
    network: Any,
    domain: Domain,
    training: TrainingConfig,
    chip: ChipConfig,
    execution: Execution,
    worlds: Sequence[World] = (),
    *,
    runs: Callable[[Execution], bool] = lambda execution: True,
    tiled: bool = False,
) -> Execution:
    """The execution, with more micro-batches and recomputing than it asks for where it does not fit a chip without.

    Micro-batches come first, which compute nothing twice, then blocks, then ranges of grid points where an architecture
    has them. Where nothing fits the devices that it names, `worlds` are tried in their order, each with the same
    batch_size a device. Only what `runs` is chosen. `tiled` is that of `step_memory`.

    Raises UserError where the chip's file does not give its memory, the architecture does not say what it keeps, or
    nothing fits.
    """
    if chip.memory_gib.value is None:
        raise UserError(f"{chip.title}: its file gives no memory_gib, so that nothing can be fitted to it")
    limit = (1 - RESERVE) * chip.memory_gib.value * GIB
    least: int | None = None
    named = [execution, *(execution.model_copy(update={"world": world}) for world in worlds)]
    candidates = chain.from_iterable(_candidates(package, domain, training.batch_size, each) for each in named)
    for candidate in filter(runs, candidates):
        needed = step_memory(package, network, domain, training, candidate, tiled=tiled)
        if needed is None:
            name = package.__name__.rpartition(".")[2]
            raise UserError(f"{name} does not say what it keeps: it has no function activations, see harness/models")
        if needed.total <= limit:
            return candidate
        least = needed.total if least is None else min(least, needed.total)
    raise UserError(
        f"a training step takes at least {(least or 0) / GIB:.1f} GiB with micro-batches of 1 and all that can be "
        f"recomputed, and {chip.title} leaves {limit / GIB:.1f} GiB: take a smaller preset or another chip"
    )


def _candidates(package: ModuleType, domain: Domain, batch_size: int, execution: Execution) -> Iterator[Execution]:
    least, own = execution.accumulation, execution.recompute
    parts = [number for number in range(least, batch_size + 1) if batch_size % number == 0]
    units = [own, Recompute(unit="blocks")] if own.unit in ("none", "offload") else [own]
    if getattr(package, "RANGES", False):
        points = math.prod(domain.grid)
        units += [Recompute(unit="ranges", ranges=number) for number in RANGES if own.ranges < number <= points]
    for recompute in units:
        for number in parts:
            yield execution.model_copy(update={"recompute": recompute, "accumulation": number})
