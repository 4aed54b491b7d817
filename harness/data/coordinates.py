"""Which grid a variable lies on: CF metadata decide (`standard_name`, `units`, `axis`, `positive`), then names.

Only grids of latitude rows and longitude columns are taken. Others are refused by what they are: rotated pole,
projected, curvilinear, unstructured, numbers of rows.
"""

import re
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from harness.data.calendar import counts_since
from harness.data.locations import Location
from harness.data.reading import FieldReading, UnitConversion
from harness.data.units import canonical, conversion, is_angle, measures, stated_units
from harness.errors import UserError
from harness.text import listed

Role = Literal["latitude", "longitude", "level", "time"]
Degrees = NDArray[np.float64]

TO_LATITUDE = "interpolate it to latitudes and longitudes first"

_STANDARD_NAMES: dict[str, Role] = {
    **dict.fromkeys(("latitude", "grid_latitude", "projection_y_coordinate"), "latitude"),
    **dict.fromkeys(("longitude", "grid_longitude", "projection_x_coordinate"), "longitude"),
    "projection_y_angular_coordinate": "latitude",
    "projection_x_angular_coordinate": "longitude",
    **dict.fromkeys(("air_pressure", "depth", "height", "altitude", "geopotential_height"), "level"),
    **dict.fromkeys(("model_level_number", "height_above_mean_sea_level", "sea_water_pressure"), "level"),
    "time": "time",
}
_AXES: dict[str, Role] = {"X": "longitude", "Y": "latitude", "Z": "level", "T": "time"}
_NORTH = re.compile(r"(deg(ree)?s?|°)[\s_]*(n|north)", re.IGNORECASE)
_EAST = re.compile(r"(deg(ree)?s?|°)[\s_]*(e|east)", re.IGNORECASE)
_SOUTH = re.compile(r"(deg(ree)?s?[\s_]+|°\s*)(s|south)", re.IGNORECASE)
_WEST = re.compile(r"(deg(ree)?s?[\s_]+|°\s*)(w|west)", re.IGNORECASE)
_LATITUDE_NAME = re.compile(r"(nav_?|x|t|u|v|f|geo|grid_)?lat(itude)?s?([_\d].*)?|gphi\w*", re.IGNORECASE)
_LONGITUDE_NAME = re.compile(r"(nav_?|x|t|u|v|f|geo|grid_)?lon(g|gitude)?s?([_\d].*)?|glam\w*", re.IGNORECASE)
_ROTATED_NAMES = {
    **dict.fromkeys(("rlat", "grid_latitude"), "grid_latitude"),
    **dict.fromkeys(("rlon", "grid_longitude"), "grid_longitude"),
}
_NUMBERS = frozenset({"1", "count", "index", "row", "rows", "column", "columns", "pixel", "pixels", "level", "cell"})
_SINGLE = float(np.finfo(np.float32).eps)
_FARTHEST_EAST = 720.0
_RADIANS = 180 / np.pi
_ROUNDING = 1e-5


def with_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    """The data set with what says on which grid it lies among its coordinates, so that every variable carries it.

    These are latitudes of more than one dimension or along another, and the variables that `grid_mapping` names.
    """
    mappings = {str(array.attrs.get("grid_mapping", "")).split(":")[0].strip() for array in dataset.values()}
    found = [
        name
        for name, array in dataset.data_vars.items()
        if name in mappings or (array.dims and array.dims != (name,) and _is_latitude(name, array) and array.ndim < 4)
    ]
    along = {dimension for name in found for dimension in dataset[name].dims}
    found += [
        name
        for name, array in dataset.data_vars.items()
        if array.ndim == 1 and array.dims[0] in along and array.dims != (name,) and _is_longitude(name, array)
    ]
    return dataset.set_coords(found)


def role_of(array: xr.DataArray, dimension: Hashable) -> Role | None:
    """What CF metadata make of a dimension; None where they do not say."""
    if dimension not in array.coords:
        return None
    coordinate = array[dimension]
    standard_name = str(coordinate.attrs.get("standard_name", "")).strip()
    if standard_name in _STANDARD_NAMES:
        return _STANDARD_NAMES[standard_name]
    if "sigma" in standard_name or standard_name.startswith(("ocean_", "atmosphere_")):
        return "level"
    units = stated_units(coordinate.attrs) or ""
    if _NORTH.fullmatch(units) or _SOUTH.fullmatch(units):
        return "latitude"
    if _EAST.fullmatch(units) or _WEST.fullmatch(units):
        return "longitude"
    if counts_since(coordinate.attrs):
        return "time"
    axis = _AXES.get(str(coordinate.attrs.get("axis", "")).strip().upper())
    if axis is None and str(coordinate.attrs.get("positive", "")).strip().lower() in ("up", "down"):
        return "level"
    return axis


