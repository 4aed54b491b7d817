"""One variable of one file, whatever its dimensions are called and in whatever order they stand.

Of a dimension `expver`, by which ERA5 tells final (1) from preliminary data (5), the final value is taken where there
is one and the preliminary one where not. Other dimensions of size 1 (`number`) are dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.data import coordinates, vertical
from harness.data.calendar import Times
from harness.data.config import ArchiveConfig
from harness.data.direct import DirectFields, direct_fields
from harness.data.files import unreadable
from harness.data.locations import Location
from harness.data.reading import FieldReading
from harness.data.selection import select
from harness.data.time_axis import NO_TIMES, mapped_times, own_times, time_coordinate, time_dimension
from harness.errors import UserError

EXPVER = "expver"


@dataclass(frozen=True)
class Piece:
    """The part of a variable that lies in one file, not yet read.

    `arrays` are [time] x [level] x latitude x longitude; a later one fills what is NaN in those before. `times` is
    empty where the file does not say when, and `own_times` where it holds no dates of its own; `levels` is None where
    the variable has none. They are in `level_units`, None where those are not known; `findings` say what was done to
    the coordinates, and `lost` names the chunks that a Zarr store lacks. A chunk of such a store holds
    `steps_per_chunk` steps; of another file that is None.
    """

    path: Location
    arrays: tuple[xr.DataArray, ...]
    times: Times
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    levels: NDArray[np.float64] | None
    level_units: str | None = None
    findings: tuple[FieldReading, ...] = ()
    own_times: Times = field(default_factory=lambda: NO_TIMES)
    lost: str = ""
    steps_per_chunk: int | None = None

    def read(self, steps: NDArray[np.int64], levels: Sequence[int] | None) -> NDArray[Any]:
        """Values (n, N, H, W) at these steps and positions of levels; N is 1 without levels.

        Raises UserError where the file cannot be read.
        """
        try:
            values = self._read(self.arrays[0], steps, levels)
            for array in self.arrays[1:]:
                if np.isnan(values).any():
                    values = np.where(np.isnan(values), self._read(array, steps, levels), values)
        except Exception as error:
            raise unreadable(self.path, error) from error
        return values

    def direct(self, levels: tuple[int, ...] | None) -> DirectFields | None:
        """How the fields at these positions of levels are read without a copy in between; None where they are not."""
        if levels not in self._known_directly:
            self._known_directly[levels] = direct_fields(self.arrays[0], levels)
        return self._known_directly[levels]

    @cached_property
    def _known_directly(self) -> dict[tuple[int, ...] | None, DirectFields | None]:
        return {}

    def _read(self, array: xr.DataArray, steps: NDArray[np.int64], levels: Sequence[int] | None) -> NDArray[Any]:
        if levels is not None:
            array = array[..., list(levels), :, :]
        timeless = array.ndim == (2 if levels is None else 3)
        values: NDArray[Any] = array.values[None] if timeless else array[steps].values
        return values.reshape(len(steps), -1, *values.shape[-2:])


def arrange(
    file: Location, array: xr.DataArray, config: ArchiveConfig, *, timed: bool, levels: Sequence[float] = ()
) -> Piece:
    """Find the dimensions of a variable and put them in order, the level among them where `levels` are wanted of it.

    With `config.time.start`, every file begins at it, and one without times is one step. Without `timed` the times are
    those of the file or none. Raises UserError where a dimension, its coordinate or the dates are missing, one is left
    over, or the grid is another than of latitude rows and longitude columns.
    """
    array = select(file, array, config.select)
    time = time_dimension(array, config.dimensions.time)
    told_by = time_coordinate(array, time, config.dimensions.time)
    order = _order(file, array, config, time, told_by, timed=timed, leveled=bool(levels))
    arrays = tuple(_drop_single(version, order) for version in _versions(file, array, order))
    surplus = [f"{name} ({arrays[0].sizes[name]})" for name in arrays[0].dims if name not in order]
    if surplus:
        raise UserError(
            f"{file}: {array.name} has dimensions that the mapping does not name: {', '.join(surplus)}; "
            "`select` takes one value of each"
        )
    *_, latitude, longitude = order
    rows, columns, findings = _grid(file, array, latitude, longitude, config)
    array, arrays = (
        array.isel({latitude: rows[0], longitude: columns[0]}),
        tuple(version.isel({latitude: rows[0], longitude: columns[0]}) for version in arrays),
    )
    found_levels = None
    if levels:
        values = _coordinate(file, array, order[-3])
        units = config.level_units
        found_levels = vertical.read_levels(file, array, order[-3], values, units=units, wanted=levels)
        findings = (*findings, found_levels.finding)
    times, dates = _times(file, array, time, told_by, config, timed=timed)
    return Piece(
        path=file,
        arrays=tuple(version.transpose(*order) for version in arrays),
        times=times,
        latitude=rows[1],
        longitude=columns[1],
        levels=None if found_levels is None else found_levels.values,
        level_units=None if found_levels is None else found_levels.units,
        findings=findings,
        own_times=dates,
    )


def _order(
    file: Location,
    array: xr.DataArray,
    config: ArchiveConfig,
    time: str | None,
    told_by: str | None,
    *,
    timed: bool,
    leveled: bool,
) -> list[str]:
    """The dimensions [time,] [level,] latitude, longitude of a variable. Raises UserError where one is absent."""
    names = config.dimensions
    given = config.time is not None and config.time.start is not None
    wanted = [names.latitude, names.longitude]
    found = [
        coordinates.dimension_of(array, "latitude", names.latitude),
        coordinates.dimension_of(array, "longitude", names.longitude),
    ]
    coordinates.check_grid(file, array, found[0])
    if leveled:
        wanted.insert(0, names.level or ())
        found.insert(0, coordinates.dimension_of(array, "level", names.level))
    if timed and not (time is None and (told_by or given)):
        wanted.insert(0, names.time)
        found.insert(0, time)
    absent = [
        " or ".join(map(repr, names)) for names, dimension in zip(wanted, found, strict=True) if dimension is None
    ]
    if absent:
        held = ", ".join(map(str, array.dims)) or "none"
        alone = "; a file of one step needs `time: {start, step_hours}`" if timed and time is None else ""
        raise UserError(f"{file}: {array.name} has no dimension {' or '.join(absent)}, its dimensions: {held}{alone}")
    order = [dimension for dimension in found if dimension is not None]
    return order if time is None or time in order else [time, *order]


_Kept = tuple[slice, NDArray[np.float64]]
"""Which rows or columns of a file are taken, and their degrees north or east."""


def _grid(
    file: Location, array: xr.DataArray, latitude: str, longitude: str, config: ArchiveConfig
) -> tuple[_Kept, _Kept, tuple[FieldReading, ...]]:
    """Rows and columns of a variable: each column once, and an even number of both where the mapping wants that."""
    rows, row_finding = coordinates.degrees(file, array, latitude, "latitude", _coordinate(file, array, latitude))
    columns, column_finding = coordinates.degrees(
        file, array, longitude, "longitude", _coordinate(file, array, longitude)
    )
    once, repeated = coordinates.columns_once(file, longitude, columns)
    row_slice, column_slice = slice(len(rows)), once
    left_out: list[FieldReading | None] = [repeated]
    if config.even_grid:
        row_slice, lost_row = coordinates.even_rows(file, latitude, rows)
        even, lost_column = coordinates.even_columns(file, longitude, columns[once])
        column_slice = slice(min(even.stop, once.stop))
        left_out += [lost_row, lost_column]
    findings = (row_finding, column_finding, *(finding for finding in left_out if finding))
    return (row_slice, rows[row_slice]), (column_slice, columns[column_slice]), findings


def on_grid(piece: Piece, reference: Piece) -> Piece:
    """A piece with its columns in the order of another one on the same grid.

    Raises UserError where it is another grid, with by how much, or its rows run the other way.
    """
    if piece is reference:
        return piece
    *_, latitude, longitude = map(str, piece.arrays[0].dims)
    places = str(piece.path), str(reference.path)
    coordinates.order_like(latitude, piece.latitude, reference.latitude, *places)
    columns = coordinates.order_like(longitude, piece.longitude, reference.longitude, *places, period=360.0)
    if columns is None:
        return piece
    remark = f"{longitude} of some files begins at another meridian: their columns are put as in the first file"
    return replace(
        piece,
        arrays=tuple(array.isel({longitude: columns}) for array in piece.arrays),
        longitude=reference.longitude,
        findings=(*piece.findings, FieldReading(piece.path, longitude, remark=remark)),
    )


def _versions(file: Location, array: xr.DataArray, order: Sequence[str]) -> tuple[xr.DataArray, ...]:
    """The array for each `expver`, final data first; the array itself where it has no such dimension."""
    if EXPVER not in array.dims or EXPVER in order:
        return (array,)
    try:
        numbers = [int(value) for value in array[EXPVER].values]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: {array.name} has a dimension {EXPVER!r} without numbers") from None
    return tuple(array.isel({EXPVER: position}) for position in np.argsort(numbers, kind="stable"))


def _drop_single(array: xr.DataArray, order: Sequence[str]) -> xr.DataArray:
    return array.isel({name: 0 for name in array.dims if name not in order and array.sizes[name] == 1})


def _times(
    file: Location, array: xr.DataArray, dimension: str | None, name: str | None, config: ArchiveConfig, *, timed: bool
) -> tuple[Times, Times]:
    """Times of the steps, and the dates that the file itself holds."""
    clock = config.time
    count = 1 if dimension is None else array.sizes[dimension]
    if count == 0:
        raise UserError(f"{file}: no time steps")
    own = own_times(file, array, name)
    if clock is not None and (timed or name is not None):
        times = mapped_times(file, array, name, count, clock, own)
        if len(times) or not timed:
            return times, own
    elif len(own) or not timed:
        return own, own
    raise UserError(
        f"{file}: {name or dimension or 'time'!r} holds no dates, give the mapping `time: {{start, step_hours}}` or "
        "`{units}`"
    )


def _coordinate(file: Location, array: xr.DataArray, dimension: str) -> NDArray[np.float64]:
    if dimension not in array.coords:
        raise UserError(f"{file}: dimension {dimension!r} has no coordinate values")
    try:
        values: NDArray[np.float64] = array[dimension].values.astype(np.float64)
    except ValueError:
        raise UserError(f"{file}: the coordinate values of {dimension!r} are no numbers") from None
    if len(np.unique(values[np.isfinite(values)])) != len(values):
        raise UserError(f"{file}: the coordinate values of {dimension!r} are not all finite and different")
    return values
