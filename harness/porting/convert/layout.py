"""How the values of a file's tensors and of ours lie, and the way from one to the other and back."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.porting.convert.tensors import Shape
from harness.scenario.weights import Rule

if TYPE_CHECKING:
    from harness.porting.convert.tensors import Bits


@dataclass(frozen=True)
class Pieces:
    """Shapes of arrays, and the arrays, which are read when they are asked for."""

    shapes: tuple[Shape, ...]
    read: "Callable[[], list[Bits]]"

    def reader(self, place: int) -> "Callable[[], Bits]":
        """What reads one of them."""
        return lambda: self.read()[place]

    def each(self, shape: Callable[[Shape], Shape], change: "Callable[[Bits], Bits]") -> "Pieces":
        """Every array changed in the same way."""
        return Pieces(tuple(map(shape, self.shapes)), lambda: list(map(change, self.read())))


def towards_ours(rule: Rule, pieces: Pieces, ours: Sequence[Shape | None]) -> Pieces:
    """The file's tensors of a rule as ours; `ours` are the shapes of our network, None where they are not known.

    Raises ValueError where they do not have the shape that the rule expects.
    """
    if rule.unit_axes:
        if any(len(shape) <= max(rule.unit_axes) or _at(shape, rule.unit_axes) != 1 for shape in pieces.shapes):
            raise ValueError(f"shape {pieces.shapes[0]} has no axes {rule.unit_axes} of length 1")
        pieces = pieces.each(
            lambda shape: tuple(size for axis, size in enumerate(shape) if axis not in rule.unit_axes),
            lambda bits: bits.squeeze(rule.unit_axes),
        )
    if rule.transpose is not None:
        pieces = _transposed(pieces, rule.transpose)
    if len(rule.file) > 1:
        pieces = _joined(rule, pieces)
    elif len(rule.ours) > 1:
        pieces = _split(rule, pieces, len(rule.ours))
    if rule.flattened is not None:
        pieces = _folded_out(pieces, rule.flattened, ours)
    return pieces


def towards_file(rule: Rule, pieces: Pieces) -> Pieces:
    """Our tensors of a rule as the file's: the inverse of `towards_ours`.

    Raises ValueError where they do not have the shape that the rule expects.
    """
    if rule.flattened is not None:
        first, last = rule.flattened
        if any(len(shape) <= last for shape in pieces.shapes):
            raise ValueError(f"shape {pieces.shapes[0]} has no axes {first} to {last}")

        def flat(shape: Shape) -> Shape:
            return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])

        pieces = pieces.each(flat, lambda bits: bits.reshape(flat(bits.shape)))
    if len(rule.ours) > 1:
        pieces = _joined(rule, pieces)
    elif len(rule.file) > 1:
        pieces = _split(rule, pieces, len(rule.file))
    if rule.transpose is not None:
        pieces = _transposed(pieces, tuple(rule.transpose.index(axis) for axis in range(len(rule.transpose))))
    if rule.unit_axes:

        def widened(shape: Shape) -> Shape:
            sizes = list(shape)
            for axis in rule.unit_axes:
                sizes.insert(axis, 1)
            return tuple(sizes)

        pieces = pieces.each(widened, lambda bits: bits.reshape(widened(bits.shape)))
    return pieces


def _at(shape: Shape, axes: Sequence[int]) -> int:
    return math.prod(shape[axis] for axis in axes)


def _transposed(pieces: Pieces, axes: Sequence[int]) -> Pieces:
    if any(len(shape) != len(axes) for shape in pieces.shapes):
        raise ValueError(f"shape {pieces.shapes[0]} has not {len(axes)} axes")
    return pieces.each(lambda shape: tuple(shape[axis] for axis in axes), lambda bits: bits.transpose(axes))


def _joined(rule: Rule, pieces: Pieces) -> Pieces:
    import numpy as np

    shape, axis, count = pieces.shapes[0], rule.axis, len(pieces.shapes)
    if set(pieces.shapes) != {shape} or axis > len(shape) - (rule.join == "concatenate"):
        raise ValueError(f"shapes {', '.join(map(str, pieces.shapes))} cannot be joined along axis {axis}")
    if rule.join == "stack":
        return Pieces(((*shape[:axis], count, *shape[axis:]),), lambda: [np.stack(pieces.read(), axis)])
    longer = (*shape[:axis], count * shape[axis], *shape[axis + 1 :])
    return Pieces((longer,), lambda: [np.concatenate(pieces.read(), axis)])


def _split(rule: Rule, pieces: Pieces, count: int) -> Pieces:
    import numpy as np

    (shape,), axis = pieces.shapes, rule.axis
    if axis >= len(shape) or shape[axis] % count or (rule.join == "stack" and shape[axis] != count):
        raise ValueError(f"shape {shape} cannot be split in {count} along axis {axis}")
    if rule.join == "stack":
        part = (*shape[:axis], *shape[axis + 1 :])
        return Pieces((part,) * count, lambda: list(np.moveaxis(pieces.read()[0], axis, 0)))
    part = (*shape[:axis], shape[axis] // count, *shape[axis + 1 :])
    return Pieces((part,) * count, lambda: np.split(pieces.read()[0], count, axis))


def _folded_out(pieces: Pieces, flattened: tuple[int, int], ours: Sequence[Shape | None]) -> Pieces:
    first, last = flattened
    shapes = []
    for shape, known in zip(pieces.shapes, ours, strict=True):
        if known is None:
            raise ValueError(
                f"shape {shape} is to be folded out, which needs the shapes of a model (--model, --preset)"
            )
        if (*known[:first], math.prod(known[first : last + 1]), *known[last + 1 :]) != shape:
            raise ValueError(f"shape {shape} cannot be folded out to {known}")
        shapes.append(known)

    def read() -> "list[Bits]":
        return [bits.reshape(shape) for bits, shape in zip(pieces.read(), shapes, strict=True)]

    return Pieces(tuple(shapes), read)
