"""RMSE and anomaly correlation of forecasts: area-weighted, masked, added up over batches and ranks.

Each sample gives, per channel, weighted means over the points that count. A `Statistics` holds their sums over samples,
which add up, and the metrics are computed from the sums alone (as in WeatherBench-X: statistic, aggregation, metric).

`method="published"` scores as released code does, for comparison with published tables only: land filled with 0 and
scored, one number a channel for climatology, cos(latitude) by row number, the root before the mean over samples. Where
there is land it calls a forecast better than it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.models.cell_area import latitude_weights, longitude_weights

Method = Literal["masked", "published"]
Weights = Literal["area", "fourcastnet"]
RmseOrder = Literal["pooled", "per_sample"]
Forecaster = Literal["model", "persistence", "climatology"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """Sums over `samples` of what each sample gives, (C,) float64 each; `a + b` pools two batches or ranks."""

    samples: int
    squared_error: Array
    root_squared_error: Array
    correlation: Array

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.samples + other.samples,
            self.squared_error + other.squared_error,
            self.root_squared_error + other.root_squared_error,
            self.correlation + other.correlation,
        )

    def rmse(self, order: RmseOrder = "pooled") -> Array:
        """Root mean squared error (C,) in the fields' units.

        `pooled`: the mean over samples, then the root (WeatherBench 2). `per_sample`: the root of each sample, then the
        mean (FourCastNet).
        """
        if order == "pooled":
            return np.sqrt(self.squared_error / self.samples)
        return self.root_squared_error / self.samples

    def acc(self) -> Array:
        """Mean over samples of the uncentred anomaly correlation (C,); NaN where an anomaly is 0 everywhere."""
        return self.correlation / self.samples


class Scorer:
    """Compares forecasts with the truth on one grid.

    `mask` (C, H, W) is True where a point counts, for each channel (so for each depth) apart. It comes from the truth
    and stays fixed for the run. `weights` are those of the method unless given: area, or FourCastNet's if `published`.
    Areas follow the widths of columns too where `longitude` (W,) is given.
    """

    def __init__(
        self,
        channels: Sequence[str],
        latitude: NDArray[np.float64],
        mask: NDArray[np.bool_],
        *,
        longitude: NDArray[np.float64] | None = None,
        method: Method = "masked",
        weights: Weights | None = None,
    ) -> None:
        self.channels = tuple(channels)
        self.method: Method = method
        self.weights: Weights = weights or ("area" if method == "masked" else "fourcastnet")
        self.order: RmseOrder = "pooled" if method == "masked" else "per_sample"
        self._mask = mask
        self._row_weights = latitude_weights(latitude) if self.weights == "area" else fourcastnet_weights(len(latitude))
        scored = mask if method == "masked" else np.ones_like(mask)
        by_area = self.weights == "area" and longitude is not None
        widths = longitude_weights(longitude) if by_area and longitude is not None else np.ones(mask.shape[2])
        self._column_weights = None if (widths == 1).all() else widths
        self._total_weight = self._over_columns(scored) @ self._row_weights
        for channel, points in zip(self.channels, mask.any(axis=(1, 2)), strict=True):
            if not points:
                raise UserError(f"channel {channel!r} has no point that counts: it cannot be scored")

    def described(self, climatology: str) -> dict[str, str]:
        """What the scores mean: weights, rmse_order, acc and climatology, where `climatology` says how it is grouped.

        Each text says so where the method is the published one.
        """
        acc = "uncentred, per time, then averaged"
        if self.method == "masked":
            return {
                "weights": self.weights,
                "rmse_order": self.order,
                "acc": acc,
                "climatology": f"training period, by {climatology}",
            }
        mark = "published way, for comparison only"
        return {
            "weights": f"{self.weights} ({mark}: land filled with 0 and scored)",
            "rmse_order": f"{self.order} ({mark})",
            "acc": f"{acc} ({mark})",
            "climatology": f"training period, one number a channel ({mark})",
        }

    def statistics(
        self,
        forecast: NDArray[np.floating],
        truth: NDArray[np.floating],
        climatology: NDArray[np.floating],
    ) -> Statistics:
        """Statistics of (n, C, H, W) fields, all in the same units; what lies outside the mask is not looked at.

        The published method takes it as 0, and of the climatology the mean over each sample's points of the mask.
        Differences, squares and sums are float64, whatever the fields are, one channel at a time. Where a forecast is
        NaN or infinite at a point that counts, so is the squared error of its channel, and the correlation is NaN.
        """
        squared_error, correlation = np.empty((2, len(forecast), len(self.channels)))
        for channel in range(len(self.channels)):
            squared_error[:, channel], correlation[:, channel] = self._of_channel(
                channel, forecast[:, channel], truth[:, channel], climatology[:, channel]
            )
        return Statistics(
            len(forecast), squared_error.sum(axis=0), np.sqrt(squared_error).sum(axis=0), correlation.sum(axis=0)
        )

    def _over_columns(self, values: NDArray[Any]) -> Array:
        """The sum over columns, each by its width where they are uneven."""
        if self._column_weights is None:
            return values.sum(axis=-1, dtype=np.float64)
        return values.astype(np.float64) @ self._column_weights

    def _of_channel(
        self,
        channel: int,
        forecast: NDArray[np.floating],
        truth: NDArray[np.floating],
        climatology: NDArray[np.floating],
    ) -> tuple[Array, Array]:
        """Mean squared error and correlation (n,) of fields (n, H, W) of a channel."""
        mask = self._mask[channel]
        expected, predicted, observed = (
            np.where(mask, fields.astype(np.float64), 0.0) for fields in (climatology, forecast, truth)
        )
        if self.method == "published":
            expected = (expected.sum(axis=(1, 2)) / mask.sum())[:, None, None]
        with np.errstate(invalid="ignore", over="ignore"):
            squared_error = self._mean(np.square(predicted - observed), channel)
            predicted -= expected
            observed -= expected
            correlation = self._mean(predicted * observed, channel) / np.sqrt(
                self._mean(np.square(predicted), channel) * self._mean(np.square(observed), channel)
            )
        return squared_error, correlation

    def _mean(self, values: Array, channel: int) -> Array:
        """Weighted mean (n,) over the points that are scored of values (n, H, W) that are 0 elsewhere."""
        return self._over_columns(values) @ self._row_weights / self._total_weight[channel]


@dataclass(frozen=True)
class Score:
    """One line of a skill table.

    `rmse` in the channel's units, infinite or NaN where a forecast is; `acc` None where it is not defined.
    """

    forecaster: Forecaster
    channel: str
    lead_h: float
    samples: int
    rmse: float
    acc: float | None


class SkillTable:
    """Adds up the statistics of each forecaster and lead time."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._sums: dict[tuple[Forecaster, float], Statistics] = {}

    def add(
        self,
        forecaster: Forecaster,
        lead_h: float,
        forecast: NDArray[np.floating],
        truth: NDArray[np.floating],
        climatology: NDArray[np.floating],
    ) -> None:
        """Add a batch of (n, C, H, W) fields."""
        batch = self.scorer.statistics(forecast, truth, climatology)
        key = (forecaster, lead_h)
        self._sums[key] = self._sums[key] + batch if key in self._sums else batch

    def scores(self, order: RmseOrder | None = None) -> list[Score]:
        """One line for each forecaster, lead time and channel, in the order in which they were first added.

        `order` is that of the scorer's method unless given.
        """
        return [
            Score(forecaster, channel, lead_h, sums.samples, float(rmse), None if np.isnan(acc) else float(acc))
            for (forecaster, lead_h), sums in self._sums.items()
            for channel, rmse, acc in zip(
                self.scorer.channels, sums.rmse(order or self.scorer.order), sums.acc(), strict=True
            )
        ]


def fourcastnet_weights(rows: int) -> Array:
    """Weights (H,) of the FourCastNet code: cos(latitude), mean 1, with the latitude 90 - 180 k / (H - 1) of row k.

    Only for comparison with tables published that way: wrong on a grid that does not reach from pole to pole.
    """
    cosine = np.cos(np.radians(90.0 - np.arange(rows) * 180.0 / max(rows - 1, 1)))
    return cosine / cosine.mean()
