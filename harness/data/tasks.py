"""Tasks that are made when they are asked for, so that those of a long epoch take no memory."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class Tasks(Sequence[Callable[[], T]], Generic[T]):
    """As many tasks as `numbers` has; `make` gives the one of a number."""

    def __init__(self, numbers: range, make: Callable[[int], Callable[[], T]]) -> None:
        self._numbers, self._make = numbers, make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, position: int) -> Callable[[], T]: ...

    @overload
    def __getitem__(self, position: slice) -> "Tasks[T]": ...

    def __getitem__(self, position: int | slice) -> "Callable[[], T] | Tasks[T]":
        """One task, or some of them."""
        if isinstance(position, slice):
            return Tasks(self._numbers[position], self._make)
        return self._make(self._numbers[position])
