"""Times in any calendar of the CF conventions.

Times of the standard and the proleptic Gregorian calendar are datetime64[ns] where that reaches (1678 to 2261); all
others (noleap, 360_day, all_leap, julian, and dates before or after those years) are objects of cftime, which keep
their calendar through splits, climatology, forcings and records. Both kinds stand in arrays (T,).
"""

import math
import re
import warnings
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from harness.data.config import Calendar
from harness.errors import UserError

Times = NDArray[Any]
"""datetime64[ns] or cftime.datetime (T,)."""

DAYS_PER_YEAR = 365.24219
"""Mean tropical year in days."""

DAY_S = 86_400

_GREGORIAN = {"standard", "gregorian", "proleptic_gregorian"}
_OF_THE_SUN = _GREGORIAN | {"julian"}
_SINCE = re.compile(r"^\s*([A-Za-z]+)\s+since\s+([-+]?\d)", re.IGNORECASE)
_UNIT_S = (
    ("microsec", 1e-6),
    ("us", 1e-6),
    ("millisec", 1e-3),
    ("msec", 1e-3),
    ("ms", 1e-3),
    ("min", 60.0),
    ("s", 1.0),
    ("h", 3600.0),
    ("d", 86_400.0),
)
_ROUND_S = (86_400, 3600, 1800, 1200, 900, 600, 300, 60, 30, 20, 15, 10, 5, 1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6)
_NS = 1_000_000_000
_JITTER_NS = 2_000


def counts_since(attributes: Mapping[Any, Any]) -> bool:
    """Whether the attributes of a variable say that it holds times: `units` of the form "days since 1900-01-01"."""
    return _SINCE.match(str(attributes.get("units", ""))) is not None


def decode(values: NDArray[Any], units: str, calendar: str, place: str) -> Times:
    """Times of numbers (T,) in `units` since a date.

    A number stands for the roundest time that its own precision allows, so that a third of an hour is 20 minutes.
    Raises UserError, beginning with `place`, where the calendar is none of the CF conventions, a number is missing, or
    they cannot be decoded.
    """
    name = calendar.strip().lower()
    if name not in get_args(Calendar):
        known = ", ".join(get_args(Calendar))
        raise UserError(f"{place}: calendar {calendar!r} is none that can be used: {known}")
    if values.dtype.kind not in "iuf":
        raise UserError(f"{place}: no numbers in {units!r}")
    if not np.isfinite(values).all():
        raise UserError(f"{place}: no time at step {int(np.argmin(np.isfinite(values)))}")
    import xarray as xr

    units = _SINCE.sub(lambda said: f"{said[1]} since {said[2]}", units)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers = xr.Dataset(coords={"time": ("time", values, {"units": units, "calendar": name})})
            decoded: Times = xr.decode_cf(numbers)["time"].values
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{place}: the times in {units!r}, calendar {name!r}, cannot be decoded ({reason})") from error
    if np.issubdtype(decoded.dtype, np.datetime64):
        decoded = decoded.astype("datetime64[ns]")
    return _roundest(decoded, values, units)


def calendar_of(times: Times) -> str:
    """The calendar of times (T,) by its name in the CF conventions."""
    if times.dtype.kind == "M" or len(times) == 0:
        return "proleptic_gregorian"
    return str(times[0].calendar)


def even_times(start: datetime, step: np.timedelta64, count: int, calendar: str) -> Times:
    """`count` times from `start` (UTC) on, `step` apart, in a calendar."""
    if calendar in _GREGORIAN:
        return np.datetime64(start, "ns") + step * np.arange(count)
    import cftime

    first = cftime.datetime(
        start.year, start.month, start.day, start.hour, start.minute, start.second, start.microsecond, calendar=calendar
    )
    return later(np.array([first] * count, dtype=object), step * np.arange(count))


