"""The arguments of a call of an aten operator, as its counterpart is made from them."""

from collections.abc import Callable
from typing import Any

from harness.porting.operators.calls import TensorSpec

Function = Callable[..., Any]
Make = Callable[["Arguments"], Function]


class Arguments:
    """Constants by the names of the operator's schema, and where tensors are given.

    A counterpart is a function of the tensors alone, in the order of the schema.
    """

    def __init__(self, arguments: dict[str, Any], tensors: tuple[TensorSpec, ...]) -> None:
        self._arguments, self.tensors = arguments, tensors

    def __getitem__(self, name: str) -> Any:
        """A constant; lists as tuples, which compiled graphs want."""
        value = self._arguments.get(name)
        return tuple(value) if isinstance(value, list) else value

    def given(self, name: str) -> bool:
        """Whether an argument is a tensor."""
        return isinstance(self._arguments.get(name), dict)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self.spec(name).shape

    def spec(self, name: str) -> TensorSpec:
        """Shape and type of a tensor."""
        return self.tensors[self._arguments[name]["tensor"]]

    def axes(self, name: str = "dim", tensor: str = "self") -> tuple[int, ...]:
        """Axes counted from 0; all of them where none is given."""
        rank, found = len(self.shape(tensor)), self[name]
        if found is None or found == ():
            return tuple(range(rank))
        return tuple(axis % rank for axis in ((found,) if isinstance(found, int) else found))
