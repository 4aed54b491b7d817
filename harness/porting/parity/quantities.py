"""What is compared, and how far two arrays of it are apart."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

Kind = Literal[
    "activation",
    "input",
    "value",
    "input gradient",
    "parameter gradient",
    "prediction",
    "loss",
    "gradient",
    "update",
    "loss of a step",
]
GRADIENTS_OF_INPUTS: frozenset[Kind] = frozenset({"input gradient"})


class ComparedArray(NamedTuple):
    """An array that every implementation has.

    `activation` and `input` of the module `name` are those in a run of the whole network; `value`, `input gradient` and
    `parameter gradient` those of the module alone, given the same inputs and the same cotangent of its output. Of the
    whole network: `prediction`, `loss`, its `gradient` by the parameter `name`, the `update` of that parameter by the
    first optimiser step, and `loss of a step`. `part` tells arrays of a module apart.
    """

    kind: Kind
    name: str = ""
    part: str = ""

    @property
    def key(self) -> str:
        """The quantity as text, for files."""
        return "\t".join(self)

    @staticmethod
    def of_key(key: str) -> "ComparedArray":
        """The quantity that a text in a file stands for."""
        kind, name, part = key.split("\t")
        return ComparedArray(kind, name, part)  # type: ignore[arg-type]


Quantities = Iterator[tuple[ComparedArray, Array]]


def deviation(quantity: ComparedArray, found: Array, truth: Array) -> float:
    """How far `found` is off `truth`, relative to it: 0 where they are equal, infinite where they cannot be compared.

    The L2 norm of the difference over that of the truth; for an update the median over its values of |difference| over
    |truth|, since Adam turns a gradient that is all rounding into a whole step. Arrays of other shapes but as many
    values are compared in the order of their memory. What one of them repeats along an axis that has one entry in the
    truth is compared with each repetition; gradients by it are added up.
    """
    aligned = _aligned(quantity, found, truth)
    if aligned is None or not np.isfinite(aligned).all():
        return float("inf")
    error = np.abs(aligned - truth)
    if not error.any():
        return 0.0
    if quantity.kind == "update":
        moved = truth != 0
        return float(np.median(error[moved] / np.abs(truth[moved]))) if moved.any() else float("inf")
    size = float(np.linalg.norm(truth)) * np.sqrt(aligned.size / truth.size)
    return float(np.linalg.norm(error)) / size if size else float("inf")


def spread(values: Array, size: int) -> Array | None:
    """`values` repeated along an axis with one entry to `size` values; None where that cannot be."""
    if values.size == size:
        return values
    repeated = _repeated(values.shape, size)
    if repeated is None:
        return None
    shape, axis = repeated
    return np.repeat(values, shape[axis], axis=axis)


def _repeated(shape: Sequence[int], size: int) -> tuple[tuple[int, ...], int] | None:
    """A shape with one of its single entries repeated so that it has `size` values, and the axis of it."""
    places, entries = [axis for axis, entries in enumerate(shape) if entries == 1], math.prod(shape)
    if not places or not entries or size % entries:
        return None
    axis = places[-1]
    return (*shape[:axis], size // entries, *shape[axis + 1 :]), axis


def _aligned(quantity: ComparedArray, found: Array, truth: Array) -> Array | None:
    """`found` as float64 in the shape of the truth, with repetitions before it where it has them."""
    values = np.asarray(found, dtype=np.float64)
    if values.size == truth.size:
        return values.reshape(truth.shape)
    repeated = _repeated(truth.shape, values.size)
    if repeated is None:
        return None
    shape, axis = repeated
    values = values.reshape(shape)
    if quantity.kind in GRADIENTS_OF_INPUTS:
        return values.sum(axis=axis, keepdims=True)
    return np.moveaxis(values, axis, 0).reshape(-1, *truth.shape)


def deviations(
    found: Mapping[ComparedArray, Array], truth: Mapping[ComparedArray, Array]
) -> dict[ComparedArray, float]:
    """The deviation of every quantity of the truth that was found."""
    return {quantity: deviation(quantity, found[quantity], truth[quantity]) for quantity in truth if quantity in found}
