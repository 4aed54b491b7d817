"""What looks wrong in the values of a channel without being forbidden: said as a caution, never refused.

A range per `standard_name` of the CF conventions, or per well-known name of a variable, is so wide that no analysis of
the Earth leaves it: records of the surface and soundings, with a margin. Beside it, fields that are one value at every
point of a step, which is how lost or unwritten data look.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.units import conversion
from harness.errors import UserError


@dataclass(frozen=True)
class Extremes:
    """Of C channels, each (C,): lowest and highest value, steps with one value at all points, the first such, or -1."""

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    flat_steps: NDArray[np.int64]
    first_flat: NDArray[np.int64]


@dataclass(frozen=True)
class Range:
    """Plausible values in a unit."""

    lowest: float
    highest: float
    units: str


_WIND = Range(-200.0, 200.0, "m s-1")
_CURRENT = Range(-15.0, 15.0, "m s-1")
_AIR = Range(130.0, 400.0, "K")
_WATER = Range(-5.0, 50.0, "degC")
_PART = Range(-0.01, 1.01, "1")
_BY_STANDARD_NAME = {
    "air_temperature": _AIR,
    "surface_temperature": Range(150.0, 400.0, "K"),
    "dew_point_temperature": _AIR,
    "air_potential_temperature": Range(150.0, 5000.0, "K"),
    "sea_surface_temperature": _WATER,
    "sea_water_temperature": _WATER,
    "sea_water_potential_temperature": _WATER,
    "sea_water_conservative_temperature": _WATER,
    "sea_water_salinity": Range(0.0, 100.0, "1"),
    "sea_water_practical_salinity": Range(0.0, 100.0, "1"),
    "sea_surface_salinity": Range(0.0, 100.0, "1"),
    "eastward_wind": _WIND,
    "northward_wind": _WIND,
    "x_wind": _WIND,
    "y_wind": _WIND,
    "wind_speed": Range(0.0, 200.0, "m s-1"),
    "eastward_sea_water_velocity": _CURRENT,
    "northward_sea_water_velocity": _CURRENT,
    "surface_eastward_sea_water_velocity": _CURRENT,
    "surface_northward_sea_water_velocity": _CURRENT,
    "sea_surface_height_above_geoid": Range(-20.0, 20.0, "m"),
    "sea_surface_height_above_sea_level": Range(-20.0, 20.0, "m"),
    "air_pressure_at_sea_level": Range(85_000.0, 110_000.0, "Pa"),
    "air_pressure_at_mean_sea_level": Range(85_000.0, 110_000.0, "Pa"),
    "surface_air_pressure": Range(30_000.0, 115_000.0, "Pa"),
    "geopotential": Range(-20_000.0, 800_000.0, "m2 s-2"),
    "geopotential_height": Range(-2_000.0, 85_000.0, "m"),
    "specific_humidity": Range(-0.01, 0.1, "1"),
    "relative_humidity": Range(-0.1, 2.0, "1"),
    "lwe_thickness_of_atmosphere_mass_content_of_water_vapor": Range(-1.0, 200.0, "kg m-2"),
    "atmosphere_mass_content_of_water_vapor": Range(-1.0, 200.0, "kg m-2"),
    "lagrangian_tendency_of_air_pressure": Range(-100.0, 100.0, "Pa s-1"),
    "sea_ice_area_fraction": _PART,
    "land_area_fraction": _PART,
    "cloud_area_fraction": _PART,
}
_STANDARD_NAME_OF = {
    **dict.fromkeys(("t", "t2m", "2t", "temperature", "2m_temperature", "tas", "ta", "air"), "air_temperature"),
    **dict.fromkeys(("d2m", "2d", "2m_dewpoint_temperature"), "dew_point_temperature"),
    **dict.fromkeys(("skt", "skin_temperature"), "surface_temperature"),
    **dict.fromkeys(("sst", "sea_surface_temperature", "tos"), "sea_surface_temperature"),
    **dict.fromkeys(("thetao", "water_temp"), "sea_water_temperature"),
    **dict.fromkeys(("so", "salinity"), "sea_water_salinity"),
    **dict.fromkeys(
        ("u", "u10", "10u", "ua", "uas", "u_component_of_wind", "10m_u_component_of_wind"), "eastward_wind"
    ),
    **dict.fromkeys(
        ("v", "v10", "10v", "va", "vas", "v_component_of_wind", "10m_v_component_of_wind"), "northward_wind"
    ),
    **dict.fromkeys(("uo", "water_u"), "eastward_sea_water_velocity"),
    **dict.fromkeys(("vo", "water_v"), "northward_sea_water_velocity"),
    **dict.fromkeys(("zos", "surf_el", "adt"), "sea_surface_height_above_geoid"),
    **dict.fromkeys(("msl", "psl", "mean_sea_level_pressure", "prmsl"), "air_pressure_at_sea_level"),
    **dict.fromkeys(("sp", "ps", "surface_pressure"), "surface_air_pressure"),
    **dict.fromkeys(("z", "geopotential"), "geopotential"),
    **dict.fromkeys(("gh", "zg"), "geopotential_height"),
    **dict.fromkeys(("q", "hus", "specific_humidity"), "specific_humidity"),
    **dict.fromkeys(("r", "hur", "relative_humidity"), "relative_humidity"),
    **dict.fromkeys(("tcwv", "total_column_water_vapour"), "atmosphere_mass_content_of_water_vapor"),
    **dict.fromkeys(("w", "wap", "vertical_velocity"), "lagrangian_tendency_of_air_pressure"),
}


def plausible_range(variable: str, standard_name: str | None, units: str) -> Range | None:
    """The plausible values of a variable in `units`; None where neither name is known or the units are of another kind.

    A `standard_name` that is known to have no range here keeps the variable's name from being asked.
    """
    name = standard_name or _STANDARD_NAME_OF.get(variable)
    known = None if name is None else _BY_STANDARD_NAME.get(name)
    if known is None:
        return None
    try:
        turned = conversion(known.units, units, variable)
    except UserError:
        return None
    factor, offset = (1.0, 0.0) if turned is None else (turned.factor, turned.offset)
    return Range(known.lowest * factor + offset, known.highest * factor + offset, units)


def cautions(
    names: Sequence[str],
    ranges: Sequence[Range | None],
    found: Extremes,
    place: Sequence[str],
    steps: int,
) -> Iterator[str]:
    """A sentence for each channel outside its range, and for each with steps that are one value everywhere.

    `place` says for each channel which variable of which file is meant; `steps` is the number of steps.
    """
    for k, name in enumerate(names):
        low, high, allowed = float(found.lowest[k]), float(found.highest[k]), ranges[k]
        if allowed is not None and (low < allowed.lowest or high > allowed.highest):
            yield (
                f"{place[k]}: {name} goes from {low:g} to {high:g} {allowed.units}, plausible are "
                f"{allowed.lowest:g} to {allowed.highest:g}: wrong units, or missing values that are not marked?"
            )
        flat = int(found.flat_steps[k])
        if flat:
            first = int(found.first_flat[k])
            yield (
                f"{place[k]}: {name} is one value at all points of {flat} of {steps} steps, the first is step {first}: "
                "lost or unwritten data?"
            )
