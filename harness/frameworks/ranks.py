"""The ranks of a launch: processes that train one network together, each with a device of its own."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class RankNumber(NamedTuple):
    """One of `size` processes, numbered from 0 over all nodes; `local` is its number on its node."""

    number: int = 0
    size: int = 1
    local: int = 0


class Ranks(Protocol):
    """What the ranks tell each other beside gradients. Every rank makes the same calls in the same order."""

    @property
    def rank(self) -> RankNumber:
        """Which of them this process is."""

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over all ranks, element by element; the same on each of them, in the shape of `values`."""

    def texts(self, text: str) -> tuple[str, ...]:
        """One text of each rank, in the order of their numbers."""

    def leave(self) -> None:
        """Wait until all ranks have come here, then end the connection."""


class Alone:
    """The only rank of a launch."""

    rank = RankNumber()

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values themselves."""
        return values

    def texts(self, text: str) -> tuple[str, ...]:
        """The one text."""
        return (text,)

    def leave(self) -> None:
        """Nobody is waited for."""
