"""One member of an ensemble or one forecast step out of several, as `select` of a mapping says."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from harness.data.locations import Location
from harness.data.units import canonical, conversion, measures, stated_units
from harness.errors import UserError
from harness.text import listed

_HOURS = {
    **dict.fromkeys(("ns", "nsec", "nanosec", "nanosecond"), 1 / 3.6e12),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsec", "microsecond"), 1 / 3.6e9),
    **dict.fromkeys(("ms", "msec", "millisec", "millisecond"), 1 / 3.6e6),
    **dict.fromkeys(("s", "sec", "second"), 1 / 3600),
    **dict.fromkeys(("min", "minute"), 1 / 60),
    **dict.fromkeys(("h", "hr", "hour"), 1.0),
    **dict.fromkeys(("d", "dy", "day"), 24.0),
    **dict.fromkeys(("mon", "month", "yr", "year"), 1.0),
}
"""Units of lead times in hours, but for those that are no fixed number of hours: these are counted as they stand."""

_TOLERANCE = 1e-6


def select(file: Location, array: xr.DataArray, wanted: Mapping[str, float]) -> xr.DataArray:
    """A variable at the wanted value of each dimension that it has, which for a lead time is one in hours.

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
            offered = listed(f"{each:g}" for each in values)
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
    return values * _hours(stated_units(coordinate.attrs) or "")


def _hours(unit: str) -> float:
    """Hours of a unit of time, however it is spelt; 1 of any other unit."""
    name = unit.lower().rstrip(".")
    for known in (name, name.removesuffix("s")):
        if known in _HOURS:
            return _HOURS[known]
    if canonical(unit) in ("", "1") or not measures(unit, "[time]"):
        return 1.0
    changed = conversion(unit, "hour", "")
    return 1.0 if changed is None else changed.factor
