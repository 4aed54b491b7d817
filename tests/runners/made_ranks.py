"""Ranks that are threads of a test, so that what they tell each other is tried without processes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.frameworks.ranks import RankNumber

T = TypeVar("T")
PATIENCE_S = 60


class ThreadRanks:
    """One of several ranks in one process."""

    def __init__(self, number: int, told: list, barrier: threading.Barrier) -> None:
        self.rank = RankNumber(number, len(told), number)
        self._told, self._barrier = told, barrier

    def _all(self, value: object) -> list:
        self._told[self.rank.number] = value
        self._barrier.wait(PATIENCE_S)
        found = list(self._told)
        self._barrier.wait(PATIENCE_S)
        return found

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Ranks."""
        return np.sum(self._all(values), axis=0)

    def texts(self, text: str) -> tuple[str, ...]:
        """See Ranks."""
        return tuple(self._all(text))

    def leave(self) -> None:
        """See Ranks."""


def at_once(size: int, do: Callable[[ThreadRanks], T]) -> list[T]:
    """What each rank does, all at the same time, in the order of their numbers."""
    told, barrier = [None] * size, threading.Barrier(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda number: do(ThreadRanks(number, told, barrier)), range(size)))
