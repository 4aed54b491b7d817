"""Calls of aten operators, as a training step makes them: what the child processes exchange.

A complex tensor is exchanged as two real arrays, its real and its imaginary part, so that gradients mean the same in
both frameworks, whatever their convention for complex ones.
"""

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.frozen import Frozen
from harness.scenario.execution import GRAPH, Execution
from harness.scenario.scenario import Scenario

Phase = Literal["forward", "backward"]

CONSTANT = ("running_mean", "running_var")
"""Arguments that operators have no gradient by."""

REQUEST, TRACE, ANSWERS = "request.json", "trace.json", "answers.json"


class TensorSpec(Frozen):
    """Shape and type of a tensor and how its values lay; `deviation` is the standard deviation."""

    shape: tuple[int, ...]
    dtype: str = Field(description="as NumPy names it")
    mean: float
    deviation: float
    low: float
    high: float

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def complex(self) -> bool:
        """Whether it has an imaginary part."""
        return self.dtype.startswith("complex")

    @property
    def differentiable(self) -> bool:
        """Whether it can have a gradient."""
        return self.dtype.startswith(("float", "complex", "bfloat"))


class Call(Frozen):
    """A call of an operator with these shapes, types and constants; `count` are those of one training step.

    `arguments` has every argument of the operator's schema by name; `{"tensor": n}` stands for tensor n.
    """

    operator: str
    phase: Phase
    count: int
    arguments: dict[str, Any]
    tensors: tuple[TensorSpec, ...]

    @property
    def base(self) -> str:
        """The name without namespace, overload and the underscore of the form in place: mul of aten.mul_.Tensor."""
        name = self.operator.split(".")[1]
        return name.removesuffix("_") if not name.endswith("__") else name

    @property
    def size(self) -> int:
        """Elements of all tensors."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def varied(self) -> tuple[bool, ...]:
        """For every real part of the inputs, in order, whether there is a gradient by it."""
        names = {value["tensor"]: name for name, value in self.arguments.items() if isinstance(value, dict)}
        return tuple(
            tensor.differentiable and names.get(place) not in CONSTANT
            for place, tensor in enumerate(self.tensors)
            for _ in range(2 if tensor.complex else 1)
        )


class Trace(Frozen):
    """The calls of a training step; of several passes with extras of different shapes, the larger counts."""

    version: str
    calls: tuple[Call, ...]


class Request(Frozen):
    """What is to be traced: the network of a scenario, or what a factory returns."""

    scenario: Scenario | None = None
    factory: str | None = None
    seed: int
    device: str = Field(default="CPU", description="of MindSpore")
    execution: Execution = Field(default=GRAPH, description="of MindSpore, and of what serves the operators")
    run: bool = Field(default=True, description="False where the calls are only listed")


class Answer(Frozen):
    """What one framework found for a chosen call; deviations are relative to the largest magnitude of an output.

    `values` has one entry an output, `gradients` one a differentiable input. `step_s` is the median time of the call.
    """

    call: int = Field(description="number in the trace")
    values: tuple[float, ...] = ()
    gradients: tuple[float, ...] = ()
    output_dtypes: tuple[str, ...] = ()
    step_s: float | None = None
    reason: str | None = None


class Answers(Frozen):
    """The answers of one framework."""

    version: str
    answers: tuple[Answer, ...]


def arrays_path(folder: Path, call: int) -> Path:
    """The file with the arrays of a call: input/n, cotangent/n, value/n and gradient/n."""
    return folder / f"{call}.npz"


def numbered(arrays: Any, kind: str) -> list[Any]:
    """The arrays of a kind, in order."""
    return [arrays[name] for name in sorted((n for n in arrays if n.startswith(f"{kind}/")), key=_number)]


def _number(name: str) -> int:
    return int(name.rsplit("/", 1)[1])
