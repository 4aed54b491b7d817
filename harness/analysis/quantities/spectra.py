"""The spectra that the launches of a cell kept, added up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.analysis.cells import Cell
from harness.analysis.quantities.kept_files import kept_by
from harness.errors import UserError
from harness.results.spectra import BY_DEGREE_FILE_NAME, FILE_NAME, Spectra

ROUNDING = 1e-14
"""Of a mean square: less than float32 numbers leave at any wavenumber."""


@dataclass(frozen=True)
class Wavenumbers:
    """What spectra are taken by: where launches keep them, and what it takes to have them."""

    file_name: str
    takes: str


ZONAL = Wavenumbers(
    FILE_NAME,
    "a grid that goes round the globe in even columns, with a row that has values all round",
)
DEGREES = Wavenumbers(
    BY_DEGREE_FILE_NAME,
    "a grid from pole to pole and round the globe, in even rows and columns, and a variable with values at all points",
)


@dataclass(frozen=True)
class CellSpectra:
    """The spectra of a cell's `launches` added up, and the ratios of forecast to truth (n, L, C, K) of each of them.

    A ratio is NaN where the truth has no power beyond rounding.
    """

    launches: tuple[int, ...]
    pooled: Spectra
    ratios: NDArray[np.float64]


def spectra_of(cell: Cell, by: Wavenumbers = ZONAL) -> CellSpectra:
    """The spectra of a cell; raises UserError with the reason where it has none, or a file is damaged."""
    found = kept_by(cell, by.file_name, Spectra.load, same_layout)
    if not found:
        raise UserError(
            f"no launch of the cell kept {by.file_name}: it takes {by.takes}; or its records are of an older version"
        )
    every = tuple(found.values())
    return CellSpectra(tuple(found), added(every), np.stack(list(map(ratio, every))))


def ratio(spectra: Spectra) -> NDArray[np.float64]:
    """Power of the forecasts over that of the truth (L, C, K); NaN where the truth has none beyond rounding."""
    truth = spectra.mean_truth
    nothing = truth <= ROUNDING * truth.sum(axis=2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(nothing, np.nan, spectra.mean_forecast / truth)


def added(spectra: Sequence[Spectra]) -> Spectra:
    """Spectra of one layout as those of all their samples."""
    with np.errstate(over="ignore", invalid="ignore"):
        return replace(
            spectra[0],
            samples=np.sum([each.samples for each in spectra], axis=0),
            forecast=np.sum([each.forecast for each in spectra], axis=0, dtype=np.float64),
            truth=np.sum([each.truth for each in spectra], axis=0, dtype=np.float64),
        )


def same_layout(one: Spectra, other: Spectra) -> bool:
    """Whether two are of the same channels, lead times and wavenumbers."""
    return (
        (one.channels, one.units) == (other.channels, other.units)
        and np.array_equal(one.lead_h, other.lead_h)
        and one.truth.shape == other.truth.shape
    )
