"""Squared errors of each point of the grid, added up over samples and ranks: what maps of the RMSE are made of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.data.source import Source
from harness.frameworks.ranks import Ranks
from harness.results.error_maps import ErrorMaps
from harness.results.forecast import MAX_CHANNELS, MAX_COLUMNS, spread


class ErrorMap:
    """Adds up the errors of at most MAX_CHANNELS channels at lead times; of the grid at most MAX_COLUMNS columns."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._chosen = spread(len(source.channels), MAX_CHANNELS)
        self._stride = -(-len(source.longitude) // MAX_COLUMNS)
        self._mask = source.mask[self._chosen, :: self._stride, :: self._stride]
        self._sums: dict[float, NDArray[np.float64]] = {}
        self._samples: dict[float, int] = {}

    def add(self, lead_h: float, forecast: NDArray[np.floating], truth: NDArray[np.floating]) -> None:
        """Add a batch of (n, C, H, W) fields in the source's units; what lies outside the mask is not looked at."""
        total = self._sums.setdefault(lead_h, np.zeros(self._mask.shape))
        for number, channel in enumerate(self._chosen):
            predicted, observed = (
                fields[:, channel, :: self._stride, :: self._stride].astype(np.float64) for fields in (forecast, truth)
            )
            with np.errstate(invalid="ignore", over="ignore"):
                total[number] += np.where(self._mask[number], np.square(predicted - observed), 0.0).sum(axis=0)
        self._samples[lead_h] = self._samples.get(lead_h, 0) + len(forecast)

    def sum_over(self, ranks: Ranks, leads_h: Sequence[float]) -> None:
        """Add up the sums of all ranks at these lead times, whatever each of them has itself."""
        samples = ranks.sum(np.array([self._samples.get(lead_h, 0) for lead_h in leads_h], dtype=np.float64))
        nothing = np.zeros(self._mask.shape)
        sums = ranks.sum(np.stack([self._sums.get(lead_h, nothing) for lead_h in leads_h]))
        self._samples = dict(zip(leads_h, map(int, samples), strict=True))
        self._sums = dict(zip(leads_h, sums, strict=True))

    def kept(self) -> ErrorMaps:
        """What a launch keeps of them."""
        leads_h, source = sorted(self._sums), self._source
        sums = np.stack([self._sums[lead_h] for lead_h in leads_h])
        sums = np.where(self._mask, np.where(np.isfinite(sums), sums, np.inf), np.nan)
        with np.errstate(over="ignore"):
            squared_error = sums.astype(np.float32)
        return ErrorMaps(
            channels=tuple(source.channels[index] for index in self._chosen),
            units=tuple(source.units[index] for index in self._chosen),
            latitude=source.latitude[:: self._stride],
            longitude=source.longitude[:: self._stride],
            lead_h=np.array(leads_h),
            samples=np.array([self._samples[lead_h] for lead_h in leads_h]),
            stride=self._stride,
            squared_error=squared_error,
        )
