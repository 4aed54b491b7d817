"""Fields that follow from time and place alone: solar radiation, progress of day and year, and static fields.

Radiation at the top of the atmosphere is the solar constant times the cosine of the zenith angle over the squared
distance of the sun, with declination, distance and equation of time from the Fourier series of Spencer (1971, Search 2,
172). It is integrated over the hour that ends at the given time, as in ERA5 and GraphCast's `solar_radiation`, here in
closed form between sunrise and sunset. Progress of day and year are those of GraphCast's `data_utils`.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.data.calendar import (
    DAY_S,
    Times,
    part_of_the_tropical_year,
    part_of_the_year,
    seconds_of_day,
)
from harness.data.config import ForcingFormula, StaticFormula
from harness.data.reading import DataReading

SOLAR_CONSTANT_W_M2 = 1361.0

_DAY_S = float(DAY_S)
_HOUR_RAD = 2 * math.pi / 24

Array = NDArray[np.float64]


class FormulaFields:
    """The part of a source whose forcings and static fields are all formulas."""

    latitude: Array
    longitude: Array
    times: Times
    step: np.timedelta64
    mask: NDArray[np.bool_]
    forcings: tuple[ForcingFormula, ...] = ()
    statics: tuple[StaticFormula, ...] = ()
    reading: DataReading = DataReading()

    def read_forcings(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Forcings (n, F, H, W) at these time indices, which may lie beyond the last time."""
        times = self.times[0] + self.step * np.asarray(indices, dtype=np.int64)
        fields = [forcing_field(name, times, self.latitude, self.longitude) for name in self.forcings]
        shape = (len(times), 0, len(self.latitude), len(self.longitude))
        return np.stack(fields, axis=1) if fields else np.empty(shape, dtype=np.float32)

    def read_statics(self) -> NDArray[np.float32]:
        """Static fields (S, H, W)."""
        fields = [static_field(name, self.latitude, self.longitude, self.mask) for name in self.statics]
        shape = (0, len(self.latitude), len(self.longitude))
        return np.stack(fields) if fields else np.empty(shape, dtype=np.float32)


def forcing_field(name: ForcingFormula, times: Times, latitude: Array, longitude: Array) -> NDArray[np.float32]:
    """The forcing `name` (n, H, W) at `times` (n,), in J m-2 for `toa_radiation` and without unit otherwise."""
    field = _FORCINGS[name](times, latitude, longitude)
    return np.broadcast_to(field, (len(times), len(latitude), len(longitude))).astype(np.float32)


