"""A first mapping of data that no mapping of scenarios/data fits, filled from the files' own metadata."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from harness.data.calendar import counts_since, time_text
from harness.data.checks import check_latitude, regular_step
from harness.data.config import ArchiveConfig, TimeAxis
from harness.data.files import DataFile, find_files, is_zarr, open_lazily
from harness.data.layout import EXPVER
from harness.data.locations import Location
from harness.data.selection import selectable
from harness.data.time_axis import NO_TIMES, mapped_times, own_times, time_coordinate, time_dimension
from harness.data.units import stated_units
from harness.data.variables import Opener
from harness.data.vertical import read_levels
from harness.errors import UserError
from harness.mistakes import in_words
from harness.text import listed

PATTERNS = ("*.nc", "*.nc4", "*.cdf", "*.zarr", "*.grib", "*.grb", "*.grib2", "*.grb2", "*.h5")

TO_CHANGE = "CHANGE_ME"
"""What a draft has where only the user knows the value; no mapping with it is accepted."""

_MOST_FILES = 50
_TIMES = ("time", "valid_time", "t")
_LEVEL_NAMES = {
    *("level", "lev", "levels", "plev", "pressure", "pressure_level", "isobaricInhPa", "isobaricInPa"),
    *("depth", "deptht", "depthu", "depthv", "height", "altitude", "z", "zlev", "lev_p"),
}
_LEVEL_STANDARD_NAMES = {"air_pressure", "depth", "height", "altitude", "model_level_number"}


@dataclass(frozen=True)
class _Field:
    """A variable on a latitude-longitude grid, and which of its dimensions is what."""

    array: xr.DataArray
    file: DataFile
    time: str | None
    latitude: str
    longitude: str
    level: str | None

    @property
    def others(self) -> list[str]:
        """Dimensions of more than one value that are none of these."""
        known = {self.time, self.latitude, self.longitude, self.level, EXPVER}
        return [str(name) for name in self.array.dims if name not in known and self.array.sizes[name] > 1]


def draft(path: Location) -> str:
    """YAML of a mapping of the file or folder `path`, accepted by the schema; a comment says what a bench would refuse.

    Of more files than _MOST_FILES only so many are opened, and nothing is said of a bench.

    Raises UserError where no variable lies on a latitude-longitude grid, or a file cannot be read.
    """
    files = find_files(path, PATTERNS)
    fields, left_out = _fields(files, path)
    timed = {name: each for name, each in fields.items() if each.time is not None}
    statics = {name: each for name, each in fields.items() if each.time is None} if timed else {}
    config, notes = _mapping(path, files, timed or fields, statics)
    try:
        checked = ArchiveConfig.model_validate(yaml.safe_load(_text(config | _any_clock(config), {})))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise UserError(f"{path}: no mapping can be made of it: {where}: {in_words(problem)}") from None
    text = _text(config, notes)
    if len(files) <= _MOST_FILES and (refusal := _refusal(checked, path)):
        text += f"# A bench refuses these data as they are: {refusal}\n"
    return text + (f"# Left out, not on that grid: {listed(sorted(left_out), most=40)}\n" if left_out else "")


def _fields(files: Sequence[Location], path: Location) -> tuple[dict[str, _Field], set[str]]:
    """Fields by name, all on the grid that most of them have, and the names of the others."""
    fields: dict[str, _Field] = {}
    left_out: set[str] = set()
    for file in files[:_MOST_FILES]:
        opened = open_lazily(file)
        for name in _candidates(opened):
            found = None if name in fields else _field(opened, name)
            if found is not None:
                fields[name] = found
            elif name not in fields:
                left_out.add(name)
    if not fields:
        names = listed(sorted(left_out), most=10) or "nothing"
        raise UserError(
            f"{path}: no variable on a grid of latitudes and longitudes (one coordinate each), only {names}; grids "
            "that are curvilinear or of cells have to be regridded first"
        )
    shared = Counter((field.latitude, field.longitude) for field in fields.values()).most_common(1)[0][0]
    kept = {name: each for name, each in fields.items() if (each.latitude, each.longitude) == shared}
    return kept, (left_out | fields.keys()) - kept.keys()


def _mapping(
    path: Location, files: Sequence[Location], channels: Mapping[str, _Field], statics: Mapping[str, _Field]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The entries of a mapping in their order, and notes on some of them."""
    config: dict[str, Any] = {"kind": "archive", "description": f"{path.name}, a first mapping"}
    notes: dict[str, str] = {}
    config["files"] = _globs(files)
    config["dimensions"] = _dimensions(channels.values(), statics.values())
    first = next(iter(channels.values()))
    told = time_coordinate(first.array, first.time, _TIMES)
    dates = own_times(first.file.path, first.array, told)
    if len(dates):
        notes["dimensions"] = f"The first step is {time_text(dates[0])}, by {told!r}."
    else:
        config["time"], notes["time"] = _clock(first, told)
    offered = {name: selectable(each.array, name) for each in channels.values() for name in each.others}
    if offered:
        config["select"] = {name: values[0] for name, values in offered.items()}
        first_values = (
            f"{name} of {listed((f'{value:g}' for value in values), most=8)}" for name, values in offered.items()
        )
        notes["select"] = f"One value of each: {'; '.join(first_values)}"
    config["channels"] = [_channel(name, each) for name, each in channels.items()]
    notes["channels"] = "Keep those that you want to forecast; forcings and statics are inputs alone."
    if statics:
        config["statics"] = [_channel(name, each) for name, each in statics.items() if not each.others]
    if any(_has_gaps(each) for each in channels.values()):
        config["missing"] = "mask"
        notes["missing"] = "The first step has points without values."
    config["splits"] = {"train": 0.7, "validation": 0.15, "test": 0.15}
    return config, notes


