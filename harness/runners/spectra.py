"""Power spectra of forecast and truth: how the mean square of a field is shared out over wavenumbers.

With F(k) = (1 / W) sum_l f(l) exp(-2 pi i k l / W) along a latitude circle of W points, the zonal power is |F(k)|^2 for
k = 0 and, where W is even, for k = W / 2, and 2 |F(k)|^2 for all others. Over all k it adds up to the mean square of
the circle (Parseval). Powers are averaged over circles by the areas of their rows, and over samples. Those of
WeatherBench 2 (`ZonalEnergySpectrum`) are the same times the length of each circle, and twice as large for k = W / 2.
What the power by degree is, says `harness.runners.spherical_harmonics`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from harness.frameworks.ranks import Ranks
from harness.models.cell_area import latitude_weights, longitude_weights
from harness.results.forecast import spread
from harness.results.spectra import MAX_CHANNELS, MAX_CHANNELS_BY_DEGREE, Spectra
from harness.runners.spherical_harmonics import SphericalHarmonics

Array = NDArray[np.float64]
Fields = NDArray[np.floating]

FIELDS_AT_ONCE = 16
"""Of which the waves along all circles are held by degree: 133 MB on 721 rows by 1440 columns."""

UNEVEN = 0.1
"""Of the mean distance between rows: less than this are those of Gaussian grids off it."""


def zonal_power(fields: Fields) -> Array:
    """Power (..., W // 2 + 1) of fields (..., W) by zonal wavenumber, in their units squared; NaN where a field is."""
    columns = fields.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):
        found = rfft(fields.astype(np.float64), axis=-1, norm="forward")
        power: Array = np.square(found.real) + np.square(found.imag)
        power[..., 1 : (columns + 1) // 2] *= 2
    return power


def no_spectra(longitude: NDArray[np.float64], mask: NDArray[np.bool_]) -> str | None:
    """Why fields on a grid have no zonal spectrum; None where a channel of them has.

    `longitude` (W,) is in degrees east, `mask` (C, H, W) True where a point counts.
    """
    count = len(longitude)
    steps = np.abs(np.mod(np.diff(longitude) + 180.0, 360.0) - 180.0)
    if count < 2 or not np.isclose(steps.sum() + steps.mean(), 360.0, atol=0.5 * steps.mean()):
        return "the grid does not go round the globe"
    if (longitude_weights(longitude) != 1).any():
        return "the columns of the grid are uneven"
    if not mask.all(axis=2).any():
        return "no row of the grid has values all round the globe"
    return None


def none_by_degree(latitude: Array, longitude: Array, mask: NDArray[np.bool_]) -> str | None:
    """Why fields on a grid have no spectrum by degree; None where a channel of them has.

    `latitude` (H,) and `longitude` (W,) are in degrees, `mask` (C, H, W) True where a point counts.
    """
    if why := no_spectra(longitude, mask):
        return why
    if len(latitude) < 3 or len(longitude) < 3:
        return "the grid has fewer than 3 rows or columns"
    steps = np.abs(np.diff(latitude))
    step = steps.mean()
    if np.abs(steps - step).max() > UNEVEN * step:
        return "the rows of the grid are uneven"
    if 90.0 - min(latitude.max(), -latitude.min()) > (1 + UNEVEN) * step:
        return "the grid does not reach from pole to pole"
    if not mask.all(axis=(1, 2)).any():
        return "no variable has values at all points of the grid"
    return None


class Spectral(ABC):
    """Adds up the spectra of forecasts and truth over samples, at each lead time.

    `chosen` are the numbers of the channels that are kept, and `rows` (C',) is how many rows count for each of them.
    """

    def __init__(
        self,
        channels: Sequence[str],
        units: Sequence[str],
        chosen: Sequence[int],
        rows: Sequence[int],
        wavenumbers: int,
    ) -> None:
        self._chosen = list(chosen)
        self._names = tuple((channels[channel], units[channel]) for channel in chosen)
        self._rows = np.array(rows)
        self._wavenumbers = wavenumbers
        self._sums: dict[float, Array] = {}
        self._samples: dict[float, int] = {}

    def add(self, lead_h: float, forecast: Fields, truth: Fields) -> None:
        """Add a batch of (n, C, H, W) fields in the source's units."""
        self._sums[lead_h] = self._sums.get(lead_h, 0.0) + self._summed(forecast, truth)
        self._samples[lead_h] = self._samples.get(lead_h, 0) + len(forecast)

    def sum_over(self, ranks: Ranks, leads_h: Sequence[float]) -> None:
        """Add up the sums of all ranks at these lead times, whatever each of them has itself."""
        nothing = np.zeros((2, len(self._chosen), self._wavenumbers))
        samples = ranks.sum(np.array([self._samples.get(lead_h, 0) for lead_h in leads_h], dtype=np.float64))
        sums = ranks.sum(np.stack([self._sums.get(lead_h, nothing) for lead_h in leads_h]))
        self._samples = dict(zip(leads_h, map(int, samples), strict=True))
        self._sums = dict(zip(leads_h, sums, strict=True))

    def kept(self) -> Spectra:
        """What a launch keeps of them."""
        leads_h = sorted(self._sums)
        with np.errstate(over="ignore"):
            sums = np.stack([self._sums[lead_h] for lead_h in leads_h]).astype(np.float32)
        return Spectra(
            channels=tuple(name for name, _ in self._names),
            units=tuple(units for _, units in self._names),
            rows=self._rows,
            lead_h=np.array(leads_h),
            samples=np.array([self._samples[lead_h] for lead_h in leads_h]),
            forecast=sums[:, 0],
            truth=sums[:, 1],
        )

    @abstractmethod
    def _summed(self, *kinds: Fields) -> Array:
        """The power (N, C', K) of N kinds of fields (n, C, H, W) each, added up over samples."""


class ZonalSpectra(Spectral):
    """Spectra by zonal wavenumber, averaged over circles.

    A row counts for a channel where it has values all round the globe. At most MAX_CHANNELS channels are kept of those
    that have such a row.
    """

    def __init__(self, channels: Sequence[str], units: Sequence[str], latitude: Array, mask: NDArray[np.bool_]) -> None:
        whole = mask.all(axis=2)
        chosen = _spread_over(whole.any(axis=1), MAX_CHANNELS)
        self._circles = [np.flatnonzero(whole[channel]) for channel in chosen]
        self._weights = latitude_weights(latitude)
        super().__init__(channels, units, chosen, list(map(len, self._circles)), mask.shape[2] // 2 + 1)

    def _summed(self, *kinds: Fields) -> Array:
        found = np.empty((len(kinds), len(self._chosen), self._wavenumbers))
        for kind, fields in enumerate(kinds):
            for number, (channel, circles) in enumerate(zip(self._chosen, self._circles, strict=True)):
                power = zonal_power(fields[:, channel, circles])
                found[kind, number] = np.average(power.sum(axis=0), axis=0, weights=self._weights[circles])
        return found


class DegreeSpectra(Spectral):
    """Spectra by the degree of spherical harmonics, of at most MAX_CHANNELS_BY_DEGREE channels without a mask."""

    def __init__(self, channels: Sequence[str], units: Sequence[str], latitude: Array, mask: NDArray[np.bool_]) -> None:
        _, rows, columns = mask.shape
        self._harmonics = SphericalHarmonics(latitude, columns)
        chosen = _spread_over(mask.all(axis=(1, 2)), MAX_CHANNELS_BY_DEGREE)
        super().__init__(channels, units, chosen, [rows] * len(chosen), self._harmonics.highest + 1)

    def _summed(self, *kinds: Fields) -> Array:
        every = np.stack([fields[:, self._chosen] for fields in kinds])
        fields = every.reshape(-1, *every.shape[3:])
        parts = [fields[first : first + FIELDS_AT_ONCE] for first in range(0, len(fields), FIELDS_AT_ONCE)]
        power = np.concatenate([self._harmonics.power(part) for part in parts])
        return power.reshape(*every.shape[:3], -1).sum(axis=1)


def _spread_over(having: NDArray[np.bool_], most: int) -> list[int]:
    """At most so many numbers of those channels that have a spectrum."""
    numbers = np.flatnonzero(having)
    return [int(numbers[index]) for index in spread(len(numbers), most)]