def dimension_of(array: xr.DataArray, role: Role, candidates: Sequence[str] | None) -> str | None:
    """The dimension of this role by its metadata, of several the first candidate, else the first candidate at all.

    A candidate whose metadata give it another role is none; without candidates there is no such dimension.
    """
    if candidates is None:
        return None
    roles = {str(name): role_of(array, name) for name in array.dims}
    chosen = [name for name, found in roles.items() if found == role]
    named = [name for name in candidates if roles.get(name, "absent") in (None, role)]
    preferred = [name for name in named if name in chosen]
    if preferred:
        return preferred[0]
    return chosen[0] if len(chosen) == 1 else next(iter(named), None)


def check_grid(file: Location, array: xr.DataArray, latitude: str | None) -> None:
    """Raise UserError, with the word for it, where a variable lies on a grid without latitude rows.

    `latitude` is the dimension that would be taken for the rows, None where none was found.
    """
    for name in array.dims:
        standard_name = str(array[name].attrs.get("standard_name", "")) if name in array.coords else ""
        rotated = standard_name or _ROTATED_NAMES.get(str(name).lower(), "")
        if rotated in ("grid_latitude", "grid_longitude"):
            raise _other_grid(file, array, f"a rotated pole ({name!r} holds {rotated})")
        if standard_name.startswith("projection_"):
            raise _other_grid(file, array, f"a projected grid ({name!r} holds {standard_name})")
    _check_grid_mapping(file, array)
    true_rows = latitude is not None and latitude in array.coords
    for name, coordinate in array.coords.items():
        if not _is_latitude(name, coordinate) or name in array.dims:
            continue
        if coordinate.ndim >= 2 and not (true_rows and _agrees(array, str(latitude), coordinate)):
            dimensions = ", ".join(map(str, coordinate.dims))
            raise _other_grid(file, array, f"a curvilinear grid (its latitudes {name!r} lie over {dimensions})")
        if coordinate.ndim == 1 and latitude is None and _shares_dimension(array, coordinate):
            raise _other_grid(file, array, f"an unstructured grid (its latitudes {name!r} lie along points)")


def degrees(
    file: Location, array: xr.DataArray, dimension: str, role: Literal["latitude", "longitude"], values: Degrees
) -> tuple[Degrees, FieldReading]:
    """The values of a latitude or longitude coordinate in degrees north or east.

    Raises UserError where they are lengths of a projection, numbers of rows or anything else that is no angle, or go
    farther than degrees do or once round the globe in radians, whatever their units say.
    """
    found, finding = _in_degrees(file, array, dimension, role, values)
    farthest = float(np.abs(found).max(initial=0))
    if farthest > _FARTHEST_EAST:
        raise UserError(
            f"{file}: {dimension!r} of {array.name} reaches {farthest:g}: no {role}s in degrees; correct their units "
            "or scale_factor in the file"
        )
    if finding.conversion is None and _round_the_globe_in_radians(role, found):
        extent = "go once round at 6.2832" if role == "longitude" else "reach from pole to pole over 3.1416"
        raise UserError(
            f"{file}: {role}s ({dimension!r}) that {extent} look like radians: state their units in the file"
        )
    return found, finding


