"""Micro-batches whose gradients are added up to those of the whole batch, one after another in one graph."""

from collections.abc import Callable
from typing import Any

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

LossSize = Callable[[Tensor], Tensor]
"""`loss_size` of a model's module: over how many terms the loss of a target (B, C, H, W) is a mean."""

cleared, added = (ops.MultitypeFuncGraph(name) for name in ("cleared", "added"))


@cleared.register("Tensor")
def _clear(total: Parameter) -> Any:
    return ops.assign(total, ops.zeros_like(total))


@added.register("Tensor", "Tensor")
def _add(total: Parameter, gradient: Tensor) -> Any:
    return ops.assign_add(total, gradient)


class Terms(nn.Cell):
    """Over how many terms the loss of each step is a mean; over its samples where `size` is None."""

    def __init__(self, size: LossSize | None, steps: int) -> None:
        super().__init__(auto_prefix=False)
        self.size, self.steps = size, steps

    def construct(self, targets: Tensor) -> Tensor:
        """Targets (steps, B, C, H, W) to (steps,)."""
        found: tuple[Tensor, ...] = ()
        for step in range(self.steps):
            size = Tensor(float(targets.shape[1]), ms.float32) if self.size is None else self.size(targets[step])
            found = (*found, size)
        return ops.stack(found)


class OwnTerms(nn.Cell):
    """The numbers of terms of a batch, from which shares in its loss are taken."""

    def construct(self, terms: Tensor) -> Tensor:
        """(steps,) to (steps,), no less than 1."""
        return ops.maximum(terms, Tensor(1.0, ms.float32))


class Shared(nn.Cell):
    """Loss and gradients of a batch from a function of the rollout, each loss by its share in what is `whole`."""

    def __init__(self, value_and_grad: Any, terms: Terms, whole: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.value_and_grad, self.terms, self.whole = value_and_grad, terms, whole

    def construct(self, x: Tensor, targets: Tensor, *further: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The inputs of the rollout without shares."""
        own = self.terms(targets)
        return self.value_and_grad(x, targets, own / self.whole(own), *further)


class Accumulated(nn.Cell):
    """Loss and gradients of a batch, from `parts` micro-batches.

    The loop over them is part of the graph and not unrolled, so that a graph is not larger for more micro-batches and
    their memory is taken in turn. `rollout` is given, beside its inputs, the share of each of its losses;
    `function`, whose gradients are made, is the rollout or the rollout with its loss scaled. `whole` makes of the
    batch's `terms` those that shares are taken in.
    """

    def __init__(
        self,
        rollout: Any,
        function: nn.Cell,
        parameters: ms.ParameterTuple,
        parts: int,
        terms: Terms,
        whole: nn.Cell,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.parameters, self.parts, self.terms, self.whole = parameters, parts, terms, whole
        self.forced = rollout.forced
        self.totals = parameters.clone("accumulated", "zeros")
        self.value_and_grad = ms.value_and_grad(function, None, parameters)
        self.map = ops.HyperMap()

    def construct(self, x: Tensor, targets: Tensor, *further: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The inputs of the rollout for the whole batch to its loss and gradients."""
        terms = self.whole(self.terms(targets))
        total = Tensor(0.0, ms.float32)
        part = Tensor(0, ms.int32)
        self.map(cleared, self.totals)
        while part < self.parts:
            aims = self.part_of(targets, part, 1)
            inputs = self.inputs(part, *further)
            loss, gradients = self.value_and_grad(self.part_of(x, part, 0), aims, self.terms(aims) / terms, *inputs)
            self.map(added, self.totals, gradients)
            total = total + loss
            part = part + 1
        return total, self.totals

    def inputs(self, part: Tensor, *further: Tensor) -> tuple[Tensor, ...]:
        """A micro-batch of the forcings, where there are any, and of the extras."""
        found: tuple[Tensor, ...] = ()
        for index in range(len(further)):
            found = (*found, self.part_of(further[index], part, 1 if self.forced and index == 0 else 0))
        return found

    def part_of(self, values: Tensor, part: Tensor, axis: int) -> Tensor:
        """Micro-batch number `part` of values with the batch on an axis."""
        shape = values.shape
        size = shape[axis] // self.parts
        return ops.gather(values.reshape(*shape[:axis], self.parts, size, *shape[axis + 1 :]), part, axis)
