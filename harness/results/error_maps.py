"""Where on the map a launch's forecasts err: squared errors of each point, kept beside its record."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.results import npz_checks
from harness.results.npz_checks import INTEGER, NUMBER, TEXT

FILE_NAME = "error-maps.npz"
MOST_BYTES = 2**28

KINDS = {
    **dict.fromkeys(("channels", "units"), (TEXT, 1)),
    **dict.fromkeys(("latitude", "longitude", "lead_h"), (NUMBER, 1)),
    "samples": (INTEGER, 1),
    "stride": (INTEGER, 0),
    "squared_error": (NUMBER, 4),
}


@dataclass(frozen=True)
class ErrorMaps:
    """Sums over `samples` (L,) of the squared errors of C channels at L lead times, in their units squared.

    `squared_error` is float32 (L, C, H, W), NaN at masked points, infinite where a forecast blew up. `latitude`
    (H,) and `longitude` (W,) are degrees north and east, every `stride`-th row and column of the grid; `lead_h` (L,)
    are hours. Sums of several launches of the same layout add up.
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    lead_h: NDArray[np.float64]
    samples: NDArray[np.int64]
    stride: int
    squared_error: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write the file; raises what `write_atomically` raises."""
        npz_checks.save(path, self)

    @staticmethod
    def load(path: Path) -> "ErrorMaps":
        """Read a file that `save` wrote; raises UserError where it cannot be read or is not one."""
        return npz_checks.load(path, ErrorMaps, _made, MOST_BYTES)


def _made(content: npz_checks.Arrays) -> ErrorMaps:
    npz_checks.check_kinds(content, KINDS)
    with np.errstate(over="ignore"):
        found = ErrorMaps(
            channels=tuple(map(str, content["channels"])),
            units=tuple(map(str, content["units"])),
            latitude=content["latitude"].astype(np.float64),
            longitude=content["longitude"].astype(np.float64),
            lead_h=content["lead_h"].astype(np.float64),
            samples=content["samples"].astype(np.int64),
            stride=int(content["stride"]),
            squared_error=content["squared_error"].astype(np.float32),
        )
    count, leads = len(found.channels), len(found.lead_h)
    place = len(found.latitude), len(found.longitude)
    npz_checks.check_shapes(found, {"units": (count,), "samples": (leads,), "squared_error": (leads, count, *place)})
    npz_checks.check_leads(found.lead_h, found.samples)
    npz_checks.check_grid(found.latitude, found.longitude, found.stride)
    if (found.squared_error < 0).any():
        raise ValueError("squared_error is below 0")
    return found
