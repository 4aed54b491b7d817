"""The squared errors of each point that the launches of a cell kept, added up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.cells import Cell
from harness.analysis.quantities.kept_files import kept_by
from harness.errors import UserError
from harness.results.error_maps import FILE_NAME, ErrorMaps

NONE_KEPT = f"no launch of the cell kept its errors by point ({FILE_NAME}), as records of this version and later do"


@dataclass(frozen=True)
class CellErrors:
    """The errors of a cell's `launches` added up; `blown_up` names the channels in which some are infinite."""

    launches: tuple[int, ...]
    pooled: ErrorMaps
    blown_up: tuple[str, ...]


def errors_of(cell: Cell) -> CellErrors:
    """The errors of a cell; raises UserError with the reason where it has none, or a file is damaged."""
    found = kept_by(cell, FILE_NAME, ErrorMaps.load, same_layout)
    if not found:
        raise UserError(NONE_KEPT)
    pooled = added(tuple(found.values()))
    wrong = np.isinf(pooled.squared_error).any(axis=(0, 2, 3))
    return CellErrors(tuple(found), pooled, tuple(np.array(pooled.channels)[wrong].tolist()))


def added(errors: Sequence[ErrorMaps]) -> ErrorMaps:
    """Errors of one layout as those of all their samples."""
    with np.errstate(over="ignore", invalid="ignore"):
        return replace(
            errors[0],
            samples=np.sum([each.samples for each in errors], axis=0),
            squared_error=np.sum([each.squared_error for each in errors], axis=0, dtype=np.float64),
        )


def same_layout(one: ErrorMaps, other: ErrorMaps) -> bool:
    """Whether two are of the same channels, lead times and points."""
    return (one.channels, one.units, one.stride) == (other.channels, other.units, other.stride) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("lead_h", "latitude", "longitude")
    )