def later(times: Times, by: Any) -> Times:
    """`times` (T,) later by a timedelta64, one for all or one each."""
    if times.dtype.kind == "M":
        moved: Times = times + by
        return moved
    spans = np.broadcast_to(np.asarray(by, dtype="timedelta64[ns]"), times.shape)
    microseconds = np.rint(spans.astype(np.int64) / 1000).astype(np.int64)
    return np.array(
        [time + timedelta(microseconds=int(span)) for time, span in zip(times, microseconds, strict=True)], dtype=object
    )


def spans(times: Times) -> NDArray[np.timedelta64]:
    """Time from each of `times` (T,) to the next, timedelta64[ns] (T - 1,)."""
    if times.dtype.kind == "M":
        return np.diff(times)
    return np.diff(_since_1970_us(times)) * np.timedelta64(1000, "ns")


def even_step(differences: NDArray[np.timedelta64]) -> np.timedelta64 | None:
    """The step of `differences`, timedelta64[ns], where all are the same to two microseconds; else None."""
    nanoseconds = differences.astype(np.int64)
    if nanoseconds.min() <= 0 or nanoseconds.max() - nanoseconds.min() > _JITTER_NS:
        return None
    return np.timedelta64(round(nanoseconds.sum() / len(nanoseconds)), "ns")


def same_times(one: Times, other: Times) -> bool:
    """Whether two arrays hold the same times of the same calendar, to the second."""
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind or calendar_of(one) != calendar_of(other):
        return False
    if one.dtype.kind == "M":
        return bool((np.abs(one - other) < np.timedelta64(1, "s")).all())
    return all(abs(first - second) < timedelta(seconds=1) for first, second in zip(one, other, strict=True))


def time_text(time: Any, *, to: Literal["minute", "second"] = "minute") -> str:
    """A time to the minute or second, to the second where it is between two minutes; another calendar is named."""
    if isinstance(time, np.datetime64):
        whole = np.datetime_as_string(time, unit="s")
        named = ""
    else:
        whole = time.isoformat(timespec="seconds")
        named = "" if time.calendar in _GREGORIAN else f" ({time.calendar})"
    return f"{whole[:-3] if to == 'minute' and whole.endswith(':00') else whole}{named}"


def span_text(span: np.timedelta64) -> str:
    """A time step in hours, or in minutes or seconds where those are its whole numbers."""
    seconds = span / np.timedelta64(1, "s")
    if seconds % 3600 and not seconds % 60:
        return f"{seconds / 60:.12g} min"
    if seconds % 60:
        return f"{seconds:.12g} s"
    return f"{seconds / 3600:.12g} h"


def step_of_mapping(hours: float) -> np.timedelta64:
    """The step that a mapping gives as a decimal number of hours: 0.333 is 20 minutes, as no whole second is meant."""
    seconds = hours * 3600
    digits = len(f"{hours:.12f}".rstrip("0").partition(".")[2])
    minutes = max(1, round(seconds / 60))
    if not math.isclose(seconds, round(seconds), abs_tol=1e-9) and math.isclose(
        round(minutes / 60, digits), hours, rel_tol=1e-12
    ):
        return np.timedelta64(minutes * 60 * _NS, "ns")
    return np.timedelta64(round(seconds * _NS), "ns")


def digest_bytes(times: Times) -> bytes:
    """Times (T,) as bytes that no other times have."""
    if times.dtype.kind == "M":
        return times.astype("datetime64[ns]").astype(np.int64).tobytes()
    return calendar_of(times).encode() + _since_1970_us(times).tobytes()


def seconds_of_day(times: Times) -> NDArray[np.float64]:
    """Seconds since midnight, (T,)."""
    if times.dtype.kind == "M":
        return np.asarray((times - times.astype("datetime64[D]")) / np.timedelta64(1, "s"), dtype=np.float64)
    return np.array(
        [time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6 for time in times], dtype=np.float64
    )


def days(times: Times) -> NDArray[np.str_]:
    """The day of each of `times` (T,) in its calendar, as 1979-12-31."""
    if times.dtype.kind == "M":
        return np.datetime_as_string(times, unit="D")
    return np.array([f"{time.year:04d}-{time.month:02d}-{time.day:02d}" for time in times])


