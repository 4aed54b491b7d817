"""Work on large fields in threads: decoders and NumPy let several run at once."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

WORTH_BYTES = 8 * 2**20
"""Of fields; below, starting threads costs more than they save."""

_MOST_THREADS = 16
_numbers = itertools.count()


def cores() -> int:
    """Cores on which this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(tasks: Sequence[Callable[[], None]], field_bytes: int) -> None:
    """Do all tasks, in as many threads as there are cores where they are about `WORTH_BYTES` of fields or more.

    Raises the error of the first task, in their order, that has one; no thread is left.
    """
    threads = min(len(tasks), cores(), _MOST_THREADS)
    if threads < 2 or field_bytes < WORTH_BYTES:
        for task in tasks:
            task()
        return
    with pool_of(threads, "crosscast-fields") as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, of which the next is made by a thread while the one before it is in use."""
    end = object()
    with pool_of(1, "crosscast-ahead") as pool:
        following = pool.submit(next, items, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


@contextmanager
def pool_of(threads: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads are gone at the end of the block; tasks that have not begun are dropped.

    Gone is also one that Ctrl-C has kept the pool from knowing, because it came while the thread was started.
    """
    own = f"{name}-{next(_numbers)}"
    pool = ThreadPoolExecutor(threads, thread_name_prefix=own)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for thread in threading.enumerate():
            if thread.name.startswith(f"{own}_") and thread.is_alive():
                thread.join()
