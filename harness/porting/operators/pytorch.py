"""PyTorch's side, in a process of its own: `python -m harness.porting.operators.pytorch FOLDER`.

Reads request.json in the folder and writes trace.json, the calls of a training step, and answers.pytorch.json with the
arrays of every call that is to be compared: inputs, cotangents and, in double precision, values and gradients.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from harness.errors import UserError, one_line
from harness.own_code import made_by
from harness.porting.operators import compare
from harness.porting.operators.calls import (
    ANSWERS,
    REQUEST,
    TRACE,
    Answer,
    Answers,
    Call,
    Phase,
    Request,
    TensorSpec,
    Trace,
    arrays_path,
)
from harness.porting.operators.draw import cotangents, draw
from harness.porting.operators.plan import chosen
from harness.porting.operators.support import operator_map
from harness.scenario.execution import Execution
from harness.scenario.scenario import Scenario
from harness.worker.subject import prepare

Pass = Callable[["Recorder"], None]
DOUBLE = {torch.float32: torch.float64, torch.complex64: torch.complex128}


class Recorder(TorchDispatchMode):
    """Counts the calls of aten operators by shapes, types and constants."""

    def __init__(self) -> None:
        super().__init__()
        self.phase: Phase = "forward"
        self.calls: dict[str, Call] = {}
        self.counts: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note a call and make it."""
        named = {**dict(zip((a.name for a in func._schema.arguments), args, strict=False)), **(kwargs or {})}
        tensors: list[Tensor] = []
        arguments = {a.name: _plain(named.get(a.name, a.default_value), tensors) for a in func._schema.arguments}
        shapes = [[tuple(t.shape), str(t.dtype)] for t in tensors]
        key = json.dumps([str(func), self.phase, arguments, shapes])
        if key not in self.calls:
            self.calls[key] = Call(
                operator=str(func),
                phase=self.phase,
                count=1,
                arguments=arguments,
                tensors=tuple(describe(tensor) for tensor in tensors),
            )
        self.counts[key] = self.counts.get(key, 0) + 1
        return func(*args, **(kwargs or {}))


def _plain(value: Any, tensors: list[Tensor]) -> Any:
    """An argument as JSON; tensors are appended to `tensors` and stand as their place there."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if isinstance(value, list | tuple):
        return [_plain(each, tensors) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def describe(tensor: Tensor) -> TensorSpec:
    """Shape, type and how the finite values lie; real and imaginary parts of complex ones together."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    values = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    values = values.detach().to(torch.float64)
    values = values[torch.isfinite(values)]
    if values.numel() == 0:
        return TensorSpec(shape=tuple(tensor.shape), dtype=dtype, mean=0, deviation=0, low=0, high=0)
    return TensorSpec(
        shape=tuple(tensor.shape),
        dtype=dtype,
        mean=values.mean().item(),
        deviation=values.std(correction=0).item(),
        low=values.min().item(),
        high=values.max().item(),
    )


def trace(passes: Iterable[Pass]) -> Trace:
    """All calls of some passes; each counts as often as in the pass that makes it most often."""
    calls: dict[str, Call] = {}
    counts: dict[str, int] = {}
    for each in passes:
        recorder = Recorder()
        each(recorder)
        calls = {**recorder.calls, **calls}
        counts = {key: max(counts.get(key, 0), recorder.counts.get(key, 0)) for key in calls}
    return Trace(
        version=torch.__version__,
        calls=tuple(call.model_copy(update={"count": counts[key]}) for key, call in calls.items()),
    )


def scenario_passes(scenario: Scenario, execution: Execution, seed: int) -> Iterator[Pass]:
    """Loss and gradients of one batch; a pass for every shape of the extras that a training brings."""
    subject = prepare(scenario)
    source = importlib.import_module(f"{subject.package.__name__}.pytorch")
    module: torch.nn.Module = source.build(subject.network, subject.domain, execution)
    weights = subject.initial_weights(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(weights[name]))
    loss_weights = torch.from_numpy(subject.package.loss_weights(subject.network, subject.domain))
    size = scenario.training.batch_size
    batch = next(subject.windows.batches("train", size, epoch_seed=(seed, 0)))
    x, target = torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets[0])
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for epoch in range(1, max(1, scenario.training.epochs) + 1):
        extras = subject.training_extras(size, epoch, np.random.default_rng((seed, epoch)))
        shapes = tuple(extra.shape for extra in extras)
        if shapes not in seen:
            seen.add(shapes)
            yield _scenario_pass(module, source.loss, (x, target, loss_weights), extras)


def _scenario_pass(
    module: torch.nn.Module, loss: Any, batch: tuple[Tensor, Tensor, Tensor], extras: Sequence[NDArray[np.int32]]
) -> Pass:
    x, target, loss_weights = batch

    def run(recorder: Recorder) -> None:
        module.zero_grad()
        given = [torch.from_numpy(extra) for extra in extras]
        with recorder:
            value = loss(module(x, *given), target, loss_weights)
            recorder.phase = "backward"
            value.backward()

    return run


def factory_pass(name: str) -> Pass:
    """Outputs and gradients of what `package.module:factory` returns: a network and a tuple of example inputs.

    Every output gets a cotangent of ones. Raises UserError where the name leads to nothing of the kind.
    """
    module, inputs = _made(name)

    def run(recorder: Recorder) -> None:
        try:
            with recorder:
                outputs = [out for out in _tensors(module(*inputs)) if out.requires_grad]
                recorder.phase = "backward"
                if outputs:
                    torch.autograd.backward(outputs, [torch.ones_like(out) for out in outputs])
        except Exception as error:
            raise UserError(f"{name}: the network fails on the example inputs: {one_line(error)}") from error

    return run


