"""Operators of the table of choices alone, as networks run them in PyTorch: for `crosscast doctor --deep`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from harness.frameworks.base import Array
from harness.frameworks.pytorch.optimisers import make_optimiser
from harness.frameworks.pytorch.trainer import PyTorch, open_device
from harness.models.operators import pytorch as operators
from harness.models.operators.cases import AdamCase, Case
from harness.models.operators.choices import Operator


def _spectral(token_grid: tuple[int, int], rows: range, columns: range) -> Callable[[Tensor], Tensor]:
    transform: Any = operators.plane_transform("auto", token_grid, rows, columns).to(operators.device_of_build())
    return lambda x: transform.inverse(transform(x))


def _segment_sum(segments: NDArray[np.int32], count: int) -> Callable[[Tensor], Tensor]:
    index = torch.from_numpy(segments).long().to(torch.empty(0).device)
    return lambda x: operators.add_segments(x, index, count)


MADE: Mapping[Operator, Callable[..., Callable[..., Tensor]]] = {
    "gelu": lambda: operators.gelu,
    "soft_shrink": lambda threshold: lambda x: operators.soft_shrink(x, threshold),
    "layer_norm": lambda epsilon, width: lambda x, weight, bias: operators.layer_norm(x, weight, bias, epsilon),
    "dense": lambda: F.linear,
    "segment_sum": _segment_sum,
    "spectral": _spectral,
}
"""What makes each operator from the settings of its case, on the default device."""


def open_double() -> PyTorch:
    """The CPU in float64."""
    return open_device("cpu", dtype=torch.float64)


def run(framework: PyTorch, case: Case) -> tuple[Array, dict[str, Array]]:
    """The value of a case on the framework's device, and its gradients by input."""
    given = {name: framework.put(values).requires_grad_() for name, values in case.inputs.items()}
    with torch.device(framework.describe().device):
        operator = MADE[case.operator](**case.settings)
    value = operator(*given.values())
    slopes = torch.autograd.grad(value, list(given.values()), framework.put(case.cotangent))
    return framework.get(value), {name: framework.get(slope) for name, slope in zip(given, slopes, strict=True)}


def adam(framework: PyTorch, case: AdamCase) -> Array:
    """The weights after the updates of a case."""
    parameter = torch.nn.Parameter(framework.put(case.weights).clone())
    optimiser = make_optimiser(case.config, [parameter], parameter.device, compiled=False)
    for gradient, rate in zip(case.gradients, case.rates, strict=True):
        optimiser.param_groups[0]["lr"] = float(rate)
        parameter.grad = framework.put(gradient)
        optimiser.step()
    return framework.get(parameter)


def free_memory(framework: PyTorch) -> tuple[int, int] | None:
    """Bytes of the device that are free, and all; None where PyTorch does not tell them."""
    device = framework.describe().device
    told = None if device == "cpu" else getattr(getattr(torch, device), "mem_get_info", None)
    if told is None:
        return None
    try:
        free, total = told()
    except (RuntimeError, AttributeError):
        return None
    return int(free), int(total)
