"""Memory that threads borrow for one field and give back, so that the system need not clear new pages for each."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

_MOST_KEPT_BYTES = 16 * 2**20
"""Of one piece of memory; a larger one is not kept."""

_free: deque[NDArray[np.uint8]] = deque(maxlen=8)


@contextmanager
def borrowed(count: int) -> Iterator[NDArray[np.uint8]]:
    """An array of `count` bytes with any content, for the thread alone that asks for it and until the block ends."""
    try:
        memory = _free.pop()
    except IndexError:
        memory = np.empty(count, dtype=np.uint8)
    if memory.size < count:
        memory = np.empty(count, dtype=np.uint8)
    try:
        yield memory[:count]
    finally:
        if memory.size <= _MOST_KEPT_BYTES:
            _free.append(memory)
