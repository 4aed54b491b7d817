"""The work of a step: what a network's operators compute and move in an execution, on one of its devices.

Put together from the `operations` of its architecture: micro-batches, what is computed anew, the loss, the update, what
devices tell each other, and what a compiler fuses. Loading data, prefetching and the clock are no work of a step.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

from harness.errors import UserError
from harness.models.activations import FLOAT32_BYTES
from harness.models.domain import Domain
from harness.models.operations import NumberFormat, Operation, OperatorClass, Part, elementwise, moved
from harness.models.parameters import count
from harness.scenario.execution import Execution, World
from harness.scenario.schema import FrameworkName, TrainingConfig

ADAM_FLOPS, ADAM_VALUES = 14, 7
"""Of an update of a parameter: operations, and values moved: weight, gradient and two moments in, three of them out."""

CLIP_VALUES, UNSCALE_VALUES = 3, 2
CLIP_KERNELS = 2
"""Of each tensor: its norm, and its scaling."""


FIRST_BUCKET_BYTES, BUCKET_BYTES = 2**20, 25 * 2**20
"""Of gradients that DistributedDataParallel averages together."""


class Counted(NamedTuple):
    """An operation and how often it is made."""

    operation: Operation
    times: int


class Sum(NamedTuple):
    """Operations, bytes and kernels of a class in a format."""

    flops: int
    bytes: int
    launches: int


@dataclass(frozen=True)
class Work:
    """All that one device does in a step; `keeps` says whether arrays are kept for a backward pass."""

    operations: tuple[Counted, ...]
    keeps: bool = True

    def by_class(self) -> dict[tuple[OperatorClass, NumberFormat], Sum]:
        """The sums of every class in every format."""
        sums: dict[tuple[OperatorClass, NumberFormat], list[int]] = defaultdict(lambda: [0, 0, 0])
        for operation, times in self.operations:
            total = sums[operation.kind, operation.number_format]
            for place, each in enumerate((operation.flops, operation.bytes, operation.launches)):
                total[place] += times * each
        return {key: Sum(*total) for key, total in sums.items()}

    @property
    def total(self) -> Sum:
        """Of all classes."""
        return Sum(*map(sum, zip(*self.by_class().values(), strict=True)))


def hidden_part(network: Any, epoch: int) -> float:
    """The part of the tokens that a network hides in an epoch of the training, counted from 1."""
    ratio_of = getattr(network, "masking_ratio", None)
    return 0.0 if ratio_of is None else float(ratio_of(epoch))


def prediction_work(
    package: ModuleType,
    network: Any,
    domain: Domain,
    batch_size: int,
    execution: Execution,
    framework: FrameworkName = "pytorch",
) -> Work:
    """A prediction of a batch on one device, which gathers sharded weights once.

    Raises UserError where the architecture does not say what its operators do.
    """
    parts = _parts(package, network, domain, batch_size, execution, epoch=None, later=False)
    found = _Collected(fuses=_fuses(framework, execution), keeps=False)
    for part in parts:
        found.take(part.forward, part.times)
    if execution.world.parallel == "sharded":
        parameter_bytes = FLOAT32_BYTES * count(package.parameters(network, domain))
        found.take([_passed(parameter_bytes, execution.world, passes=1)], 1)
    return found.work()


def step_work(
    package: ModuleType,
    network: Any,
    domain: Domain,
    training: TrainingConfig,
    execution: Execution,
    framework: FrameworkName = "pytorch",
    *,
    rollout_steps: int = 1,
    epoch: int | None = None,
) -> Work:
    """A training step of one device; `epoch`, counted from 1, says how much a network hides, None that it hides none.

    Raises UserError where the architecture does not say what its operators do.
    """
    parts_of_batch = execution.accumulation
    samples = -(-training.batch_size // parts_of_batch)
    found = _Collected(fuses=_fuses(framework, execution), keeps=True)
    for later in (False,) + (True,) * (rollout_steps - 1):
        parts = _parts(package, network, domain, samples, execution, epoch=epoch, later=later)
        between = [_next_input(package, network, domain, samples)] if later else []
        for part in (*between, *parts, package.loss_operations(network, domain, samples)):
            times = part.times * parts_of_batch
            found.take(part.forward, times * (1 + part.again))
            found.take(part.computed_anew, times * part.anew)
            found.take((each for layer in reversed(part.layers) for each in layer.backward), times)
    parameters = package.parameters(network, domain)
    number, tensors = count(parameters), len(parameters)
    if parts_of_batch > 1 or rollout_steps > 1:
        times = parts_of_batch * rollout_steps - 1
        found.take([_of_parameters("elementwise", "add", number, 3, tensors)], times)
    found.take(_update(number, tensors, training, execution, framework), 1)
    found.take(_collectives(FLOAT32_BYTES * number, execution, framework, rollout_steps), 1)
    return found.work()


class _Collected:
    """Operations as they come, those that a compiler fuses as one."""

    def __init__(self, *, fuses: bool, keeps: bool) -> None:
        self._fuses, self._keeps = fuses, keeps
        self._counts: dict[Operation, int] = defaultdict(int)

    def take(self, operations: Iterable[Operation], times: int) -> None:
        """Operations one after the other, so often."""
        for operation in _fused(operations, keeps=self._keeps) if self._fuses else operations:
            if times:
                self._counts[operation] += times

    def work(self) -> Work:
        return Work(tuple(Counted(operation, times) for operation, times in self._counts.items()), self._keeps)


def _fused(operations: Iterable[Operation], *, keeps: bool) -> Iterator[Operation]:
    """Operators that follow one another as one kernel: what they pass on is not read again.

    It is not written either, where no backward pass keeps it.
    """
    before: Operation | None = None
    for operation in operations:
        saved = before.passed_bytes * (1 if keeps else 2) if before and operation.passed_bytes else 0
        if saved:
            operation = operation._replace(bytes=max(0, operation.bytes - saved), launches=0)
        yield operation
        before = operation


def _fuses(framework: FrameworkName, execution: Execution) -> bool:
    """Whether kernels are fused: by torch.compile, and by MindSpore at level O1 alone."""
    return execution.is_graph and (framework == "pytorch" or execution.compilation.level == "O1")


def _parts(
    package: ModuleType,
    network: Any,
    domain: Domain,
    samples: int,
    execution: Execution,
    *,
    epoch: int | None,
    later: bool,
) -> Sequence[Part]:
    operations_of = getattr(package, "operations", None)
    if operations_of is None:
        name = package.__name__.rpartition(".")[2]
        raise UserError(f"{name} does not say what its operators do: it has no function operations, see harness/models")
    found: Sequence[Part] = operations_of(network, domain, samples, execution, epoch=epoch, later=later)
    return found


def _next_input(package: ModuleType, network: Any, domain: Domain, samples: int) -> Part:
    """The state, masked, joined with what else the next step is given."""
    points = samples * math.prod(domain.grid)
    inputs, states = points * domain.inputs(package.input_spec(network)), points * domain.outputs
    masked = elementwise("multiply", states, states, backward_reads=states, keeps=False)
    return Part((masked,) if inputs == states else (masked, moved(inputs)))


def _of_parameters(kind: OperatorClass, name: str, number: int, values: int, tensors: int, flops: int = 1) -> Operation:
    return Operation(kind, name, flops * number, FLOAT32_BYTES * values * number, tensors)


def _update(
    number: int, tensors: int, training: TrainingConfig, execution: Execution, framework: FrameworkName
) -> Iterator[Operation]:
    """Gradients that a device holds scaled back and clipped, and Adam on the parameters that it updates.

    PyTorch's fused kernels take all tensors at once, to scale back and to update; the norm and the clipping, and
    MindSpore's kernels, take them one by one.
    """
    together = 1 if framework == "pytorch" else tensors
    part = -(-number // execution.world.devices)
    held = part if execution.world.parallel == "sharded" else number
    updated = number if execution.world.parallel == "data" else part
    if execution.precision.autocast.endswith("fp16"):
        yield _of_parameters("optimiser", "unscale", held, UNSCALE_VALUES, together)
    if training.optimiser.clip_norm is not None:
        yield _of_parameters("optimiser", "clip", held, CLIP_VALUES, CLIP_KERNELS * tensors, flops=3)
    yield _of_parameters("optimiser", "adam", updated, ADAM_VALUES, together, ADAM_FLOPS)


def _collectives(
    gradient_bytes: int, execution: Execution, framework: FrameworkName, rollout_steps: int
) -> Iterator[Operation]:
    """Bytes that each device sends over its link, in rings (Thakur et al. 2005): (n - 1) / n of the array a pass.

    Averaged gradients take two passes a step, whatever its micro-batches: they are reduced and gathered. With a sharded
    optimiser the updated weights are gathered after that, by one more. Where weights are sharded, they are gathered for
    the forward and for the backward pass of every step of a rollout in every micro-batch, and gradients are reduced
    once, but those of earlier micro-batches apart from the last where there is a rollout. So two ranks of PyTorch do,
    but for Gloo, which takes one pass more for each reduction of sharded gradients. PyTorch averages gradients in
    buckets, each for itself, and tells in one message more which parameters were used.
    """
    world = execution.world
    if world.devices == 1:
        return
    gathers = 2 * rollout_steps * execution.accumulation
    reductions = 2 if rollout_steps > 1 and execution.accumulation > 1 else 1
    passes = {"data": 2, "sharded_optimiser": 3, "sharded": gathers + reductions}[world.parallel]
    arrays = 1
    if world.parallel == "data" and framework == "pytorch":
        arrays += 1 + -(-max(0, gradient_bytes - FIRST_BUCKET_BYTES) // BUCKET_BYTES)
    yield _passed(gradient_bytes, world, passes, arrays)


def _passed(array_bytes: int, world: World, passes: int, arrays: int = 1) -> Operation:
    """What each device sends where some arrays, of so many bytes together, are passed round a ring."""
    ring = world.devices - 1
    sent = passes * ring * array_bytes // world.devices
    return Operation("collective", world.parallel, 0, sent, passes * ring * arrays)
