"""The probe for PyTorch."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import BaseTorchFunctionMode

from harness.frameworks.pytorch.trainer import PyTorch
from harness.porting.parity.probing import Call
from harness.porting.parity.quantities import Array
from harness.porting.parity.sample import Sample


class Probe:
    """A network in PyTorch whose modules are watched by hooks.

    While a function mode is active, networks run operator by operator, so that each module is given and gives all rows.
    """

    def __init__(self, framework: PyTorch) -> None:
        self.framework = framework

    def record(self, sample: Sample) -> tuple[list[Call], Array]:
        """Every call of a module in a forward pass, in the order in which they end, and the prediction."""
        module, calls = self.framework.module, []

        def watch(name: str) -> Any:
            def hook(watched: torch.nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
                places = tuple(place for place, value in enumerate(arguments) if _is_float(value))
                inputs = tuple(_array(arguments[place]) for place in places)
                outputs = tuple(_array(value) for value in _tensors(output))
                calls.append(Call(name, type(watched).__name__, arguments, places, inputs, outputs))

            return hook

        handles = [part.register_forward_hook(watch(name)) for name, part in module.named_modules()]
        try:
            with torch.no_grad(), BaseTorchFunctionMode():
                extras = (self.framework.put(values) for values in sample.extras(0))
                prediction = module(self.framework.put(sample.first.inputs), *extras)
        finally:
            for handle in handles:
                handle.remove()
        return calls, self.framework.get(prediction)

    def alone(
        self, call: Call, inputs: Sequence[Array], cotangents: Sequence[Array], parameters: Sequence[str]
    ) -> tuple[Sequence[Array], Sequence[Array], Mapping[str, Array]]:
        """Outputs of a module for inputs, and the gradients of sum(outputs * cotangents) by inputs and parameters."""
        put, get, own = self.framework.put, self.framework.get, dict(self.framework.module.named_parameters())
        given = [put(values).requires_grad_() for values in inputs]
        arguments = list(call.arguments)
        for place, value in zip(call.places, given, strict=True):
            arguments[place] = value
        with BaseTorchFunctionMode():
            outputs = _tensors(self.framework.module.get_submodule(call.name)(*arguments))
        wanted = [*given, *(own[name] for name in parameters)]
        slopes: list[Array] = []
        if wanted:
            weights = [put(values).reshape(output.shape) for values, output in zip(cotangents, outputs, strict=True)]
            found = torch.autograd.grad(outputs, wanted, weights, allow_unused=True)
            pairs = zip(found, wanted, strict=True)
            slopes = [get(torch.zeros_like(of) if slope is None else slope) for slope, of in pairs]
        by_parameter = dict(zip(parameters, slopes[len(given) :], strict=True))
        return [get(value) for value in outputs], slopes[: len(given)], by_parameter


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _array(value: Tensor) -> Array:
    array: Array = value.detach().cpu().numpy().copy()
    return array


def _tensors(output: Any) -> tuple[Tensor, ...]:
    return tuple(output) if isinstance(output, tuple | list) else (output,)
