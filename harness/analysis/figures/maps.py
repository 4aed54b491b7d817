"""What all maps share: the grid in colour, what lies outside the mask in grey, coastlines where they are installed."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from harness.analysis.cells import Cell
from harness.analysis.figures.coastlines import coastlines, is_installed

Fields = NDArray[np.floating[Any]]

MASKED = "0.85"
MOST_DRAWN = 1e30
"""Matplotlib squares what it scales."""

COAST: Any = {"color": "0.1", "linewidth": 0.4, "rasterized": True}
HEIGHT_BOUNDS_INCHES = (0.7, 1.9)
GAP_INCHES = 0.25
"""Between the maps of a channel and those of the next."""


def drawable(field: Fields) -> Fields:
    """A field without what no colour map can show: where a forecast has diverged it is grey."""
    return np.where(np.abs(field) <= MOST_DRAWN, field, np.nan)


def height_inches(width_inches: float, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> float:
    """Height of a map of a width whose cells have these edges, degrees being as long in both directions."""
    ratio = abs(rows[-1] - rows[0]) / abs(columns[-1] - columns[0])
    return float(np.clip(width_inches * ratio, *HEIGHT_BOUNDS_INCHES))


def draw_map(
    axes: Axes,
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    field: Fields,
    colours: str,
    low: float,
    high: float,
) -> mpl.collections.QuadMesh:
    """Draw a field (H, W) on cells whose edges are `columns` (W + 1,) and `rows` (H + 1,), in degrees."""
    axes.set_facecolor(MASKED)
    return axes.pcolormesh(columns, rows, field, cmap=colours, vmin=low, vmax=high, rasterized=True)


def has_coasts(cell: Cell) -> bool:
    """Whether the Earth's coastlines are installed and a cell's data are of it, not of a world made at run time."""
    return cell.scenario.data.kind == "archive" and is_installed()


def draw_coasts(axes: Axes, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> None:
    """Draw the Earth's coastlines, which must be installed, into a map with these edges."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    axes.plot(*coastlines(columns, rows).T, **COAST)


def edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges (n + 1,) halfway between n centres."""
    if len(centres) < 2:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