def _in_degrees(
    file: Location, array: xr.DataArray, dimension: str, role: Literal["latitude", "longitude"], values: Degrees
) -> tuple[Degrees, FieldReading]:
    """The values by what their units say."""
    units = stated_units(array[dimension].attrs)
    if units is None:
        if role == "latitude" and not _LATITUDE_NAME.fullmatch(dimension) and _counts(values):
            raise UserError(
                f"{file}: {dimension!r} of {array.name} holds row numbers (from {values.min():g} to {values.max():g}, "
                f"without units or standard_name), no latitudes: {TO_LATITUDE}"
            )
        return values, FieldReading(file, dimension, assumed="degrees")
    if _NORTH.fullmatch(units) or _EAST.fullmatch(units) or canonical(units) == "degree":
        return values, FieldReading(file, dimension)
    if _SOUTH.fullmatch(units) or _WEST.fullmatch(units):
        turned = UnitConversion(stated=units, wanted="degrees", factor=-1.0)
        return -values, FieldReading(file, dimension, conversion=turned)
    if canonical(units) == "radian":
        turned = UnitConversion(stated=units, wanted="degrees", factor=_RADIANS)
        return np.degrees(values), FieldReading(file, dimension, conversion=turned)
    if canonical(units).lower() in _NUMBERS:
        what = "row numbers" if role == "latitude" else "column numbers"
        raise UserError(f"{file}: {dimension!r} of {array.name} is in {units!r}: {what}, no {role}s; {TO_LATITUDE}")
    if measures(units, "[length]"):
        raise _other_grid(file, array, f"a projected grid ({dimension!r} is in {units!r})")
    if not is_angle(units):
        raise UserError(f"{file}: {dimension!r} of {array.name} is in {units!r}, which is no unit of {role}")
    turned_by = conversion(units, "degree", f"{file}: {dimension!r}")
    factor = 1.0 if turned_by is None else turned_by.factor
    return values * factor, FieldReading(file, dimension, conversion=turned_by)


def _round_the_globe_in_radians(role: Literal["latitude", "longitude"], values: Degrees) -> bool:
    """Whether values (N,) span the globe in radians, their first and last at its ends or half a step from them.

    To a hundred-thousandth: no patch in degrees is so wide by chance, as steps are decimals or parts of a degree.
    """
    whole = 2 * np.pi if role == "longitude" else np.pi
    if len(values) < 3 or (role == "latitude" and np.abs(values).max() > np.pi / 2 * (1 + _ROUNDING)):
        return False
    span = float(np.ptp(values))
    return any(abs(extent / whole - 1) < _ROUNDING for extent in (span, span + span / (len(values) - 1)))


def columns_once(file: Location, dimension: str, longitude: Degrees) -> tuple[slice, FieldReading | None]:
    """The columns up to where longitudes (W,) come round to the first one again.

    Raises UserError where they neither increase nor decrease from column to column, modulo 360 degrees, or half of a
    second circle and more follows the first, which no file repeats.
    """
    everything = slice(len(longitude))
    if len(longitude) < 2:
        return everything, None
    forward = np.mod(np.diff(longitude), 360)
    steps = forward if np.median(forward) < 180 else forward - 360
    if not (np.abs(steps) < 180).all() or steps[0] == 0 or (np.sign(steps) != np.sign(steps[0])).any():
        raise UserError(f"{file}: longitudes ({dimension!r}) neither increase nor decrease from column to column")
    travelled = np.concatenate([[0.0], np.abs(np.cumsum(steps))])
    kept = int((travelled < 360 - 0.01 * np.abs(steps).min()).sum())
    if kept == len(longitude):
        return everything, None
    surplus = listed((f"{value:g}" for value in longitude[kept:]), most=4)
    if len(longitude) - kept > kept / 2:
        raise UserError(
            f"{file}: longitudes ({dimension!r}) come round to the first one after {kept} of {len(longitude)} columns "
            f"and go on ({surplus}): correct their units or scale_factor in the file"
        )
    remark = (
        f"{dimension}: longitude {surplus} repeats the first columns ({longitude[0]:g} and on): "
        f"{len(longitude) - kept} of {len(longitude)} columns left out"
    )
    return slice(kept), FieldReading(file, dimension, remark=remark)


def even_rows(file: Location, dimension: str, latitude: Degrees) -> tuple[slice, FieldReading | None]:
    """An even number of rows: of an odd one without the southernmost, as FourCastNet has it, where a row is at a pole.

    Else without the last row.
    """
    count = len(latitude)
    if count % 2 == 0:
        return slice(count), None
    at_pole = bool(np.abs(latitude).max() > 90 - 1e-3)
    southernmost_first = at_pole and latitude[0] < latitude[-1]
    left_out = latitude[0] if southernmost_first else latitude[-1]
    remark = f"{dimension}: the row at latitude {left_out:g}, one of {count}, left out for an even grid"
    return slice(1, None) if southernmost_first else slice(count - 1), FieldReading(file, dimension, remark=remark)


