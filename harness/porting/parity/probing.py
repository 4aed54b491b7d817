"""What a framework's probe offers, and everything that is asked of it, in the order in which it is compared."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.frameworks.base import Framework
from harness.porting.parity.exchange import ModuleCall
from harness.porting.parity.quantities import Array, ComparedArray, Quantities, spread
from harness.porting.parity.sample import Sample, cotangent, scaled_rows
from harness.runners.schedule import learning_rates
from harness.scenario.schema import Stage

DRAWS = ("as met", "scaled")
"""Inputs of a module alone: those it meets in the network, and those with their rows scaled."""


@dataclass(frozen=True)
class Call:
    """A call of a module: its arguments, which of them are arrays of floats, and what those and the outputs hold."""

    name: str
    kind: str
    arguments: tuple[Any, ...]
    places: tuple[int, ...]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


class Probe(Protocol):
    """A network in a framework whose modules can be watched."""

    @property
    def framework(self) -> Framework:
        """The framework, in which the network is built and has its weights."""

    def record(self, sample: Sample) -> tuple[list[Call], Array]:
        """Every call of a module in a forward pass, in the order in which they end, and the prediction.

        The network itself has the name "".
        """

    def alone(
        self, call: Call, inputs: Sequence[Array], cotangents: Sequence[Array], parameters: Sequence[str]
    ) -> tuple[Sequence[Array], Sequence[Array], Mapping[str, Array]]:
        """Outputs of a module for inputs, and the gradients of sum(outputs * cotangents) by inputs and parameters."""


def in_place(calls: Sequence[Call], prediction: Array, names: Mapping[str, str] | None = None) -> Quantities:
    """Inputs and outputs of every module in a run of the network; of those in `names` by other names, if given."""
    for call, number in numbered(calls):
        name = call.name if names is None else names.get(call.name)
        if name is None:
            continue
        for position, values in enumerate(call.inputs):
            yield ComparedArray("input", name, f"{number}.{position}"), values
        for position, values in enumerate(call.outputs):
            yield ComparedArray("activation", name, f"{number}.{position}"), values
    yield ComparedArray("prediction"), prediction


def takes_as_much(call: Call, met: Sequence[NDArray[np.float32]]) -> bool:
    """Whether a call has as many inputs as the reference met, each of as many values or of these repeated."""
    fitting = [spread(values, own.size) for values, own in zip(met, call.inputs, strict=False)]
    return len(met) == len(call.inputs) and not any(values is None for values in fitting)


def alone(
    probe: Probe, call: Call, given: ModuleCall, number: int, met: Sequence[NDArray[np.float32]], seed: int
) -> Quantities:
    """A module alone: what it gives, and its gradients, for the inputs that the reference met and for scaled ones.

    `given` is the same call in the reference, number `number` there. Nothing where the inputs have other sizes than
    there; where the outputs have, those of the network stand for those of the module alone.
    """
    if not takes_as_much(call, met):
        return
    if [values.size for values in call.outputs] != [math.prod(shape) for shape in given.outputs]:
        for position, values in enumerate(call.outputs):
            yield ComparedArray("value", given.name, f"{DRAWS[0]} {position}"), values
        return
    cotangents = [cotangent(shape, seed, number, position) for position, shape in enumerate(given.outputs)]
    for draw in DRAWS:
        inputs = []
        for position, (values, own) in enumerate(zip(met, call.inputs, strict=True)):
            drawn = values if draw == "as met" else scaled_rows(values, seed, number, position)
            inputs.append(np.ascontiguousarray(spread(drawn, own.size)).reshape(own.shape))
        outputs, slopes, by_parameter = probe.alone(call, inputs, cotangents, given.parameters)
        for position, values in enumerate(outputs):
            yield ComparedArray("value", given.name, f"{draw} {position}"), values
        for position, values in enumerate(slopes):
            yield ComparedArray("input gradient", given.name, f"{draw} {position}"), values
        for name, values in by_parameter.items():
            part = name[len(given.name) :].lstrip(".")
            yield ComparedArray("parameter gradient", given.name, f"{draw} {part}"), values


def whole(framework: Framework, sample: Sample, *, reverse: bool = False) -> Quantities:
    """Loss, gradients, the first update, the losses of training steps; with the samples of a batch reversed or not."""
    yield from slopes(framework, sample, reverse=reverse)
    before = {name: values.astype(np.float64) for name, values in framework.weights().items()}
    training = sample.scenario.training
    stage: Stage = training.stages[0].model_copy(update={"epochs": 1, "warmup_steps": 0, "schedule": "constant"})
    framework.start_stage(training.optimiser, learning_rates(stage, sample.steps), stage.rollout_steps)
    put = _putting(framework, reverse)
    for step, batch in enumerate(sample.batches):
        forcings = None if batch.forcings is None else put(batch.forcings, 1)
        extras = [put(values) for values in sample.extras(step)]
        loss_of_step = framework.train_step(put(batch.inputs), put(batch.targets, 1), forcings, extras)
        yield ComparedArray("loss of a step", part=f"{step:04d}"), np.array(framework.get(loss_of_step))
        if step == 0:
            for name, values in framework.weights().items():
                yield ComparedArray("update", name), values - before[name]


def slopes(framework: Framework, sample: Sample, *, reverse: bool = False) -> Quantities:
    """The loss and its gradients, taken twice: a compiled graph may differ from its second call on."""
    put = _putting(framework, reverse)
    x, target = put(sample.first.inputs), put(sample.target)
    extras = [put(values) for values in sample.extras(0)]
    for _ in range(2):
        loss, gradients = framework.gradients(x, target, extras)
    yield ComparedArray("loss"), np.array(loss)
    for name, values in gradients.items():
        yield ComparedArray("gradient", name), values


def lowered(framework: Framework, sample: Sample) -> Quantities:
    """Prediction, loss, gradients and training of a framework that casts to a lower format."""
    yield ComparedArray("prediction"), framework.get(framework.predict(framework.put(sample.first.inputs)))
    yield from whole(framework, sample)


def _putting(framework: Framework, reverse: bool) -> Callable[..., Any]:
    def put(values: NDArray[Any], axis: int = 0) -> Any:
        return framework.put(np.ascontiguousarray(np.flip(values, axis)) if reverse else values)

    return put


def numbered(calls: Sequence[Call]) -> list[tuple[Call, int]]:
    """Each call with its number among those of its module."""
    seen: dict[str, int] = {}
    found = []
    for call in calls:
        found.append((call, seen.get(call.name, 0)))
        seen[call.name] = found[-1][1] + 1
    return found


def first_calls(calls: Sequence[Call]) -> dict[str, Call]:
    """The first call of every module, by name, in the order in which they end."""
    found: dict[str, Call] = {}
    for call in calls:
        found.setdefault(call.name, call)
    return found


def owned(names: Sequence[str], modules: Sequence[str]) -> dict[str, list[str]]:
    """Parameters by the innermost called module that they lie in."""
    found: dict[str, list[str]] = {module: [] for module in modules}
    for name in names:
        inside = [module for module in modules if module == "" or name.startswith(f"{module}.")]
        found[max(inside, key=len)].append(name)
    return found
