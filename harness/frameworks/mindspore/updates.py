"""The update of Adam or AdamW: of all parameters by every rank, or of a share of them by each (ZeRO-1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from harness.frameworks.mindspore.parallel import flattened
from harness.frameworks.ranks import RankNumber

updated, replaced = (ops.MultitypeFuncGraph(name) for name in ("updated", "replaced"))
"""For a map over all parameters: loops, which a graph unrolls one within the other, stop at a depth of 1000."""


@updated.register("Function", *["Tensor"] * 9)
def _update(
    kernel: Any,
    rate: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    epsilon: Tensor,
    decay: Tensor,
    parameter: Parameter,
    first_moment: Parameter,
    second_moment: Parameter,
    gradient: Tensor,
) -> Tensor:
    kernel(parameter, first_moment, second_moment, rate, beta1, beta2, epsilon, decay, gradient)
    return gradient


@replaced.register("Tensor", "Tensor")
def _replaced(parameter: Parameter, values: Tensor) -> Any:
    return ops.assign(parameter, values.reshape(parameter.shape))


class Moments(NamedTuple):
    """The states of the optimiser for the parameters that a rank updates."""

    first: ms.ParameterTuple
    second: ms.ParameterTuple


def fresh_moments(parameters: ms.ParameterTuple) -> Moments:
    """Moments of 0."""
    return Moments(parameters.clone("first_moment", "zeros"), parameters.clone("second_moment", "zeros"))


class Update(nn.Cell):
    """The update of parameters from `first` to before `last` of those that gradients are given of."""

    def __init__(self, parameters: ms.ParameterTuple, moments: Moments | None, first: int, last: int) -> None:
        super().__init__(auto_prefix=False)
        self.parameters, self.moments = parameters, moments or fresh_moments(parameters)
        self.first_moments, self.second_moments = self.moments
        self.first, self.last = first, last
        self.kernel = ops.AdamWeightDecay()
        self.map = ops.HyperMap()

    def construct(
        self,
        rate: Tensor,
        beta1: Tensor,
        beta2: Tensor,
        epsilon: Tensor,
        decay: Tensor,
        gradients: tuple[Tensor, ...],
    ) -> Any:
        """The settings of the kernel and the gradients of all parameters."""
        if self.first == self.last:
            return gradients
        update = ops.partial(updated, self.kernel, rate, beta1, beta2, epsilon, decay)
        own = gradients[self.first : self.last]
        return self.map(update, self.parameters, self.first_moments, self.second_moments, own)


class Spread(nn.Cell):
    """Gives all ranks the weights that each has updated: one AllGather of shares filled up to the largest.

    It waits for a gradient of the bucket that is sent last, so that all ranks send in the same order.
    """

    def __init__(self, parameters: ms.ParameterTuple, bounds: Sequence[tuple[int, int]], rank: RankNumber) -> None:
        super().__init__(auto_prefix=False)
        first, last = bounds[rank.number]
        self.parameters, self.own = parameters, ms.ParameterTuple(parameters[first:last])
        self.owned = tuple(tuple(int(each.size) for each in parameters[start:end]) for start, end in bounds)
        self.row = max(map(sum, self.owned))
        self.owns, self.missing = last > first, self.row - sum(self.owned[rank.number])
        self.gather, self.map, self.after = ops.AllGather(), ops.HyperMap(), ops.Depend()

    def construct(self, gradients: tuple[Tensor, ...]) -> Any:
        """Sets every parameter after an update with these gradients."""
        flat: tuple[Tensor, ...] = ()
        if self.owns:
            flat = self.map(flattened, self.own)
        if self.missing > 0:
            flat = (*flat, ops.zeros((self.missing,), ms.float32))
        gathered = self.gather(self.after(ops.cat(flat), gradients[0]))
        start, pieces = 0, ()
        for sizes in self.owned:
            if len(sizes) > 0:
                pieces = pieces + ops.split(gathered[start : start + sum(sizes)], sizes)
            start = start + self.row
        return self.map(replaced, self.parameters, pieces)
