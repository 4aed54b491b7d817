"""Levels of a variable in the units of the mapping: hPa for pressures, metres for depths and heights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.data.locations import Location
from harness.data.reading import FieldReading
from harness.data.units import canonical, conversion, measures, stated_units
from harness.errors import UserError

PRESSURE, LENGTH = "hPa", "m"

_PRESSURE_NAMES = ("level", "plev", "pressure", "pressure_level", "isobaricinhpa", "lev_p", "pfull")
_LENGTH_NAMES = ("depth", "elevation", "altitude", "height", "z_t", "z_w", "st_ocean", "sw_ocean")
_HIGHEST_HPA = 1100
_BY_NUMBER = frozenset({"1", "level", "levels", "layer", "sigma_level", "count", "index"})


@dataclass(frozen=True)
class Levels:
    """Values (L,) of a level coordinate in `units`, None where neither the file nor the mapping names any."""

    values: NDArray[np.float64]
    units: str | None
    finding: FieldReading


def read_levels(
    file: Location,
    array: xr.DataArray,
    dimension: str,
    values: NDArray[np.float64],
    *,
    units: str | None,
    wanted: Sequence[float] = (),
) -> Levels:
    """Levels (L,) of a file in the mapping's `units`, without which hPa stand for pressures and m for lengths.

    Heights below 0 that point upwards are depths below the surface, unless a level that is `wanted` is negative too.
    Raises UserError where the file's levels are of another dimension, such as layers of a model.
    """
    attributes = array[dimension].attrs
    stated = stated_units(attributes)
    standard_name = str(attributes.get("standard_name", "")).strip()
    place = f"{file}: {dimension!r}, the level of {array.name},"
    by_number = "sigma" in standard_name or standard_name == "model_level_number"
    by_number |= stated is not None and canonical(stated).lower() in _BY_NUMBER
    if units is None and by_number:
        what = standard_name or stated
        raise UserError(
            f"{place} holds layers of a model ({what}), no pressures or depths; to take them by number, give the "
            'mapping `level_units: "1"`'
        )
    if stated is None:
        guessed = units or _unit_by_name(dimension, standard_name)
        if units is None and guessed == PRESSURE and values.max(initial=0) > _HIGHEST_HPA:
            raise UserError(
                f"{place} states no units and reaches {values.max():g}, too much for hPa; give the mapping "
                "`level_units: Pa` and its levels in Pa, or state the units in the file"
            )
        values, remark = _downwards(values, attributes, guessed, wanted)
        return Levels(
            values,
            guessed,
            FieldReading(file, dimension, assumed=guessed or "as the levels of the mapping", remark=remark),
        )
    target = units or _unit_by_dimension(place, stated)
    changed = None if by_number and canonical(target) == "1" else conversion(stated, target, place)
    if changed is not None:
        values = values * changed.factor + changed.offset
    values, remark = _downwards(values, attributes, target, wanted)
    return Levels(values, target, FieldReading(file, dimension, conversion=changed, remark=remark))


def _unit_by_dimension(place: str, stated: str) -> str:
    if canonical(stated) in ("dbar", "decibar", "decibars", "decibars of water"):
        raise UserError(
            f"{place} is in {stated!r}, a pressure of the sea, and the mapping names metres or hPa; give the mapping "
            "`level_units: dbar` and its levels in dbar"
        )
    if canonical(stated) == PRESSURE or measures(stated, "[pressure]"):
        return PRESSURE
    if canonical(stated) == LENGTH or measures(stated, "[length]"):
        return LENGTH
    raise UserError(
        f"{place} is in {stated!r}, which is neither a pressure nor a depth; give the mapping `level_units: {stated}` "
        "and its levels in that"
    )


def _unit_by_name(dimension: str, standard_name: str) -> str | None:
    name = dimension.lower()
    if standard_name == "air_pressure" or name in _PRESSURE_NAMES:
        return PRESSURE
    if standard_name in ("depth", "height", "altitude") or name.startswith(_LENGTH_NAMES):
        return LENGTH
    return None


def _downwards(
    values: NDArray[np.float64], attributes: dict[str, object], units: str | None, wanted: Sequence[float]
) -> tuple[NDArray[np.float64], str | None]:
    upwards = str(attributes.get("positive", "")).strip().lower() == "up"
    below = units is not None and canonical(units) == LENGTH and (values <= 0).all() and (values < 0).any()
    if not (upwards and below) or any(level < 0 for level in wanted):
        return values, None
    return np.abs(values), "levels point upwards (positive: up) and lie below 0: taken as depths below the surface"
