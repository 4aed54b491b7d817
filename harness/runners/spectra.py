"""Zonal power spectra of forecast and truth: how the mean square of a field is shared out over zonal wavenumbers.

With F(k) = (1 / W) sum_l f(l) exp(-2 pi i k l / W) along a latitude circle of W points, the power is |F(k)|^2 for k = 0
and, where W is even, for k = W / 2, and 2 |F(k)|^2 for all others. Over all k it adds up to the mean square of the
circle (Parseval). Powers are averaged over circles by the areas of their rows, and over samples. Those of WeatherBench
2 (`ZonalEnergySpectrum`) are the same times the length of each circle, and twice as large for k = W / 2.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from harness.frameworks.ranks import Ranks
from harness.models.cell_area import latitude_weights, longitude_weights
from harness.results.forecast import spread
from harness.results.spectra import MAX_CHANNELS, Spectra

Array = NDArray[np.float64]


def zonal_power(fields: NDArray[np.floating]) -> Array:
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


class ZonalSpectra:
    """Adds up the spectra of forecasts and truth over samples, at each lead time.

    A row counts for a channel where it has values all round the globe. At most MAX_CHANNELS channels are kept of those
    that have such a row.
    """

    def __init__(
        self, channels: Sequence[str], units: Sequence[str], latitude: NDArray[np.float64], mask: NDArray[np.bool_]
    ) -> None:
        rows = mask.all(axis=2)
        having = np.flatnonzero(rows.any(axis=1))
        self._chosen = [int(having[index]) for index in spread(len(having), MAX_CHANNELS)]
        self._names = tuple((channels[channel], units[channel]) for channel in self._chosen)
        self._rows = [np.flatnonzero(rows[channel]) for channel in self._chosen]
        self._weights = latitude_weights(latitude)
        self._wavenumbers = mask.shape[2] // 2 + 1
        self._sums: dict[float, Array] = {}
        self._samples: dict[float, int] = {}

    def add(self, lead_h: float, forecast: NDArray[np.floating], truth: NDArray[np.floating]) -> None:
        """Add a batch of (n, C, H, W) fields in the source's units."""
        found = np.stack([self._summed(fields) for fields in (forecast, truth)])
        self._sums[lead_h] = self._sums.get(lead_h, 0.0) + found
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
            rows=np.array(list(map(len, self._rows))),
            lead_h=np.array(leads_h),
            samples=np.array([self._samples[lead_h] for lead_h in leads_h]),
            forecast=sums[:, 0],
            truth=sums[:, 1],
        )

    def _summed(self, fields: NDArray[np.floating]) -> Array:
        """The power (C', K), averaged over rows and added up over samples."""
        found = np.empty((len(self._chosen), self._wavenumbers))
        for number, (channel, rows) in enumerate(zip(self._chosen, self._rows, strict=True)):
            power = zonal_power(fields[:, channel, rows])
            found[number] = np.average(power.sum(axis=0), axis=0, weights=self._weights[rows])
        return found
