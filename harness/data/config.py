"""What a file in scenarios/data/ may say: which data there are and how they are split by time."""

import math
import re
from datetime import datetime
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from harness.frozen import Frozen

Calendar = Literal[
    "standard",
    "gregorian",
    "proleptic_gregorian",
    "julian",
    "noleap",
    "365_day",
    "360_day",
    "all_leap",
    "366_day",
]
"""Calendars of the CF conventions."""

SplitName = Literal["train", "validation", "test"]
ForcingFormula = Literal[
    "toa_radiation", "year_progress_sin", "year_progress_cos", "day_progress_sin", "day_progress_cos"
]
StaticFormula = Literal["latitude_sin", "longitude_sin", "longitude_cos", "land_sea_mask", "wet_channels"]
OceanVariable = Literal["T", "S", "U", "V", "SSH"]
OceanForcing = Literal["u10", "v10", "t2m", "msl", "sp"]


_MOMENT = r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$"


def _moment(value: Any) -> str:
    """1979 and 1979-01-01 are a number and a date in YAML."""
    text = str(value)
    if isinstance(value, bool | datetime) or not re.fullmatch(_MOMENT, text):
        raise ValueError(f"needs a year, a month or a day such as 1979, 1979-12 or 1979-12-31, not {text[:40]}")
    return text


def _share_or_period(value: Any) -> Any:
    if isinstance(value, str | dict) or (isinstance(value, list) and len(value) != 2):
        raise ValueError("needs a share such as 0.7, or the first and the last year, month or day: [1979, 2015]")
    return value


Moment = Annotated[
    str,
    BeforeValidator(_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _MOMENT}, {"type": "integer"}]}),
]
Period = tuple[Moment, Moment]
"""The first and the last year, month or day, both included."""

_Share = Annotated[float, Field(gt=0, lt=1)]
_ShareOrNone = Annotated[float, Field(ge=0, lt=1)]


class Splits(Frozen):
    """Shares of the time axis, in this order, that add up to 1; or periods, of which none has a step of another.

    What lies in no period is left out. A validation of 0 trains without one.
    """

    train: Annotated[_Share | Period, BeforeValidator(_share_or_period)] = 0.7
    validation: Annotated[_ShareOrNone | Period, BeforeValidator(_share_or_period)] = 0.15
    test: Annotated[_Share | Period, BeforeValidator(_share_or_period)] = 0.15

    @property
    def shares(self) -> tuple[float, ...]:
        """What each split has of the time axis, in order; of periods what is no period."""
        return tuple(each for each in (self.train, self.validation, self.test) if not isinstance(each, tuple))

    @property
    def periods(self) -> dict[SplitName, Period]:
        """The splits that are periods, by name; empty where they are shares."""
        named: tuple[tuple[SplitName, float | Period], ...] = (
            ("train", self.train),
            ("validation", self.validation),
            ("test", self.test),
        )
        return {name: value for name, value in named if isinstance(value, tuple)}

    @model_validator(mode="after")
    def _fit_together(self) -> "Splits":
        periods = self.periods
        if not periods:
            total = sum(self.shares)
            if not math.isclose(total, 1.0, abs_tol=1e-6):
                raise ValueError(f"train, validation and test must add up to 1, not {total:g}")
            return self
        if len(periods) < 3 and self.shares != (0,):
            raise ValueError("give train, validation and test as shares, or all as periods such as [1979, 2015]")
        for name, (first, last) in periods.items():
            if not first < after(last):
                raise ValueError(f"{name} ends with {last}, before its beginning, {first}")
        ordered = sorted(periods, key=lambda name: periods[name])
        for one, next_one in pairwise(ordered):
            if not after(periods[one][1]) < periods[next_one][0]:
                raise ValueError(
                    f"{one} ends with {periods[one][1]} and {next_one} begins with {periods[next_one][0]}: no step may "
                    "be in both"
                )
        return self


def after(moment: str) -> str:
    """What stands in the order of texts behind all days of a year, month or day, and before what follows it."""
    return f"{moment}~"