def _any_clock(config: Mapping[str, Any]) -> dict[str, Any]:
    """A `time:` in the place of one that is left to be filled in, to see what else a bench would refuse."""
    open_to_user = TO_CHANGE in config.get("time", {}).values()
    return {"time": {"start": "2000-01-01", "step_hours": 6}} if open_to_user else {}


def _clock(field: _Field, coordinate: str | None) -> tuple[dict[str, str], str]:
    """The mapping's `time:` of files that hold no dates as others look for them, and a note on it.

    What the files do not tell is left to be filled in, so that a bench refuses the mapping until it is.
    """
    units = None if coordinate is None else stated_units(field.array[coordinate].attrs)
    try:
        clock = TimeAxis(units=units)
    except ValidationError:
        note = (
            f"The files hold no dates: put when the first step is (2000-12-31 18:00) and the hours of a step for "
            f"{TO_CHANGE}, or units in their place."
        )
        return {"start": TO_CHANGE, "step_hours": TO_CHANGE}, note
    times = mapped_times(field.file.path, field.array, coordinate, 1, clock, NO_TIMES)
    return {"units": str(units)}, f"The first step is {time_text(times[0])}, if {coordinate!r} counts these."


def _refusal(config: ArchiveConfig, path: Location) -> str | None:
    """Why the archive is not opened with this mapping, by its coordinates and times; None where it is."""
    opener = Opener(config, path)
    try:
        channels = opener.variables(enumerate(config.channels))
        first = channels[0].pieces[0]
        check_latitude(first.latitude, str(first.path))
        regular_step(channels[0].times, lambda step: str(channels[0].piece_of_step(step).path))
    except UserError as error:
        return str(error)
    return None


