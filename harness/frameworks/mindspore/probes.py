"""Operators of the table of choices alone, as networks run them in MindSpore: for `crosscast doctor --deep`."""

from collections.abc import Callable, Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from harness.frameworks.base import Array
from harness.frameworks.mindspore.trainer import MindSpore
from harness.frameworks.mindspore.training_step import TrainStep, fused_settings
from harness.models.operators import mindspore as operators
from harness.models.operators.cases import AdamCase, Case
from harness.models.operators.choices import Operator


class ThereAndBack(nn.Cell):
    """A Fourier transform of the kept modes and its inverse, on (w, h, B, C)."""

    def __init__(self, token_grid: tuple[int, int], rows: range, columns: range) -> None:
        super().__init__()
        self.transform: Any = operators.plane_transform("auto", token_grid, rows, columns)

    def construct(self, x: Tensor) -> Tensor:
        """To the same shape."""
        tokens = x.reshape(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
        return self.transform.inverse(self.transform(tokens)).reshape(x.shape)


class Weighted(nn.Cell):
    """The sum of an operator's value times a cotangent."""

    def __init__(self, operator: Any, cotangent: Tensor) -> None:
        super().__init__()
        self.operator, self.cotangent = operator, cotangent

    def construct(self, *inputs: Tensor) -> Tensor:
        """A scalar."""
        return (self.operator(*inputs) * self.cotangent).sum()


class Sloped(nn.Cell):
    """A loss whose gradient by its weights is what it is given."""

    def __init__(self, weights: Array) -> None:
        super().__init__()
        self.weights = Parameter(Tensor(weights), name="weights")

    def construct(self, gradient: Tensor) -> Tensor:
        """A scalar."""
        return (self.weights * gradient).sum()


MADE: Mapping[Operator, Callable[..., Any]] = {
    "gelu": operators.gelu,
    "soft_shrink": operators.soft_shrink,
    "layer_norm": operators.layer_norm,
    "dense": operators.linear_function,
    "segment_sum": lambda segments, count: operators.segment_sum("auto", segments, count),
    "spectral": ThereAndBack,
}
"""What makes each operator from the settings of its case."""


def run(framework: MindSpore, case: Case) -> tuple[Array, dict[str, Array]]:
    """The value of a case on the framework's device, and its gradients by input."""
    operator = MADE[case.operator](**case.settings)
    given = [framework.put(values) for values in case.inputs.values()]
    gradient = ms.grad(Weighted(operator, framework.put(case.cotangent)), tuple(range(len(given))))
    found = (ms.jit(gradient) if framework.describe().execution == "graph" else gradient)(*given)
    slopes = found if isinstance(found, tuple) else (found,)
    value = framework.get(operator(*given))
    return value, {name: framework.get(slope) for name, slope in zip(case.inputs, slopes, strict=True)}


def adam(framework: MindSpore, case: AdamCase) -> Array:
    """The weights after the updates of a case."""
    loss = Sloped(case.weights)
    step = TrainStep(loss, case.config)
    for settings, gradient in zip(fused_settings(case.config, case.rates), case.gradients, strict=True):
        step(*(Tensor(np.float32(value)) for value in settings), framework.put(gradient))
    return framework.get(loss.weights)


def free_memory(framework: MindSpore) -> tuple[int, int] | None:
    """Bytes of the device that are free, and all; MindSpore does not tell them."""
    return None
