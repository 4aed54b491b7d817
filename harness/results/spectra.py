"""The power spectra of a launch's forecasts and of the truth, kept beside its record as sums over samples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.results import npz_checks
from harness.results.npz_checks import INTEGER, NUMBER, TEXT

FILE_NAME = "spectra.npz"
BY_DEGREE_FILE_NAME = "spectra-by-degree.npz"
MAX_CHANNELS, MAX_CHANNELS_BY_DEGREE = 32, 8
MOST_BYTES = 2**26

KINDS = {
    **dict.fromkeys(("channels", "units"), (TEXT, 1)),
    **dict.fromkeys(("rows", "samples"), (INTEGER, 1)),
    "lead_h": (NUMBER, 1),
    **dict.fromkeys(("forecast", "truth"), (NUMBER, 3)),
}

Sums = NDArray[np.float32]


@dataclass(frozen=True)
class Spectra:
    """Sums over `samples` (L,) of the power of C channels at L lead times by wavenumber, in their units squared.

    `forecast` and `truth` are float32 (L, C, K) for the wavenumbers 0 to K - 1: zonal ones, whose power
    `harness.runners.spectra` defines, or degrees of spherical harmonics, with that of
    `harness.runners.spherical_harmonics`. `rows` (C,) is the number of latitude rows that count; `lead_h` (L,) are
    hours. Sums of several launches of the same layout add up. Those of a forecast that blew up are infinite or NaN.
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    rows: NDArray[np.int64]
    lead_h: NDArray[np.float64]
    samples: NDArray[np.int64]
    forecast: Sums
    truth: Sums

    def save(self, path: Path) -> None:
        """Write the file; raises what `write_atomically` raises."""
        npz_checks.save(path, self)

    @staticmethod
    def load(path: Path) -> "Spectra":
        """Read a file that `save` wrote; raises UserError where it cannot be read or is not one."""
        return npz_checks.load(path, Spectra, _made, MOST_BYTES)

    @property
    def mean_forecast(self) -> NDArray[np.float64]:
        """The mean power (L, C, K) of the forecasts."""
        return self.forecast / self.samples[:, None, None].astype(np.float64)

    @property
    def mean_truth(self) -> NDArray[np.float64]:
        """The mean power (L, C, K) of the truth."""
        return self.truth / self.samples[:, None, None].astype(np.float64)


def _made(content: npz_checks.Arrays) -> Spectra:
    npz_checks.check_kinds(content, KINDS)
    with np.errstate(over="ignore"):
        found = Spectra(
            channels=tuple(map(str, content["channels"])),
            units=tuple(map(str, content["units"])),
            rows=content["rows"].astype(np.int64),
            lead_h=content["lead_h"].astype(np.float64),
            samples=content["samples"].astype(np.int64),
            forecast=content["forecast"].astype(np.float32),
            truth=content["truth"].astype(np.float32),
        )
    count, leads, wavenumbers = len(found.channels), len(found.lead_h), np.shape(found.truth)[2]
    sums: dict[str, tuple[int, ...]] = dict.fromkeys(("forecast", "truth"), (leads, count, wavenumbers))
    npz_checks.check_shapes(found, {"units": (count,), "rows": (count,), "samples": (leads,), **sums})
    npz_checks.check_leads(found.lead_h, found.samples)
    if not (np.isfinite(found.truth) & (found.truth >= 0)).all():
        raise ValueError("truth holds a power that is below 0 or not finite")
    if (found.forecast < 0).any():
        raise ValueError("forecast holds a power below 0")
    return found