def even_columns(file: Location, dimension: str, longitude: Degrees) -> tuple[slice, FieldReading | None]:
    """An even number of columns: of an odd one without the last."""
    count = len(longitude)
    if count % 2 == 0:
        return slice(count), None
    remark = f"{dimension}: the column at longitude {longitude[-1]:g}, one of {count}, left out for an even grid"
    return slice(count - 1), FieldReading(file, dimension, remark=remark)


def order_like(
    name: str, values: Degrees, reference: Degrees, place: str, reference_place: str, *, period: float | None = None
) -> NDArray[np.int64] | None:
    """The order in which `values` are `reference`, up to the rounding of float32; None where they are as they stand.

    With a period, values that differ by whole periods are the same. Raises UserError where they are different ones,
    with by how much, or run the other way.
    """
    where = f"{place}: its {name} differs from that in {reference_place}"
    if len(values) != len(reference):
        raise UserError(f"{where}: {len(values)} values against {len(reference)}")
    tolerance = 2 * _SINGLE * np.maximum(np.maximum(np.abs(values).max(), np.abs(reference).max()), 1.0)
    apart = np.abs(values - reference)
    if (apart <= tolerance).all():
        return None
    if (np.abs(values[::-1] - reference) <= tolerance).all():
        raise UserError(f"{where}: the same values in the opposite order")
    if period is not None:
        difference = values[:, None] - reference
        distance = np.abs(difference - period * np.round(difference / period))
        order = distance.argmin(axis=0)
        if (distance.min(axis=0) <= tolerance).all() and len(set(order.tolist())) == len(order):
            return order.astype(np.int64)
        apart = np.minimum(apart, np.abs(apart - period))
    raise UserError(f"{where} by up to {apart.max():.6g} degrees")


def _other_grid(file: Location, array: xr.DataArray, what: str) -> UserError:
    return UserError(f"{file}: {array.name} lies on {what}, which is not supported: {TO_LATITUDE}")


def _check_grid_mapping(file: Location, array: xr.DataArray) -> None:
    name = str(array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", ""))).split(":")[0].strip()
    if not name:
        return
    said = str(array[name].attrs.get("grid_mapping_name", "")) if name in array.coords else ""
    if "rotated" in said or (not said and "rotated" in name.lower()):
        raise _other_grid(file, array, f"a rotated pole (grid_mapping {said or name})")
    if said and said != "latitude_longitude":
        raise _other_grid(file, array, f"a projected grid (grid_mapping {said})")


def _is_latitude(name: Hashable, array: xr.DataArray) -> bool:
    standard_name, units = array.attrs.get("standard_name"), stated_units(array.attrs) or ""
    if standard_name is not None:
        return bool(standard_name == "latitude")
    if _NORTH.fullmatch(units):
        return True
    return bool(_LATITUDE_NAME.fullmatch(str(name))) and (not units or is_angle(units))


def _is_longitude(name: Hashable, array: xr.DataArray) -> bool:
    standard_name, units = array.attrs.get("standard_name"), stated_units(array.attrs) or ""
    if standard_name is not None:
        return bool(standard_name == "longitude")
    return bool(_EAST.fullmatch(units) or _LONGITUDE_NAME.fullmatch(str(name)))


def _agrees(array: xr.DataArray, latitude: str, table: xr.DataArray) -> bool:
    """Whether latitudes over two dimensions are those of a dimension, so that they say nothing new."""
    if latitude not in table.dims or any(name not in array.dims for name in table.dims):
        return False
    rows = array[latitude].values
    values = table.transpose(..., latitude).values
    return bool(np.allclose(values, rows, rtol=1e-6, atol=1e-4))


def _shares_dimension(array: xr.DataArray, coordinate: xr.DataArray) -> bool:
    """Whether longitudes lie along the one dimension of some latitudes."""
    return coordinate.dims[0] in array.dims and any(
        other.dims == coordinate.dims and name != coordinate.name and _is_longitude(name, other)
        for name, other in array.coords.items()
    )


def _counts(values: Degrees) -> bool:
    """Whether values are 0, 1, 2, ... or 1, 2, 3, ..."""
    return len(values) > 2 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())
