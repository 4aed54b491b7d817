"""What a file in scenarios/data/ may say: which data there are and how they are split by time."""

import math
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from harness.frozen import Frozen

SplitName = Literal["train", "validation", "test"]


class Splits(Frozen):
    """Fractions of the time axis, in this order; they add up to 1."""

    train: float = Field(default=0.7, gt=0, lt=1)
    validation: float = Field(default=0.15, ge=0, lt=1)
    test: float = Field(default=0.15, gt=0, lt=1)

    @model_validator(mode="after")
    def _add_up(self) -> "Splits":
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(f"train, validation and test must add up to 1, not {total:g}")
        return self


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
    splits: Splits = Splits()

    @field_validator("channels")
    @classmethod
    def _unique(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        return _without_repeats(channels)


class Dimensions(Frozen):
    """Names of the dimensions in the files."""

    time: str = "time"
    latitude: str = "latitude"
    longitude: str = "longitude"
    level: str | None = None


class TimeAxis(Frozen):
    """A time axis for files without a usable one: step k is at start + k * step_hours."""

    start: datetime
    step_hours: float = Field(gt=0)

    @field_validator("start")
    @classmethod
    def _utc(cls, start: datetime) -> datetime:
        if start.tzinfo is not None:
            raise ValueError("give the start in UTC without a time zone")
        return start


class Channel(Frozen):
    """One channel: a variable of the files, at one level where the variable has levels."""

    name: str = Field(min_length=1)
    variable: str = Field(min_length=1)
    files: str | None = Field(
        default=None, description="glob inside the DATA folder, where it differs from the archive's"
    )
    level: float | None = None
    units: str

    @field_validator("files")
    @classmethod
    def _inside(cls, files: str | None) -> str | None:
        return files if files is None else _inside_folder(files)


class ArchiveConfig(Frozen):
    """How the variables of a NetCDF or Zarr archive map to channels."""

    kind: Literal["archive"]
    description: str = ""
    files: tuple[str, ...] = Field(min_length=1, description="globs inside the DATA folder")
    dimensions: Dimensions = Dimensions()
    time: TimeAxis | None = None
    channels: tuple[Channel, ...] = Field(min_length=1)
    missing: Literal["mask", "error"] = Field(default="error", description="points that are NaN at every step")
    missing_steps: Literal["drop", "error"] = Field(
        default="error", description="steps at which a whole channel is NaN"
    )
    model_overrides: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="hyperparameters that a model needs on this grid, by model name"
    )
    splits: Splits = Splits()

    @field_validator("files", mode="before", json_schema_input_type=str | tuple[str, ...])
    @classmethod
    def _one_or_many(cls, files: Any) -> Any:
        return (files,) if isinstance(files, str) else files

    @field_validator("files")
    @classmethod
    def _inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_inside_folder(pattern) for pattern in files)

    @field_validator("channels")
    @classmethod
    def _unique(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        _without_repeats(tuple(channel.name for channel in channels))
        return channels

    @model_validator(mode="after")
    def _level_has_dimension(self) -> "ArchiveConfig":
        for channel in self.channels:
            if channel.level is not None and self.dimensions.level is None:
                raise ValueError(f"channel {channel.name!r} has a level, but dimensions.level is not given")
        return self


DataConfig = Annotated[RossbyConfig | ArchiveConfig, Field(discriminator="kind")]


def _without_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"channels named twice: {', '.join(repeated)}")
    return names


def _inside_folder(pattern: str) -> str:
    path = PurePosixPath(pattern)
    if not pattern or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{pattern!r} must be a glob inside the DATA folder")
    return pattern
