"""The probe for MindSpore: hooks where it runs op by op, taps in compiled graphs, which know no hooks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from harness.frameworks.mindspore.trainer import MindSpore
from harness.porting.parity.probing import Call
from harness.porting.parity.quantities import Array
from harness.porting.parity.sample import Sample

FLOATS = (ms.float16, ms.float32, ms.float64, ms.bfloat16)


class Alone(nn.Cell):
    """A cell for some tensors and cotangents to sum(outputs * cotangents), with the outputs beside it."""

    def __init__(self, cell: nn.Cell, arguments: Sequence[Any], places: Sequence[int]) -> None:
        super().__init__(auto_prefix=False)
        self.cell, self.arguments, self.places = cell, tuple(arguments), tuple(places)

    def construct(self, *given: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Tensors for the places, then cotangents."""
        arguments = list(self.arguments)
        for position, place in enumerate(self.places):
            arguments[place] = given[position]
        outputs = _tensors(self.cell(*arguments))
        total = (outputs[0] * given[len(self.places)]).sum()
        for position in range(1, len(outputs)):
            total = total + (outputs[position] * given[len(self.places) + position]).sum()
        return total, outputs


class Probe:
    """A network in MindSpore whose cells are watched."""

    def __init__(self, framework: MindSpore) -> None:
        self.framework = framework
        self._compiled = framework.describe().execution == "graph"

    def record(self, sample: Sample) -> tuple[list[Call], Array]:
        """Every call of a cell in a forward pass, in the order in which they end, and the prediction.

        Of a compiled network the outputs of the last call of every cell, without its inputs.
        """
        given = [self.framework.put(sample.first.inputs), *map(self.framework.put, sample.extras(0))]
        if self._compiled:
            ms.set_context(mode=ms.PYNATIVE_MODE)
            calls, _ = self._watch(given)
            ms.set_context(mode=ms.GRAPH_MODE)
            return self._tap(calls, given)
        return self._watch(given)

    def alone(
        self, call: Call, inputs: Sequence[Array], cotangents: Sequence[Array], parameters: Sequence[str]
    ) -> tuple[Sequence[Array], Sequence[Array], Mapping[str, Array]]:
        """Outputs of a cell for inputs, and the gradients of sum(outputs * cotangents) by inputs and parameters."""
        own = {parameter.name: parameter for parameter in self.framework.network.trainable_params()}
        weights = ms.ParameterTuple([own[name] for name in parameters])
        given = [Tensor(values) for values in inputs]
        pairs = zip(cotangents, call.outputs, strict=True)
        given += [Tensor(values.reshape(output.shape)) for values, output in pairs]
        cell = Alone(_cells(self.framework.network)[call.name], call.arguments, call.places)
        if not inputs and not parameters:
            return [value.asnumpy() for value in cell(*given)[1]], [], {}
        positions = tuple(range(len(inputs))) or None
        function = ms.value_and_grad(cell, positions, weights if parameters else None, has_aux=True)
        (_, outputs), slopes = function(*given)
        by_input, by_parameter = slopes if inputs and parameters else (slopes, slopes)
        return (
            [value.asnumpy() for value in outputs],
            [value.asnumpy() for value in _tensors(by_input)] if inputs else [],
            {n: v.asnumpy() for n, v in zip(parameters, _tensors(by_parameter), strict=True)} if parameters else {},
        )

    def _watch(self, given: Sequence[Tensor]) -> tuple[list[Call], Array]:
        calls: list[Call] = []
        cells = _cells(self.framework.network)
        names = {id(cell): name for name, cell in cells.items()}

        def hook(cell: nn.Cell, arguments: tuple[Any, ...], output: Any) -> None:
            places = tuple(place for place, value in enumerate(arguments) if _is_float(value))
            inputs = tuple(arguments[place].asnumpy().copy() for place in places)
            outputs = tuple(value.asnumpy() for value in _tensors(output))
            calls.append(Call(names[id(cell)], type(cell).__name__, arguments, places, inputs, outputs))

        handles = [cell.register_forward_hook(hook) for cell in cells.values()]
        try:
            prediction = self.framework.network(*given).asnumpy()
        finally:
            for handle in handles:
                handle.remove()
        return calls, prediction

    def _tap(self, calls: Sequence[Call], given: Sequence[Tensor]) -> tuple[list[Call], Array]:
        """Run the compiled network with cells that keep their outputs, made of the cells themselves for the while."""
        cells = _cells(self.framework.network)
        last = {call.name: call for call in calls}
        kinds = {name: type(cells[name]) for name in last}
        for name, call in last.items():
            cells[name].taps = ms.ParameterTuple(
                Parameter(Tensor(np.zeros_like(values)), name=f"tap.{name}.{position}", requires_grad=False)
                for position, values in enumerate(call.outputs)
            )
            cells[name].__class__ = tapped(kinds[name])  # type: ignore[arg-type]
        try:
            prediction = self.framework.network(*given).asnumpy()
            outputs = {name: tuple(tap.asnumpy() for tap in cells[name].taps) for name in last}
        finally:
            for name, kind in kinds.items():
                cells[name].__class__ = kind
                del cells[name].taps
        return [replace(call, inputs=(), places=(), outputs=outputs[name]) for name, call in last.items()], prediction


@cache
def tapped(kind: Any) -> Any:
    """A class of cells that copy their outputs into their parameters `taps`."""

    class Tapped(kind):
        def construct(self, *arguments: Any) -> Any:
            output = super().construct(*arguments)
            if isinstance(output, tuple):
                for position in range(len(output)):
                    ops.assign(self.taps[position], output[position])
            else:
                ops.assign(self.taps[0], output)
            return output

    return Tapped


def _cells(network: nn.Cell) -> dict[str, nn.Cell]:
    return dict(network.cells_and_names())


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype in FLOATS


def _tensors(output: Any) -> tuple[Tensor, ...]:
    return tuple(output) if isinstance(output, tuple | list) else (output,)
