"""Micro-batches whose gradients are added up to those of the whole batch."""

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from harness.frameworks.pytorch.parallel import OneDevice

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
    parts: int,
    x: Tensor,
    targets: Tensor,
    forcings: Tensor | None,
    extras: Sequence[Tensor],
    size: LossSize | None,
    parallel: OneDevice,
) -> Iterator[MicroBatch]:
    """`parts` equal parts of a batch: x and extras by their first axis, targets and forcings by their second.

    The shares are equal where `size` is None: the loss is a mean over samples. Else they are such that the mean over
    the ranks of their sums is the loss of the batches of all ranks as one.
    """
    if parts == 1 and (size is None or parallel.size == 1):
        yield MicroBatch(x, targets, forcings, extras, None)
        return
    whole = None
    if size is not None:
        of_all = parallel.sum(torch.stack([size(target) for target in targets]))
        whole = of_all.clamp(min=1) / parallel.size
    of_forcings = [None] * parts if forcings is None else forcings.chunk(parts, 1)
    of_extras = [extra.chunk(parts) for extra in extras]
    for part, (own, aims) in enumerate(zip(x.chunk(parts), targets.chunk(parts, 1), strict=True)):
        shares: list[Tensor | float] = [1 / parts] * len(targets)
        if size is not None and whole is not None:
            shares = [size(aim) / all_terms for aim, all_terms in zip(aims, whole, strict=True)]
        yield MicroBatch(own, aims, of_forcings[part], [chunks[part] for chunks in of_extras], shares)
