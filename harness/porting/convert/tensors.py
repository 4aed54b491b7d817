"""What a checkpoint holds, whatever wrote it: named tensors, read one at a time, and what each of them is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.unsignedinteger[Any]]

Shape = tuple[int, ...]

WIDTHS = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
"""Bytes a value, by the names that safetensors gives number formats."""

Role = Literal["parameter", "first_moment", "second_moment", "max_second_moment", "step", "optimiser"]
"""`optimiser`: what else it keeps, such as the powers of its betas."""

MOMENTS: tuple[Role, ...] = ("first_moment", "second_moment", "max_second_moment")


@dataclass(frozen=True)
class Tensor:
    """A named tensor whose values are read when they are asked for.

    `bits` gives an array of `shape` whose values are unsigned whole numbers as wide as those of `dtype`: NumPy has no
    bfloat16, and what is moved but never computed with stays the same to the last bit. `sources` are the names and
    shapes that it was made of, `moved` says that its values do not lie as they did there.
    """

    name: str
    dtype: str
    shape: Shape
    bits: "Callable[[], Bits]"
    sources: tuple[tuple[str, Shape], ...]
    moved: bool = False

    @property
    def width(self) -> int:
        """Bytes a value."""
        return WIDTHS[self.dtype]


@dataclass(frozen=True)
class State:
    """Tensors by role, in the order of the file, and what else a checkpoint says of itself.

    `about` is what can be written as JSON: model, preset, optimiser. `left_out` names what no other form can hold.
    `published` is what DeepMind's files say of their network: texts and numbers by name. `remarks` say, in words, what
    of several things that a file holds was taken.
    """

    tensors: Mapping[Role, tuple[Tensor, ...]]
    about: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    published: Mapping[str, str | float] | None = None
    remarks: tuple[str, ...] = ()

    def of(self, role: Role) -> tuple[Tensor, ...]:
        """The tensors of a role."""
        return self.tensors.get(role, ())

    @property
    def has_moments(self) -> bool:
        """Whether there is any state of an optimiser of the Adam family."""
        return any(self.of(role) for role in MOMENTS)


def from_array(name: str, dtype: str, array: "NDArray[Any]") -> Tensor:
    """A tensor of values at hand."""
    import numpy as np

    bits = np.asarray(array).view(f"<u{WIDTHS[dtype]}")
    return Tensor(name, dtype, bits.shape, lambda: bits, ())


FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
"""Of NumPy, by the names of safetensors."""


def in_float32(tensor: Tensor) -> "NDArray[np.float32] | None":
    """Its values rounded to float32, infinite where they are beyond it; None where they are no floating numbers."""
    import numpy as np

    bits = np.ascontiguousarray(tensor.bits())
    if tensor.dtype == "BF16":
        values = (bits.astype("<u4") << 16).view("<f4")
    elif tensor.dtype in FLOATS:
        values = bits.view(FLOATS[tensor.dtype])
    else:
        return None
    with np.errstate(over="ignore"):
        return values.astype(np.float32).reshape(tensor.shape)


def number(tensor: Tensor) -> int | None:
    """The value of a tensor that holds one whole number; None where it does not."""
    import numpy as np

    formats = {**FLOATS, "I64": "<i8", "I32": "<i4", "U64": "<u8", "U32": "<u4"}
    if tensor.dtype not in formats or any(size != 1 for size in tensor.shape):
        return None
    value = float(np.ascontiguousarray(tensor.bits()).reshape(-1).view(formats[tensor.dtype])[0])
    return int(value) if value.is_integer() else None


def module_order(names: Iterable[str]) -> list[str]:
    """Names as frameworks walk a network: at every level its own parameters first, then those of each part in turn.

    The order in which torch.optim numbers them; parts, and parameters beside each other, stay as they are given.
    """
    return [name for _, name in _walk([(name.split("."), name) for name in names])]


def _walk(named: Sequence[tuple[list[str], str]]) -> list[tuple[list[str], str]]:
    own = [each for each in named if len(each[0]) == 1]
    parts: dict[str, list[tuple[list[str], str]]] = {}
    for path, name in named:
        if len(path) > 1:
            parts.setdefault(path[0], []).append((path[1:], name))
    return own + [each for part in parts.values() for each in _walk(part)]
