"""One pass over all values of an archive: each field is judged by the thread that reads it, while its cache holds it.

Hashing is behind reading, in a thread of its own: the fingerprint is one chain through all values in order of time.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.data.checks import ValueScanner
from harness.data.source import BLOCK_BYTES, Finish, Progress, blocks, unwatched
from harness.data.threads import pool_of

Fields = NDArray[np.float32]

ReadFields = Callable[[NDArray[np.int64], Sequence[Fields], Finish], None]
"""Writes the fields at time indices into one of (C, H, W) each, and hands each channel, whole, to a `Finish`."""


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

    Two blocks of at most `block_bytes`, or of one step, are in memory, whatever the number of steps. Raises what `read`
    and the scanner raise.
    """
    behind: deque[Future[None]] = deque()
    memory: list[Fields] = []
    with pool_of(1, "crosscast-hash") as pool:
        for number, block in enumerate(blocks(np.arange(steps), 4 * int(np.prod(shape)), block_bytes=block_bytes)):
            if len(memory) < 2:
                memory.append(np.empty((len(block), *shape), dtype=np.float32))
            else:
                behind.popleft().result()
            fields = memory[number % 2][: len(block)]
            scanner.take(fields, partial(read, block, list(fields)))
            behind.append(pool.submit(scanner.hash, fields))
            progress((int(block[-1]) + 1) / steps)
        for hashed in behind:
            hashed.result()
