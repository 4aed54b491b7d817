"""Micro-batches whose gradients are added up to those of the whole batch."""

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

from torch import Tensor

LossSize = Callable[[Tensor], Tensor]
"""`loss_size` of a model's module: over how many terms the loss of a target (B, C, H, W) is a mean."""


class MicroBatch(NamedTuple):
    """What a rollout is given, and `shares` (steps,) of its losses in those of the whole batch; None for all of it."""

    x: Tensor
    targets: Tensor
    forcings: Tensor | None
    extras: Sequence[Tensor]
    shares: Sequence[Tensor | float] | None

    def total(self, losses: Sequence[Tensor]) -> Tensor:
        """The losses of the steps, each by its share, added in their order."""
        if self.shares is not None:
            losses = [loss * share for loss, share in zip(losses, self.shares, strict=True)]
        return reduce(operator.add, losses)


def micro_batches(
    parts: int, x: Tensor, targets: Tensor, forcings: Tensor | None, extras: Sequence[Tensor], size: LossSize | None
) -> Iterator[MicroBatch]:
    """`parts` equal parts of a batch: x and extras by their first axis, targets and forcings by their second.

    The shares are equal where `size` is None: the loss is a mean over samples.
    """
    if parts == 1:
        yield MicroBatch(x, targets, forcings, extras, None)
        return
    whole = None if size is None else [size(target).clamp(min=1) for target in targets]
    of_forcings = [None] * parts if forcings is None else forcings.chunk(parts, 1)
    of_extras = [extra.chunk(parts) for extra in extras]
    for part, (own, aims) in enumerate(zip(x.chunk(parts), targets.chunk(parts, 1), strict=True)):
        shares: list[Tensor | float] = [1 / parts] * len(targets)
        if size is not None and whole is not None:
            shares = [size(aim) / all_terms for aim, all_terms in zip(aims, whole, strict=True)]
        yield MicroBatch(own, aims, of_forcings[part], [chunks[part] for chunks in of_extras], shares)
