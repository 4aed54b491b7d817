"""Which gradients are sent together, and which parameters each rank updates.

Shares are of whole parameters, the largest dealt out first, each to the rank that has least, as
torch.distributed.optim.ZeroRedundancyOptimizer deals them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from harness.models.activations import FLOAT32_BYTES

BUCKET_BYTES = 32 * 2**20
"""Gradients are sent in buckets of about this size, so that few messages are sent and no second copy of all is held."""


def buckets(sizes: Sequence[int], most_bytes: int = BUCKET_BYTES) -> tuple[tuple[int, int], ...]:
    """(first, last + 1) of the parameters in each bucket, of these numbers of elements; the last parameters first.

    A bucket is full when it has `most_bytes` or more.
    """
    found: list[tuple[int, int]] = []
    end = len(sizes)
    while end > 0:
        start, size = end, 0
        while start > 0 and size * FLOAT32_BYTES < most_bytes:
            start -= 1
            size += sizes[start]
        found.append((start, end))
        end = start
    return tuple(found)


class Shares(NamedTuple):
    """Parameters in the order of their owners, and from which to before which of them each rank owns."""

    order: tuple[int, ...]
    bounds: tuple[tuple[int, int], ...]


def dealt(sizes: Sequence[int], ranks: int) -> Shares:
    """The parameters of these numbers of elements among the ranks; a rank may own none."""
    owned: list[list[int]] = [[] for _ in range(ranks)]
    held = [0] * ranks
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        owner = held.index(min(held))
        owned[owner].append(index)
        held[owner] += sizes[index]
    order = tuple(index for each in owned for index in sorted(each))
    ends = [sum(map(len, owned[: rank + 1])) for rank in range(ranks)]
    return Shares(order, tuple(zip([0, *ends[:-1]], ends, strict=True)))
