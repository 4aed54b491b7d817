"""Parts of the globe that are scored beside the whole of it: types alone. scenarios/regions.yaml holds named ones."""

from typing import Literal

from pydantic import Field, model_validator

from harness.frozen import Frozen


class Band(Frozen):
    """Latitudes between two bounds, both included."""

    south: float = Field(ge=-90, le=90, description="degrees north")
    north: float = Field(ge=-90, le=90, description="degrees north")

    @model_validator(mode="after")
    def _upwards(self) -> "Band":
        if self.south >= self.north:
            raise ValueError("south must be less than north")
        return self


Surface = Literal["land", "sea"]


class Bounds(Frozen):
    """Bands of latitudes, all round the globe or eastwards from one meridian to another, both included.

    With a `surface` only the points of land, or those of the sea, within them.
    """

    latitude: tuple[Band, ...] = Field(default=(Band(south=-90, north=90),), min_length=1)
    west: float | None = Field(default=None, ge=-180, le=360, description="degrees east")
    east: float | None = Field(default=None, ge=-180, le=360, description="degrees east")
    surface: Surface | None = Field(
        default=None,
        description="land or sea alone, as a static field named lsm or land_sea_mask or the mask of an ocean has it",
    )

    @model_validator(mode="after")
    def _both_meridians(self) -> "Bounds":
        if (self.west is None) != (self.east is None):
            raise ValueError("west and east belong together")
        return self


class Region(Bounds):
    """Bounds with the name by which tables call what lies within."""

    name: str = Field(pattern=r"^\w[\w .+-]*$", max_length=40)

    @property
    def bounds_text(self) -> str:
        """The bounds in words."""
        bands = " and ".join(f"{band.south:g} to {band.north:g} degrees north" for band in self.latitude)
        meridians = "" if self.west is None else f", {self.west:g} to {self.east:g} degrees east"
        return f"{bands}{meridians}{'' if self.surface is None else f', {self.surface} alone'}"

    def __str__(self) -> str:
        return f"{self.name}: {self.bounds_text}"
