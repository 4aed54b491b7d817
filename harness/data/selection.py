"""One member of an ensemble or one forecast step out of several, as `select` of a mapping says."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from harness.data.locations import Location
from harness.errors import UserError

_HOURS = {
    "nanosecond": 1 / 3.6e12,
    "microsecond": 1 / 3.6e9,
    "millisecond": 1 / 3.6e6,
    "second": 1 / 3600,
    "minute": 1 / 60,
    "hour": 1.0,
    "day": 24.0,
}
_TOLERANCE = 1e-6


def select(file: Location, array: xr.DataArray, wanted: Mapping[str, float]) -> xr.DataArray:
    """A variable at the wanted value of each dimension that it has; a lead time is given in hours.

    Along a dimension without coordinate the position counts, from 0. Raises UserError where there is no such value, or
    a variable of another single value.
    """
    for name, value in wanted.items():
        if name in array.coords and array[name].ndim == 0:
            only = _numbers(file, array, name)
            if abs(float(only) - value) > _TOLERANCE:
                raise UserError(f"{file}: {array.name} has {name} {float(only):g}, the mapping selects {value:g}")
        if name not in array.dims:
            continue
        if name in array.coords:
            values = _numbers(file, array, name)
            hits = np.flatnonzero(np.abs(values - value) <= _TOLERANCE)
            offered = ", ".join(f"{each:g}" for each in values[:12]) + (", ..." if len(values) > 12 else "")
        else:
            positions = np.arange(array.sizes[name])
            hits, offered = np.flatnonzero(positions == value), f"positions 0 to {len(positions) - 1}"
        if len(hits) == 0:
            raise UserError(f"{file}: {array.name} has no {name} {value:g}, it has {offered}")
        array = array.isel({name: int(hits[0])})
    return array


def selectable(array: xr.DataArray, name: str) -> list[float]:
    """What `select` may say of a dimension: the values of its coordinate, lead times in hours, or else positions."""
    if name not in array.coords:
        return list(map(float, range(array.sizes[name])))
    return [float(value) for value in _numbers("", array, name)]


def _numbers(file: Location | str, array: xr.DataArray, name: str) -> Any:
    coordinate = array[name]
    if coordinate.dtype.kind == "m":
        return coordinate.values / np.timedelta64(1, "h")
    try:
        values = coordinate.values.astype(np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{file}: {array.name}: {name} has no numbers to select from") from None
    unit = str(coordinate.attrs.get("units", "")).strip().lower().rstrip("s")
    return values * _HOURS.get(unit, 1.0)
