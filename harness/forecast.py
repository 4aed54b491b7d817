"""One forecast beside the truth, kept by a launch for people to look at."""

import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from harness.errors import UserError
from harness.record import write_atomically

if TYPE_CHECKING:
    from harness.data.windows import Rollout

FILE_NAME = "forecast.npz"
MAX_CHANNELS = 3
MAX_COLUMNS = 360

DAMAGE = (ValueError, TypeError, KeyError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)
"""What NumPy and zipfile raise on the content of a damaged file; RuntimeError on flags that no one set."""

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
        content = BytesIO()
        np.savez_compressed(content, **vars(self))
        write_atomically(path, content.getvalue())

    @staticmethod
    def load(path: Path) -> "Forecast":
        """Read a file that `save` wrote; raises UserError where it cannot be read or is not one."""
        try:
            content = np.load(path, allow_pickle=False)
            if not isinstance(content, NpzFile):
                raise ValueError("one array, not an archive of several")
            with content:
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
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
        except DAMAGE as error:
            raise UserError(f"{path}: damaged: {error}; remove it or run that launch again") from None
        return found

    def _check_shapes(self) -> None:
        count, height, width = len(self.channels), len(self.latitude), len(self.longitude)
        expected = {
            "units": (count,),
            "latitude": (height,),
            "longitude": (width,),
            "forecast": (count, height, width),
            "truth": (count, height, width),
        }
        for name, shape in expected.items():
            found = np.shape(getattr(self, name))
            if found != shape or 0 in shape:
                raise ValueError(f"{name} has the shape {found}, expected {shape} and no 0")


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
