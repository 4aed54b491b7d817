"""MindSpore's side, in a process of its own: `python -m harness.porting.operators.mindspore FOLDER`.

Reads what PyTorch's side left in the folder and writes mindspore.answers.json: how far the counterpart of each call is
from PyTorch in double precision, in value and gradient, and its time.
"""

import json
import sys
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from harness.errors import UserError, one_line
from harness.frameworks import open_framework
from harness.frameworks.base import Framework
from harness.porting.operators import compare
from harness.porting.operators.calls import (
    ANSWERS,
    REQUEST,
    TRACE,
    Answer,
    Answers,
    Call,
    Request,
    Trace,
    arrays_path,
    numbered,
)
from harness.porting.operators.counterparts.arguments import Arguments
from harness.porting.operators.counterparts.elementwise import mindspore as elementwise
from harness.porting.operators.counterparts.indexing import mindspore as indexing
from harness.porting.operators.counterparts.networks import mindspore as networks

COUNTERPARTS = {**elementwise.COUNTERPARTS, **indexing.COUNTERPARTS, **networks.COUNTERPARTS}


class Application(nn.Cell):
    """A counterpart on tensors whose complex ones come and go as real and imaginary part."""

    def __init__(self, function: Any, complex_inputs: tuple[bool, ...], output_dtypes: tuple[str, ...]) -> None:
        super().__init__()
        self.function, self.complex_inputs = function, complex_inputs
        self.joins = any(complex_inputs)
        self.complex = ops.Complex()
        self.outputs = len(output_dtypes)
        self.wanted = tuple(k for k, name in enumerate(output_dtypes) if name.startswith("float"))

    def construct(self, *parts: Tensor) -> Any:
        """The outputs as a tuple of real tensors."""
        tensors = self.join(parts) if self.joins else parts
        found = self.function(*tensors)
        if not isinstance(found, (tuple, list)):
            found = (found,)
        values: tuple[Tensor, ...] = ()
        for value in found:
            if value.dtype in (ms.complex64, ms.complex128):
                values = (*values, ops.real(value), ops.imag(value))
            else:
                values = (*values, value)
        return values

    def join(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Complex tensors made of their parts."""
        tensors: tuple[Tensor, ...] = ()
        place = 0
        for is_complex in self.complex_inputs:
            if is_complex:
                tensors = (*tensors, self.complex(parts[place], parts[place + 1]))
                place += 2
            else:
                tensors = (*tensors, parts[place])
                place += 1
        return tensors


class Differentiable(nn.Cell):
    """The outputs of an application that are floating-point numbers."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self.application, self.wanted = application, application.wanted

    def construct(self, *parts: Tensor) -> Any:
        """A tuple, or one tensor."""
        values = self.application(*parts)
        if len(self.wanted) == 1:
            return values[self.wanted[0]]
        chosen: tuple[Tensor, ...] = ()
        for place in self.wanted:
            chosen = (*chosen, values[place])
        return chosen


class Gradients(nn.Cell):
    """The vector-Jacobian product of a network by all its inputs; the last argument is the cotangent."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__()
        self.network, self.derive = network, ops.GradOperation(get_all=True, sens_param=True)

    def construct(self, *given: Any) -> Any:
        """One gradient an input."""
        return self.derive(self.network)(*given)


def answer(number: int, call: Call, reference: Answer, folder: Path, framework: Framework) -> Answer:
    """How far the counterpart's values and gradients are from the reference, and its time."""
    with np.load(arrays_path(folder, number)) as file:
        arrays = dict(file)
    arguments = Arguments(call.arguments, call.tensors)
    function = COUNTERPARTS[call.base](arguments)
    application = Application(function, tuple(spec.complex for spec in call.tensors), reference.output_dtypes)
    application.set_train()
    inputs = [Tensor(part) for part in numbered(arrays, "input")]
    values = [value.asnumpy() for value in application(*inputs)]
    expected = numbered(arrays, "value")
    deviations = compare.deviations(values[: len(expected)], expected)
    gradients: tuple[float, ...] = ()
    if reference.gradients:
        cotangents = tuple(Tensor(cotangent) for cotangent in numbered(arrays, "cotangent"))
        derived = Gradients(Differentiable(application))
        found = derived(*inputs, cotangents[0] if len(cotangents) == 1 else cotangents)
        real = [gradient.asnumpy() for gradient, varied in zip(found, call.varied, strict=True) if varied]
        gradients = compare.deviations(real, numbered(arrays, "gradient"))
    step_s = compare.median_s(lambda: application(*inputs), framework.synchronise)
    return Answer(call=number, values=deviations, gradients=gradients, step_s=step_s)


def main(folder: Path) -> dict[str, object]:
    """Run the counterpart of every call that PyTorch has run."""
    request = Request.model_validate_json((folder / REQUEST).read_bytes())
    trace = Trace.model_validate_json((folder / TRACE).read_bytes())
    references = Answers.model_validate_json((folder / f"pytorch.{ANSWERS}").read_bytes())
    try:
        framework = open_framework("mindspore", request.device, request.execution)
    except UserError as error:
        return {"mistake": str(error)}
    answers = []
    for reference in references.answers:
        if reference.reason is None:
            try:
                answers.append(answer(reference.call, trace.calls[reference.call], reference, folder, framework))
            except Exception as error:
                answers.append(Answer(call=reference.call, reason=one_line(error)))
    framework.synchronise()
    found = Answers(version=ms.__version__, answers=tuple(answers))
    (folder / f"mindspore.{ANSWERS}").write_text(found.model_dump_json(), encoding="utf-8")
    return {"answers": len(answers)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