def _made(name: str) -> tuple[torch.nn.Module, tuple[Any, ...]]:
    made = made_by(name)
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], torch.nn.Module)):
        raise UserError(f"{name}: must return (torch.nn.Module, tuple of inputs), not {type(made).__name__}")
    inputs = made[1] if isinstance(made[1], tuple | list) else (made[1],)
    return made[0], tuple(inputs)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for each in value for tensor in _tensors(each)] if isinstance(value, list | tuple) else []


class Reference:
    """A call on given inputs, by the operator itself."""

    def __init__(self, call: Call, parts: Sequence[NDArray[Any]], outputs: int | None) -> None:
        self.call, self.parts, self.outputs = call, parts, outputs
        self.operator = _operator(call.operator)

    def inputs(self, dtype: torch.dtype, *, gradient: bool = False) -> list[Tensor]:
        """The parts as tensors, the real ones in a precision."""
        tensors = [torch.from_numpy(part) for part in self.parts]
        converted = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors]
        return [
            tensor.requires_grad_() if gradient and varied else tensor
            for tensor, varied in zip(converted, self.call.varied, strict=True)
        ]

    def values(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """The outputs, complex ones as their parts."""
        remaining = iter(parts)
        tensors = [
            torch.complex(next(remaining), next(remaining)) if spec.complex else next(remaining)
            for spec in self.call.tensors
        ]
        if self.call.operator.split(".")[1].endswith("_"):
            tensors[0] = tensors[0].clone()
        double = any(part.dtype == torch.float64 for part in parts)
        schema = self.operator._schema.arguments
        given = {a.name: _restored(self.call.arguments[a.name], tensors, double) for a in schema}
        result = self.operator(
            *(given[a.name] for a in schema if not a.kwarg_only),
            **{a.name: given[a.name] for a in schema if a.kwarg_only},
        )
        outputs = _tensors(result)[: self.outputs]
        found = [part for out in outputs for part in ((out.real, out.imag) if out.is_complex() else (out,))]
        return [part.resolve_neg() for part in found]

    def gradients(self, dtype: torch.dtype, cotangents: Sequence[NDArray[np.float32]]) -> list[NDArray[Any]]:
        """The vector-Jacobian product by every real part of the inputs."""
        parts = self.inputs(dtype, gradient=True)
        outputs = [value for value in self.values(parts) if value.is_floating_point()]
        leaves = [part for part in parts if part.requires_grad]
        given = [torch.from_numpy(cotangent).to(dtype) for cotangent in cotangents]
        found = torch.autograd.grad(outputs, leaves, given, allow_unused=True, materialize_grads=True)
        return [gradient.resolve_neg().numpy() for gradient in found]


def _operator(name: str) -> Any:
    namespace, base, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), base), overload)


def _restored(value: Any, tensors: Sequence[Tensor], double: bool) -> Any:
    """An argument with its tensors in place, and float32 by name read as float64 where that is asked for."""
    if isinstance(value, dict):
        return tensors[value["tensor"]]
    if isinstance(value, list):
        return [_restored(each, tensors, double) for each in value]
    if isinstance(value, str) and value.startswith("torch."):
        named = getattr(torch, value.removeprefix("torch."))
        return DOUBLE.get(named, named) if double else named
    return value


def answer(number: int, call: Call, outputs: int | None, seed: int, folder: Path) -> Answer:
    """Values and gradients in double precision to a file; how far single precision is from them, and its time."""
    parts = draw(call, seed)
    reference = Reference(call, parts, outputs)
    exact = [value.numpy() for value in reference.values(reference.inputs(torch.float64))]
    single = reference.inputs(torch.float32)
    values = [value.numpy() for value in reference.values(single)]
    arrays = {f"input/{k}": part for k, part in enumerate(parts)}
    arrays |= {f"value/{k}": value for k, value in enumerate(exact)}
    gradients: tuple[float, ...] = ()
    directions = cotangents(exact, seed) if call.phase == "forward" else []
    if directions and any(call.varied):
        sought = reference.gradients(torch.float64, directions)
        gradients = compare.deviations(reference.gradients(torch.float32, directions), sought)
        arrays |= {f"cotangent/{k}": direction for k, direction in enumerate(directions)}
        arrays |= {f"gradient/{k}": gradient for k, gradient in enumerate(sought)}
    np.savez(arrays_path(folder, number), **arrays)
    return Answer(
        call=number,
        values=compare.deviations(values, exact),
        gradients=gradients,
        output_dtypes=tuple(str(value.dtype) for value in values),
        step_s=compare.median_s(lambda: reference.values(single), lambda: None),
    )


def main(folder: Path) -> dict[str, object]:
    """Trace, and run what is to be compared; {"mistake": ...} where the user must mend something."""
    request = Request.model_validate_json((folder / REQUEST).read_bytes())
    try:
        if request.scenario is not None:
            traced = trace(scenario_passes(request.scenario, request.execution, request.seed))
        else:
            traced = trace([factory_pass(str(request.factory))])
    except UserError as error:
        return {"mistake": str(error)}
    (folder / TRACE).write_text(traced.model_dump_json(), encoding="utf-8")
    known = operator_map()
    answers = []
    for number in chosen(traced.calls, known) if request.run else ():
        call = traced.calls[number]
        try:
            answers.append(answer(number, call, known.operators[call.base].outputs, request.seed, folder))
        except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
            answers.append(Answer(call=number, reason=f"PyTorch alone: {one_line(error)}"))
    found = Answers(version=torch.__version__, answers=tuple(answers))
    (folder / f"pytorch.{ANSWERS}").write_text(found.model_dump_json(), encoding="utf-8")
    return {"calls": len(traced.calls), "answers": len(answers)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