def _candidates(file: DataFile) -> list[str]:
    """Numbers that are no bounds, flags or descriptions of a grid, in the order of the file.

    Those of a Zarr store by name: it is listed in another order each time, and the order of channels makes other data.
    """
    used = {
        part
        for each in file.raw.variables.values()
        for key in ("bounds", "grid_mapping", "climatology")
        for part in str(each.attrs.get(key, "")).split()
    }
    return [
        name
        for name in (sorted(file.names) if is_zarr(file.path) else file.names)
        if name not in used
        and file.raw[name].dtype.kind in "iuf"
        and "flag_values" not in file.raw[name].attrs
        and not counts_since(file.raw[name].attrs)
        and file.raw[name].ndim >= 2
    ]


def _field(file: DataFile, name: str) -> _Field | None:
    try:
        array = file[name]
    except UserError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cf_xarray  # noqa: F401

        known = array.cf.guess_coord_axis().cf.coordinates
    latitude, longitude = (_dimension(array, known.get(kind, ())) for kind in ("latitude", "longitude"))
    if latitude is None or longitude is None:
        return None
    time = time_dimension(array, _TIMES)
    rest = [str(each) for each in array.dims if each not in (latitude, longitude, time)]
    level = next((each for each in rest if _is_level(array, each)), None)
    return _Field(array, file, time, latitude, longitude, level)


def _dimension(array: xr.DataArray, names: Iterable[Any]) -> str | None:
    return next((str(name) for name in names if name in array.dims), None)


def _is_level(array: xr.DataArray, name: str) -> bool:
    if name not in array.coords:
        return False
    attributes = array[name].attrs
    return (
        name in _LEVEL_NAMES
        or str(attributes.get("axis", "")).upper() == "Z"
        or "positive" in attributes
        or attributes.get("standard_name") in _LEVEL_STANDARD_NAMES
    )


def _globs(files: Sequence[Location]) -> list[str]:
    endings = {file.name.rpartition(".")[2] if "." in file.name else "" for file in files}
    return sorted({f"*.{ending}" if ending else file.name for file in files for ending in endings if ending or file})


def _dimensions(channels: Iterable[_Field], statics: Iterable[_Field]) -> dict[str, Any]:
    every = [*channels, *statics]
    levels = list(dict.fromkeys(each.level for each in every if each.level))
    times = list(dict.fromkeys(each.time for each in every if each.time))
    found: dict[str, Any] = {"time": _one_or_several(times)} if times else {}
    found |= {"latitude": every[0].latitude, "longitude": every[0].longitude}
    return found | ({"level": _one_or_several(levels)} if levels else {})


def _one_or_several(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _channel(name: str, field: _Field) -> dict[str, Any]:
    channel: dict[str, Any] = {"name": name, "variable": name}
    if field.level is not None:
        channel["levels"] = [float(f"{value:.6g}") for value in _levels(field, field.level)]
    channel["units"] = stated_units(field.array.attrs) or "unknown"
    return channel


def _levels(field: _Field, dimension: str) -> NDArray[np.float64]:
    """The levels as a mapping names them; as they stand where a bench would refuse them, which the draft says."""
    values: NDArray[np.float64] = field.array[dimension].values.astype(np.float64)
    try:
        return read_levels(field.file.path, field.array, dimension, values, units=None).values
    except UserError:
        return values


def _has_gaps(field: _Field) -> bool:
    """Whether the first step has points without values, at the first value of every other dimension."""
    first = {name: 0 for name in field.array.dims if name not in (field.latitude, field.longitude, field.level)}
    return bool(np.isnan(field.array.isel(first).values).any())


def _text(config: dict[str, Any], notes: dict[str, str]) -> str:
    """YAML, a line a channel, with a comment before what is noted."""
    lines = ["# A first mapping, made by `crosscast mapping`: check the units and leave out what you do not need."]
    for key, value in config.items():
        if key in notes:
            lines.append(f"# {notes[key]}")
        if key in ("channels", "statics"):
            lines.append(f"{key}:")
            lines += [f"  - {_flow(each)}" for each in value]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return dumped.removesuffix("\n...\n").rstrip("\n")