def day_of_the_year(times: Times) -> NDArray[np.int64]:
    """Month and day as month * 100 + day, (T,); 29 February counts as 28 where not every year has one."""
    if times.dtype.kind == "M":
        months = times.astype("datetime64[M]")
        month = months.astype(np.int64) % 12 + 1
        day = (times.astype("datetime64[D]") - months).astype(np.int64) + 1
    else:
        month, day = (np.array([getattr(time, name) for time in times]) for name in ("month", "day"))
    if calendar_of(times) in _OF_THE_SUN:
        day = np.where((month == 2) & (day == 29), 28, day)
    return np.asarray(month * 100 + day, dtype=np.int64)


def part_of_the_year(times: Times) -> NDArray[np.float64]:
    """Part of the year of the calendar that has passed, (T,), in [0, 1).

    Dates of the Julian calendar are those days, and so in the Gregorian year of the sun.
    """
    times = _by_the_sun(times)
    if times.dtype.kind == "M":
        year = times.astype("datetime64[Y]")
        day = (times.astype("datetime64[D]") - year).astype(np.int64) + 1
        length = ((year + 1).astype("datetime64[D]") - year).astype(np.float64)
    else:
        day = np.array([time.dayofyr for time in times])
        length = np.array([_days_of_year(time) for time in times])
    return np.asarray((day - 1 + seconds_of_day(times) / DAY_S) / length)


def part_of_the_tropical_year(times: Times) -> NDArray[np.float64]:
    """Part of the mean tropical year that has passed, (T,), in [0, 1), counted from 1970.

    In a calendar whose years are not those of the sun, the part of its own year.
    """
    if calendar_of(times) not in _OF_THE_SUN:
        return part_of_the_year(times)
    times = _by_the_sun(times)
    if times.dtype.kind == "M":
        seconds = np.asarray((times - np.datetime64(0, "ns")) / np.timedelta64(1, "s"), dtype=np.float64)
    else:
        seconds = _since_1970_us(times) / 1e6
    return np.mod(seconds / DAY_S / DAYS_PER_YEAR, 1.0)


def _by_the_sun(times: Times) -> Times:
    if calendar_of(times) != "julian":
        return times
    return np.array([time.change_calendar("proleptic_gregorian") for time in times], dtype=object)


def _days_of_year(time: Any) -> float:
    import cftime

    if time.calendar == "360_day":
        return 360.0
    return 366.0 if cftime.is_leap_year(time.year, time.calendar) else 365.0


def _since_1970_us(times: Times) -> NDArray[np.int64]:
    import cftime

    numbers = cftime.date2num(times, "microseconds since 1970-01-01", calendar=calendar_of(times))
    return np.asarray(numbers, dtype=np.int64)


def _roundest(times: Times, values: NDArray[Any], units: str) -> Times:
    """Each time moved to the roundest one within a unit in the last place of its number, if no two become one."""
    unit = units.split()[0].lower()
    unit_s = next((seconds for beginning, seconds in _UNIT_S if unit.startswith(beginning)), None)
    if values.dtype.kind != "f" or unit_s is None or unit.startswith("mon") or len(times) == 0:
        return times
    tick_ns = 1 if times.dtype.kind == "M" else 1000
    instants = times.astype(np.int64) if tick_ns == 1 else _since_1970_us(times) * tick_ns
    told_ns = np.abs(values.astype(np.float64)) * unit_s * _NS
    reach = np.spacing(np.abs(values)).astype(np.float64) * unit_s * _NS + np.spacing(told_ns) + 2 * tick_ns
    if len(instants) > 1 and np.abs(np.diff(instants)).min() < 4 * reach.max():
        return times
    moved = instants.copy()
    open_ = np.ones(len(instants), dtype=bool)
    for round_s in _ROUND_S:
        grain = round(round_s * _NS)
        nearest = (instants + grain // 2) // grain * grain
        hit = open_ & (np.abs(nearest - instants) <= reach)
        moved[hit], open_[hit] = nearest[hit], False
    if tick_ns == 1:
        return moved.astype("datetime64[ns]")
    return later(times, (moved - instants) * np.timedelta64(1, "ns"))
