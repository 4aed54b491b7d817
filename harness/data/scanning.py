"""One pass over all values of an archive: the thread that reads a field judges and hashes it while its cache has it."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.data.checks import ValueScanner
from harness.data.source import BLOCK_BYTES, Finish, Progress, blocks, unwatched

Fields = NDArray[np.float32]

ReadFields = Callable[[NDArray[np.int64], Sequence[Fields], Finish], None]
"""Writes the fields at time indices into one of (C, H, W) each, and hands each channel, whole, to a `Finish`."""

LEAST_STEPS = 2
"""In a block: at its end threads wait for the last one, which a step of few fields does not make up for."""


def scan_steps(
    read: ReadFields,
    steps: int,
    shape: tuple[int, ...],
    scanner: ValueScanner,
    progress: Progress = unwatched,
    *,
    block_bytes: int = BLOCK_BYTES,
) -> None:
    """Have `scanner` judge and hash the fields, `shape` (C, H, W) each, of so many steps; tells the fraction read.

    A block of at most `block_bytes`, or of `LEAST_STEPS`, is in memory, whatever the number of steps. Raises what
    `read` and the scanner raise.
    """
    step_bytes = 4 * int(np.prod(shape))
    memory: Fields | None = None
    for block in blocks(np.arange(steps), step_bytes, block_bytes=max(block_bytes, LEAST_STEPS * step_bytes)):
        if memory is None:
            memory = np.empty((len(block), *shape), dtype=np.float32)
        fields = memory[: len(block)]
        scanner.take(fields, partial(read, block, list(fields)))
        progress((int(block[-1]) + 1) / steps)
