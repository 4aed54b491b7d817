"""The times of a variable of a file: its own dates, those that the mapping gives, or both where they agree."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from harness.data.calendar import (
    Times,
    calendar_of,
    counts_since,
    decode,
    even_times,
    later,
    same_times,
    step_of_mapping,
    time_text,
)
from harness.data.config import TimeAxis
from harness.data.locations import Location
from harness.errors import UserError

NO_TIMES: Times = np.empty(0, dtype="datetime64[ns]")

_REFERENCE = "forecast_reference_time"


def time_dimension(array: xr.DataArray, candidates: Sequence[str]) -> str | None:
    """The dimension along which a variable's times lie: one of the candidates, or one whose coordinate tells times."""
    named = next((name for name in candidates if name in array.dims), None)
    if named is not None:
        return named
    along = [str(coordinate.dims[0]) for coordinate in _time_coordinates(array) if coordinate.ndim == 1]
    return along[0] if along else None


def time_coordinate(array: xr.DataArray, dimension: str | None, candidates: Sequence[str]) -> str | None:
    """The coordinate that says when: along `dimension`, or single where that is None.

    By the CF conventions first: `standard_name: time`, `axis: T` or units since a date; a coordinate that bears the
    dimension's name comes before the others, but after the time of validity where it is that of a forecast's start.
    """
    dimensions = () if dimension is None else (dimension,)
    found = [each for each in _time_coordinates(array) if each.dims == dimensions]
    valid = [each for each in found if each.attrs.get("standard_name") == "time"]
    preferred = [*candidates] if dimension is None else [dimension, *candidates]
    for name in preferred:
        if name in array.coords and array[name].dims == dimensions:
            starts_forecast = array[name].attrs.get("standard_name") == _REFERENCE
            return str(valid[0].name) if starts_forecast and valid else name
    ordered = valid or [each for each in found if each.attrs.get("standard_name") != _REFERENCE] or found
    return str(ordered[0].name) if ordered else None


def own_times(file: Location, array: xr.DataArray, name: str | None) -> Times:
    """The dates that coordinate `name` holds, (T,); empty where it is None or holds none.

    Raises UserError where they cannot be decoded.
    """
    if name is None:
        return NO_TIMES
    values = np.atleast_1d(array[name].values)
    if values.dtype.kind == "M":
        return values.astype("datetime64[ns]")
    attributes = array[name].attrs
    if not counts_since(attributes):
        return NO_TIMES
    calendar = str(attributes.get("calendar", "standard"))
    return decode(values, str(attributes["units"]), calendar, f"{file}: {name!r}")


def mapped_times(
    file: Location, array: xr.DataArray, name: str | None, count: int, clock: TimeAxis, own: Times
) -> Times:
    """The times that the mapping gives to `count` steps of a file, (T,), as if it were the first of the archive.

    Raises UserError where the file gives other ones in its own units, or no numbers for those of the mapping.
    """
    if clock.start is not None and clock.step_hours is not None:
        calendar = calendar_of(own) if len(own) else clock.calendar or "standard"
        return even_times(clock.start, step_of_mapping(clock.step_hours), count, calendar)
    if name is None or clock.units is None:
        return NO_TIMES
    values, attributes = np.atleast_1d(array[name].values), array[name].attrs
    of_file = attributes.get("calendar")
    if of_file is not None and clock.calendar is not None and str(of_file).lower() != clock.calendar:
        raise UserError(
            f"{file}: {name!r} is in the calendar {of_file!r}, the mapping says {clock.calendar!r}: leave one of them"
        )
    calendar = str(of_file or clock.calendar or "standard")
    times = decode(values, clock.units, calendar, f"{file}: {name!r}")
    if len(own) and not same_times(times, own):
        raise UserError(
            f"{file}: {name!r} counts {attributes.get('units')!r}, the mapping says `time: {{units: {clock.units}}}`: "
            f"the first step is {time_text(own[0])} or {time_text(times[0])}; leave `time:` out to take the file's"
        )
    return times


def check_against_own(file: Location, times: Times, own: Times) -> None:
    """Raise UserError where the mapping's start and step give a file other times than its own readable ones."""
    if len(own) and not same_times(times, own):
        step = next(k for k in range(len(times)) if k >= len(own) or not same_times(times[k : k + 1], own[k : k + 1]))
        raise UserError(
            f"{file}: step {step} is {time_text(own[step])} by the file and {time_text(times[step])} by the mapping's "
            "`time: {start, step_hours}`: leave `time:` out to take the file's, or correct it"
        )


def count_on(times: Times, steps: int, step: np.timedelta64) -> Times:
    """`times` of a file that lies `steps` steps behind the first."""
    return later(times, step * steps)


def _time_coordinates(array: xr.DataArray) -> list[xr.DataArray]:
    """Coordinates that tell times by the CF conventions, those of the time of validity first."""
    found = [
        coordinate
        for coordinate in array.coords.values()
        if counts_since(coordinate.attrs)
        or coordinate.attrs.get("axis") == "T"
        or coordinate.attrs.get("standard_name") == "time"
        or coordinate.dtype.kind == "M"
    ]
    return sorted(found, key=lambda coordinate: coordinate.attrs.get("standard_name") != "time")