def static_field(
    name: StaticFormula, latitude: Array, longitude: Array, mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The static field `name` (H, W); `mask` (C, H, W) is True where a point has values."""
    field = {
        "latitude_sin": np.sin(np.radians(latitude))[:, None],
        "longitude_sin": np.sin(np.radians(longitude)),
        "longitude_cos": np.cos(np.radians(longitude)),
        "land_sea_mask": ~mask.any(axis=0),
        "wet_channels": mask.mean(axis=0),
    }[name]
    return np.broadcast_to(field, mask.shape[1:]).astype(np.float32)


def toa_radiation_j_m2(times: Times, latitude: Array, longitude: Array) -> Array:
    """Solar radiation on a horizontal plane above the atmosphere in the hour before `times`, J m-2, (n, H, W)."""
    angle_rad = _year_angle_rad(times)
    sine_part, cosine_part = _zenith_parts(_declination_rad(angle_rad), np.radians(latitude))
    with np.errstate(divide="ignore", invalid="ignore"):
        sunset_rad = np.arccos(np.clip(np.where(cosine_part > 0, -sine_part / cosine_part, 0.0), -1.0, 1.0))
    dark_or_light = np.where(sine_part > 0, math.pi, 0.0)
    sunset_rad = np.where(np.abs(sine_part) >= cosine_part, dark_or_light, sunset_rad)
    end_rad = _hour_angle_rad(times, angle_rad, longitude)[:, None, :]
    parts = [part[:, :, None] for part in (sine_part, cosine_part, sunset_rad)]
    integral = _daylight(end_rad, *parts) - _daylight(end_rad - _HOUR_RAD, *parts)
    scale = SOLAR_CONSTANT_W_M2 * _DAY_S / (2 * math.pi) * inverse_square_distance(angle_rad)
    return np.maximum(scale[:, None, None] * integral, 0.0)


def inverse_square_distance(year_angle_rad: Array) -> Array:
    """Square of the mean distance of the sun over that of the day (Spencer 1971)."""
    x = year_angle_rad
    return 1.00011 + 0.034221 * np.cos(x) + 0.00128 * np.sin(x) + 0.000719 * np.cos(2 * x) + 0.000077 * np.sin(2 * x)


def year_progress(times: Times) -> Array:
    """Part of the mean tropical year that has passed at `times` (n,), counted from 1970, in [0, 1).

    In a calendar whose years are not those of the sun, such as noleap, the part of its own year.
    """
    return part_of_the_tropical_year(times)


def day_progress(times: Times, longitude: Array) -> Array:
    """Part of the local mean solar day that has passed, (n, W), in [0, 1)."""
    return np.mod(seconds_of_day(times)[:, None] / _DAY_S + longitude / 360.0, 1.0)


def _year_angle_rad(times: Times) -> Array:
    """2 pi times the part of the calendar year that has passed, (n,)."""
    return 2 * math.pi * part_of_the_year(times)


def _declination_rad(year_angle_rad: Array) -> Array:
    x = year_angle_rad
    return np.asarray(
        0.006918
        - 0.399912 * np.cos(x)
        + 0.070257 * np.sin(x)
        - 0.006758 * np.cos(2 * x)
        + 0.000907 * np.sin(2 * x)
        - 0.002697 * np.cos(3 * x)
        + 0.00148 * np.sin(3 * x)
    )


def _zenith_parts(declination_rad: Array, latitude_rad: Array) -> tuple[Array, Array]:
    """(n, H) each: the cosine of the zenith angle is the first plus the second times the cosine of the hour angle."""
    return (
        np.multiply.outer(np.sin(declination_rad), np.sin(latitude_rad)),
        np.multiply.outer(np.cos(declination_rad), np.cos(latitude_rad)),
    )


def _hour_angle_rad(times: Times, year_angle_rad: Array, longitude: Array) -> Array:
    """Hour angle of the true sun (n, W), 0 at noon."""
    x = year_angle_rad
    equation_of_time_rad = (
        0.000075 + 0.001868 * np.cos(x) - 0.032077 * np.sin(x) - 0.014615 * np.cos(2 * x) - 0.040849 * np.sin(2 * x)
    )
    greenwich_rad = 2 * math.pi * seconds_of_day(times) / _DAY_S - math.pi + equation_of_time_rad
    return np.asarray(greenwich_rad[:, None] + np.radians(longitude))


def _daylight(hour_angle_rad: Array, sine_part: Array, cosine_part: Array, sunset_rad: Array) -> Array:
    """Integral of the positive cosine of the zenith angle from midnight to an hour angle, which may exceed a day."""
    days = np.floor((hour_angle_rad + math.pi) / (2 * math.pi))
    within = np.clip(hour_angle_rad - 2 * math.pi * days, -sunset_rad, sunset_rad)
    morning = sine_part * (within + sunset_rad) + cosine_part * (np.sin(within) + np.sin(sunset_rad))
    whole_day = 2 * (sine_part * sunset_rad + cosine_part * np.sin(sunset_rad))
    return np.asarray(days * whole_day + morning)


def _cycle(
    function: Callable[[Array], Array], progress: Callable[[Times, Array], Array]
) -> Callable[[Times, Array, Array], Array]:
    return lambda times, latitude, longitude: function(2 * math.pi * progress(times, longitude))[:, None, :]


def _year_everywhere(times: Times, longitude: Array) -> Array:
    return year_progress(times)[:, None]


_FORCINGS: Mapping[ForcingFormula, Callable[[Times, Array, Array], Array]] = {
    "toa_radiation": toa_radiation_j_m2,
    "year_progress_sin": _cycle(np.sin, _year_everywhere),
    "year_progress_cos": _cycle(np.cos, _year_everywhere),
    "day_progress_sin": _cycle(np.sin, day_progress),
    "day_progress_cos": _cycle(np.cos, day_progress),
}
