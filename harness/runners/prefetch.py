"""Batches made by threads ahead of the step that takes them, in order; NumPy and decoders let threads run at once."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from harness.data.threads import pool_of
from harness.scenario.execution import Loading

T = TypeVar("T")

THREAD_NAME = "crosscast-prefetch"


@contextmanager
def prefetched(tasks: Sequence[Callable[[], T]], loading: Loading) -> Iterator[Iterator[T]]:
    """What the tasks return, one after the other in their order.

    With `loading.prefetch` of n, up to n tasks beyond the one whose result was taken last are done or under way in
    `loading.workers` threads; with 0 each is done by the caller when its result is asked for, and there are no threads.
    An error of a task is raised where its result would have come. At the end of the block, however it ends, tasks that
    have not begun are dropped and the threads are gone.
    """
    if not loading.prefetch:
        yield (task() for task in tasks)
        return
    with pool_of(min(loading.workers, loading.prefetch), THREAD_NAME) as pool:
        yield _in_order(pool, tasks, loading.prefetch)


def _in_order(pool: ThreadPoolExecutor, tasks: Sequence[Callable[[], T]], depth: int) -> Iterator[T]:
    waiting = iter(tasks)
    begun: deque[Future[T]] = deque(pool.submit(task) for task in islice(waiting, depth))
    while begun:
        result = begun.popleft().result()
        begun.extend(pool.submit(task) for task in islice(waiting, 1))
        yield result