class RossbyConfig(Frozen):
    """Rossby waves on the sphere, made at run time on the grid of the model's preset (see rossby.py)."""

    kind: Literal["rossby"]
    description: str = ""
    channels: tuple[Literal["u", "v", "z", "t"], ...] = Field(default=("u", "v", "z", "t"), min_length=1)
    time_steps: int = Field(default=240, ge=8)
    step_hours: float = Field(default=6.0, gt=0, description="time between two steps in hours")
    waves: int = Field(default=12, ge=1, le=35, description="number of spherical harmonics Y_n^m, 2 <= n <= 8")
    zonal_wind_m_s: float = Field(default=15.0, ge=0, description="wind of the solid-body rotation at the equator, m/s")
    wave_wind_m_s: float = Field(default=12.0, gt=0, description="root mean square wind of all waves together, m/s")
    seed: int = Field(default=0, ge=0)
    forcings: tuple[ForcingFormula, ...] = Field(default=(), description="inputs known at the target time, by formula")
    statics: tuple[StaticFormula, ...] = Field(default=(), description="inputs that never change, by formula")
    splits: Splits = Splits()

    @field_validator("channels", "forcings", "statics")
    @classmethod
    def _unique(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        return _without_repeats(channels)


class OceanConfig(Frozen):
    """Waves of a stratified ocean with continents, made on the grid of the model's preset (see ocean.py)."""

    kind: Literal["ocean"]
    description: str = ""
    variables: tuple[OceanVariable, ...] = Field(default=("T", "S", "U", "V", "SSH"), min_length=1)
    depths_m: tuple[Annotated[float, Field(ge=0, lt=4000)], ...] = Field(
        default=(0.0, 100.0, 500.0), min_length=1, description="levels of T, S, U and V in metres below the surface"
    )
    time_steps: int = Field(default=240, ge=8)
    step_hours: float = Field(default=24.0, gt=0, description="time between two steps in hours")
    waves: int = Field(default=10, ge=1, le=35, description="number of spherical harmonics Y_n^m, 2 <= n <= 8")
    deformation_radius_km: float = Field(
        default=1200.0, gt=0, description="of the first vertical mode; wider than the real one, so that a day shows"
    )
    wave_current_m_s: float = Field(default=0.1, gt=0, description="root mean square surface current of all waves, m/s")
    land_fraction: float = Field(default=0.3, ge=0, lt=0.9, description="part of the sphere's area that is land")
    forcings: tuple[OceanForcing, ...] = Field(
        default=("u10", "v10", "t2m", "msl", "sp"), description="fields of the weather above, known in the future"
    )
    statics: tuple[Literal["topography"], ...] = Field(
        default=("topography",), description="height of land and, negative, of the sea floor in metres"
    )
    seed: int = Field(default=0, ge=0)
    splits: Splits = Splits()

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels: each variable at each depth, SSH once."""
        return tuple(name for name, _, _ in self.levels)

    @property
    def levels(self) -> tuple[tuple[str, OceanVariable, float | None], ...]:
        """Name, variable and depth in metres of each channel."""
        return tuple(
            (variable if depth is None else f"{variable}{depth:g}", variable, depth)
            for variable in self.variables
            for depth in ((None,) if variable == "SSH" else self.depths_m)
        )

    @field_validator("variables", "forcings", "statics")
    @classmethod
    def _unique(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _without_repeats(names)

    @field_validator("depths_m")
    @classmethod
    def _rising(cls, depths_m: tuple[float, ...]) -> tuple[float, ...]:
        if list(depths_m) != sorted(set(depths_m)):
            raise ValueError("depths_m must rise")
        return depths_m


Candidates = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    BeforeValidator(
        lambda names: (names,) if isinstance(names, str) else names, json_schema_input_type=str | list[str]
    ),
]
"""One name, or several of which the files have one."""


class Dimensions(Frozen):
    """Names of the dimensions in the files, several where archives differ."""

    time: Candidates = ("time",)
    latitude: Candidates = ("latitude",)
    longitude: Candidates = ("longitude",)
    level: Candidates | None = None


class TimeAxis(Frozen):
    """Times of files that give none or none that can be read.

    Either step k is at start + k * step_hours, or the files give numbers in `units`.
    """

    start: datetime | None = None
    step_hours: float | None = Field(default=None, gt=0)
    units: str | None = Field(
        default=None, pattern=r"^\w+ since \d", description="as in the CF conventions: days since 1900-01-01"
    )
    calendar: Calendar | None = Field(
        default=None, description="as in the CF conventions, where the files do not say: standard, noleap, 360_day, ..."
    )

    @field_validator("start")
    @classmethod
    def _utc(cls, start: datetime | None) -> datetime | None:
        if start is not None and start.tzinfo is not None:
            raise ValueError("give the start in UTC without a time zone")
        return start

    @model_validator(mode="after")
    def _one_way(self) -> "TimeAxis":
        given = self.start is not None, self.step_hours is not None, self.units is not None
        if given not in ((True, True, False), (False, False, True)):
            raise ValueError("give start and step_hours, or units")
        return self


class Channel(Frozen):
    """One field: a variable of the files, at one level where the variable has levels.

    `levels` stands for one channel a level, named by `name` and the level (z500).
    """

    name: str = Field(min_length=1)
    variable: Candidates = Field(
        description="its name in the files, or several, the first being what models know it by"
    )
    files: str | None = Field(
        default=None, description="glob inside the DATA folder, where it differs from the archive's"
    )
    level: float | None = Field(
        default=None,
        description="hPa in the atmosphere, metres below the surface in the ocean, unless `level_units` says otherwise",
    )
    levels: tuple[float, ...] | None = Field(default=None, min_length=1)
    units: str = Field(
        description="values of files that state other units of the same dimension are converted to these"
    )

    @field_validator("files")
    @classmethod
    def _inside(cls, files: str | None) -> str | None:
        return files if files is None else _inside_folder(files)

    @model_validator(mode="after")
    def _level_or_levels(self) -> "Channel":
        if self.level is not None and self.levels is not None:
            raise ValueError("give either level or levels")
        return self

    def at_each_level(self) -> "tuple[Channel, ...]":
        """The channels that `levels` stands for; the channel itself where there are none."""
        if self.levels is None:
            return (self,)
        return tuple(
            self.model_copy(update={"name": f"{self.name}{level:g}", "level": level, "levels": None})
            for level in self.levels
        )


class ArchiveConfig(Frozen):
    """How the variables of a NetCDF or Zarr archive map to channels."""

    kind: Literal["archive"]
    description: str = ""
    files: Candidates = Field(description="globs inside the DATA folder")
    dimensions: Dimensions = Dimensions()
    even_grid: bool = Field(
        default=False,
        description="leave out a row or column where their number is odd: of rows that reach a pole the southernmost, "
        "as FourCastNet does with row 721, else the last",
    )
    time: TimeAxis | None = None
    select: dict[str, float] = Field(
        default_factory=dict,
        description="one value of each further dimension, such as number: 0 (a member) or step: 0 (a lead time in "
        "hours); the position from 0 where a dimension has no coordinate",
    )
    channels: tuple[Channel, ...] = Field(min_length=1)
    level_units: str | None = Field(
        default=None,
        description="units of the levels that channels name; without them hPa where the files' levels are pressures "
        "and metres where they are lengths",
        exclude_if=lambda units: units is None,
    )
    level_method: Literal["exact", "interpolate"] = Field(
        default="exact",
        description="take the levels of the files, or interpolate linearly between the two around a level; a point "
        "counts where both have values, and nothing is extrapolated",
    )
    forcings: tuple[ForcingFormula | Channel, ...] = Field(
        default=(), description="inputs known at the target time: formulas, or variables of the files without gaps"
    )
    statics: tuple[StaticFormula | Channel, ...] = Field(
        default=(), description="inputs that never change: formulas, or variables of the files, the first time if any"
    )
    missing: Literal["mask", "error"] = Field(default="error", description="points that are NaN at every step")
    missing_steps: Literal["drop", "error"] = Field(
        default="error", description="steps at which a whole channel is NaN"
    )
    model_overrides: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="hyperparameters that a model needs on this grid, by model name"
    )
    splits: Splits = Splits()

    @field_validator("files")
    @classmethod
    def _inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_inside_folder(pattern) for pattern in files)

    @field_validator("channels", "forcings", "statics")
    @classmethod
    def _flat(cls, given: tuple[Any, ...]) -> tuple[Any, ...]:
        fields = tuple(
            each for field in given for each in (field.at_each_level() if isinstance(field, Channel) else (field,))
        )
        _without_repeats(tuple(field.name if isinstance(field, Channel) else field for field in fields))
        return fields

    @property
    def fields(self) -> tuple[Channel, ...]:
        """Everything that is read from the files: channels, forcings and statics."""
        return tuple(field for field in (*self.channels, *self.forcings, *self.statics) if isinstance(field, Channel))

    @model_validator(mode="after")
    def _level_has_dimension(self) -> "ArchiveConfig":
        for channel in self.fields:
            if channel.level is not None and self.dimensions.level is None:
                raise ValueError(f"channel {channel.name!r} has a level, but dimensions.level is not given")
        return self


GeneratedConfig = RossbyConfig | OceanConfig
DataConfig = Annotated[RossbyConfig | OceanConfig | ArchiveConfig, Field(discriminator="kind")]


def _without_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"named twice: {', '.join(repeated)}")
    return names


def _inside_folder(pattern: str) -> str:
    path = PurePosixPath(pattern)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in pattern:
        raise ValueError(f"{pattern!r} must be a glob inside the DATA folder")
    if sum("**" in part for part in path.parts) > 1:
        raise ValueError(f"{pattern!r} must have ** at most once")
    if any("**" in part and part != "**" for part in path.parts):
        raise ValueError(f"{pattern!r}: ** must stand alone between slashes")
    return pattern
