"""One forecast beside the truth, kept by a launch for people to look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.results import npz_checks
from harness.results.checks import MOST_LEAD_H
from harness.results.npz_checks import INTEGER, NUMBER, TEXT

if TYPE_CHECKING:
    from harness.data.windows import Rollout

FILE_NAME = "forecast.npz"
MAX_CHANNELS = 3
MAX_COLUMNS = 360

MOST_BYTES = 2**28
"""Of the file and of what is in it; a hundred times what the widest grid needs."""

MOST_TRUTH = 1e30
MOST_CHARACTERS = 40
KINDS = {
    **dict.fromkeys(("channels", "units"), (TEXT, 1)),
    **dict.fromkeys(("latitude", "longitude"), (NUMBER, 1)),
    "lead_h": (NUMBER, 0),
    "valid_at": (TEXT, 0),
    "stride": (INTEGER, 0),
    **dict.fromkeys(("forecast", "truth"), (NUMBER, 3)),
}

Fields = NDArray[np.float32]


@dataclass(frozen=True)
class Forecast:
    """C channels of one forecast and of the truth at the same time, in `units`, NaN at masked points.

    `forecast` and `truth` are float32 (C, H, W), `latitude` (H,) and `longitude` (W,) degrees north and east. Every
    `stride`-th row and column of the grid is kept. `valid_at` is the time of the truth, ISO 8601,
    and a calendar other than the Gregorian in brackets.
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    lead_h: float
    valid_at: str
    stride: int
    forecast: Fields
    truth: Fields

    def save(self, path: Path) -> None:
        """Write the file; raises what `write_atomically` raises."""
        npz_checks.save(path, self)

    @staticmethod
    def load(path: Path) -> "Forecast":
        """Read a file that `save` wrote; raises UserError where it cannot be read or is not one."""
        return npz_checks.load(path, Forecast, _made, MOST_BYTES)

    def _check_shapes(self) -> None:
        count, height, width = len(self.channels), len(self.latitude), len(self.longitude)
        expected: dict[str, tuple[int, ...]] = {
            "units": (count,),
            "latitude": (height,),
            "longitude": (width,),
            "forecast": (count, height, width),
            "truth": (count, height, width),
        }
        npz_checks.check_shapes(self, expected)

    def _check_values(self) -> None:
        """The forecast of a network that has diverged may be anything; the rest may not."""
        npz_checks.check_grid(self.latitude, self.longitude, self.stride)
        if (np.abs(self.truth) > MOST_TRUTH).any():
            raise ValueError(f"truth is above {MOST_TRUTH:g}")
        if not np.isfinite(self.truth).any(axis=(1, 2)).all():
            raise ValueError("truth has no value in a channel")
        if not 0 <= self.lead_h <= MOST_LEAD_H:
            raise ValueError(f"a lead time of {self.lead_h:g} h")
        if len(self.valid_at) > MOST_CHARACTERS or not self.valid_at.isprintable():
            raise ValueError("valid_at is no time")


def _made(content: npz_checks.Arrays) -> Forecast:
    npz_checks.check_kinds(content, KINDS)
    with np.errstate(over="ignore"):
        found = Forecast(
            channels=tuple(map(str, content["channels"])),
            units=tuple(map(str, content["units"])),
            latitude=content["latitude"].astype(np.float64),
            longitude=content["longitude"].astype(np.float64),
            lead_h=float(content["lead_h"]),
            valid_at=str(content["valid_at"]),
            stride=int(content["stride"]),
            forecast=content["forecast"].astype(np.float32),
            truth=content["truth"].astype(np.float32),
        )
    found._check_shapes()
    found._check_values()
    return found


def keep_first(start: "Rollout", lead: int, forecast: Fields, truth: Fields) -> Forecast:
    """What is kept of a rollout's first start at a lead: at most MAX_CHANNELS channels and MAX_COLUMNS columns.

    `forecast` and `truth` are (samples, C, H, W) in the source's units.
    """
    from harness.data.calendar import time_text

    source = start.windows.source
    chosen = spread(len(source.channels), MAX_CHANNELS)
    stride = -(-len(source.longitude) // MAX_COLUMNS)
    kept, truth_kept = (fields[0, chosen, ::stride, ::stride].astype(np.float32) for fields in (forecast, truth))
    return Forecast(
        channels=tuple(source.channels[index] for index in chosen),
        units=tuple(source.units[index] for index in chosen),
        latitude=source.latitude[::stride],
        longitude=source.longitude[::stride],
        lead_h=start.windows.lead_h(lead),
        valid_at=time_text(source.times[start.starts[0] + lead], to="second"),
        stride=stride,
        forecast=kept,
        truth=truth_kept,
    )


def spread(count: int, most: int) -> list[int]:
    """At most `most` indices of `count`, evenly spread, the first and the last among them."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, most))})
