"""RMSE, anomaly correlation, bias, MAE and activity of forecasts: area-weighted, masked, added up over batches, ranks.

Each sample gives, per channel, weighted means over the points that count. A `Statistics` holds their sums over samples,
which add up, and the metrics are computed from the sums alone (as in WeatherBench-X: statistic, aggregation, metric).

`method="published"` scores as released code does, for comparison with published tables only: land filled with 0 and
scored, one number a channel for climatology, cos(latitude) by row number, the root before the mean over samples. Where
there is land it calls a forecast better than it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.frameworks.ranks import Ranks
from harness.models.cell_area import latitude_weights, longitude_weights
from harness.scenario.regions import Region

Method = Literal["masked", "published"]
Weights = Literal["area", "fourcastnet"]
RmseOrder = Literal["pooled", "per_sample"]
Forecaster = Literal["model", "persistence", "climatology"]
FORECASTERS: tuple[Forecaster, ...] = get_args(Forecaster)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """Sums over `samples` of what each sample gives, (C,) float64 each; `a + b` pools two batches or ranks.

    The variances are those of anomalies over the points of a sample.
    """

    samples: int
    squared_error: Array
    root_squared_error: Array
    correlation: Array
    error: Array
    absolute_error: Array
    forecast_variance: Array
    truth_variance: Array

    @property
    def sums(self) -> Array:
        """All sums (K, C), in the order of the fields."""
        return np.stack([getattr(self, name) for name in SUMS])

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.samples + other.samples, *(self.sums + other.sums))

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

    def bias(self) -> Array:
        """Mean of forecast less truth (C,) in the fields' units."""
        return self.error / self.samples

    def mae(self) -> Array:
        """Mean absolute error (C,) in the fields' units."""
        return self.absolute_error / self.samples

    def activity(self) -> Array:
        """Standard deviation of the forecast's anomalies over that of the truth's (C,), variances pooled over samples.

        Below 1 the forecast is smoother than the truth; NaN where the truth has no anomaly. ECMWF compares the two as
        "forecast activity" and "analysis activity" (Forecast User Guide, anomaly correlation coefficient).
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(self.forecast_variance / self.truth_variance)


ROUNDED_DEG = 1e-4
"""Within this of the bounds of a region a point lies on them: files give degrees in float32, to 1.5e-5 near 360."""

ROUNDING = 1e-12
"""Of a mean square: more than float64 loses in a mean over a grid."""

SUMS = tuple(field.name for field in fields(Statistics) if field.name != "samples")


class Scorer:
    """Compares forecasts with the truth on one grid.

    `mask` (C, H, W) is True where a point counts, for each channel (so for each depth) apart. It comes from the truth
    and stays fixed for the run. `weights` are those of the method unless given: area, or FourCastNet's if `published`.
    Areas follow the widths of columns too where `longitude` (W,) is given. Of a `region` the points within its bounds
    count, by their weights in the whole grid; of one of land or sea those that `land` (H, W) says to be it.
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
        region: Region | None = None,
        land: NDArray[np.bool_] | None = None,
    ) -> None:
        self.channels = tuple(channels)
        self.region = None if region is None else region.name
        self.method: Method = method
        self.weights: Weights = weights or ("area" if method == "masked" else "fourcastnet")
        self.order: RmseOrder = "pooled" if method == "masked" else "per_sample"
        self._mask = mask if region is None else mask & surface_of(region, land)
        self._row_weights = latitude_weights(latitude) if self.weights == "area" else fourcastnet_weights(len(latitude))
        scored = self._mask if method == "masked" else np.ones_like(mask)
        by_area = self.weights == "area" and longitude is not None
        widths = longitude_weights(longitude) if by_area and longitude is not None else np.ones(mask.shape[2])
        self._column_weights = None if (widths == 1).all() else widths
        self._part: Any = (...,)
        where = ""
        if region is not None:
            rows, columns = rows_of(region, latitude), columns_of(region, longitude, mask.shape[2])
            self._part, where = (..., *np.ix_(rows, columns)), f" of {region.name}"
            self._mask, scored = self._mask[self._part], scored[self._part]
            self._row_weights = self._row_weights[rows]
            self._column_weights = None if self._column_weights is None else self._column_weights[columns]
        self._total_weight = self._over_columns(scored) @ self._row_weights
        for channel, points in zip(self.channels, self._mask.any(axis=(1, 2)), strict=True):
            if not points:
                raise UserError(f"channel {channel!r} has no point{where} that counts: it cannot be scored")

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
        sums = [
            self._of_channel(channel, forecast[:, channel], truth[:, channel], climatology[:, channel])
            for channel in range(len(self.channels))
        ]
        return Statistics(len(forecast), *np.array(sums).T)

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
    ) -> Array:
        """The sums (K,) of Statistics, in its order, over fields (n, H, W) of a channel."""
        mask = self._mask[channel]
        expected, predicted, observed = (
            np.where(mask, fields[self._part].astype(np.float64), 0.0) for fields in (climatology, forecast, truth)
        )
        if self.method == "published":
            expected = (expected.sum(axis=(1, 2)) / mask.sum())[:, None, None]
        with np.errstate(invalid="ignore", over="ignore"):
            error = predicted - observed
            squared_error = self._mean(np.square(error), channel)
            predicted -= expected
            observed -= expected
            squares = [self._mean(np.square(anomaly), channel) for anomaly in (predicted, observed)]
            correlation = self._mean(predicted * observed, channel) / np.sqrt(squares[0] * squares[1])
            variances = [
                _variance(square, self._mean(anomaly, channel))
                for square, anomaly in zip(squares, (predicted, observed), strict=True)
            ]
            of_samples = (
                *(squared_error, np.sqrt(squared_error), correlation),
                *(self._mean(error, channel), self._mean(np.abs(error), channel)),
                *variances,
            )
            return np.stack(of_samples).sum(axis=1)

    def _mean(self, values: Array, channel: int) -> Array:
        """Weighted mean (n,) over the points that are scored of values (n, H, W) that are 0 elsewhere."""
        return self._over_columns(values) @ self._row_weights / self._total_weight[channel]


@dataclass(frozen=True)
class Score:
    """One line of a skill table.

    `rmse`, `bias` and `mae` in the channel's units; `rmse` infinite or NaN where a forecast is, all others None where
    they are not finite, or not defined.
    """

    forecaster: Forecaster
    channel: str
    lead_h: float
    samples: int
    rmse: float
    acc: float | None
    bias: float | None
    mae: float | None
    activity: float | None


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

    def sum_over(self, ranks: Ranks, places: Sequence[tuple[Forecaster, float]]) -> None:
        """Add up the statistics of all ranks, at the same places in the same order on each, whatever it has itself."""
        channels = len(self.scorer.channels)
        nothing = Statistics(0, *np.zeros((len(SUMS), channels)))
        own = [self._sums.get(place, nothing) for place in places]
        total = ranks.sum(np.array([np.hstack([each.samples, each.sums.ravel()]) for each in own]))
        self._sums = {
            place: Statistics(int(row[0]), *row[1:].reshape(len(SUMS), channels))
            for place, row in zip(places, total, strict=True)
        }

    def scores(self, order: RmseOrder | None = None) -> list[Score]:
        """One line for each forecaster, lead time and channel, in the order in which they were first added.

        `order` is that of the scorer's method unless given.
        """
        return [
            Score(forecaster, channel, lead_h, sums.samples, float(rmse), *map(_finite, others))
            for (forecaster, lead_h), sums in self._sums.items()
            for channel, rmse, *others in zip(
                self.scorer.channels,
                sums.rmse(order or self.scorer.order),
                *(sums.acc(), sums.bias(), sums.mae(), sums.activity()),
                strict=True,
            )
        ]


def surface_of(region: Region, land: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Where the surface is that of the region, (H, W) or everywhere; raises UserError where that is not known."""
    if region.surface is None:
        return np.ones((), dtype=np.bool_)
    if land is None:
        raise UserError(
            f"region {region.name!r} is {region.surface} alone, and the data do not say where land is: name a static "
            "field lsm or land_sea_mask in their mapping"
        )
    return land if region.surface == "land" else ~land


def rows_of(region: Region, latitude: NDArray[np.float64]) -> NDArray[np.intp]:
    """Numbers of the rows whose latitude (H,), in degrees north, lies in a band of the region."""
    inside = [
        (band.south - ROUNDED_DEG <= latitude) & (latitude <= band.north + ROUNDED_DEG) for band in region.latitude
    ]
    return np.flatnonzero(np.any(inside, axis=0))


def columns_of(region: Region, longitude: NDArray[np.float64] | None, count: int) -> NDArray[np.intp]:
    """Numbers of those of `count` columns whose longitude (W,), in degrees east, lies between the region's meridians.

    Raises UserError where it has any and the longitude is not known.
    """
    if region.west is None or region.east is None or region.east - region.west >= 360:
        return np.arange(count)
    if longitude is None:
        raise UserError(f"region {region.name!r} has meridians, and the longitude of the data is not known")
    eastwards = np.mod(longitude - region.west + ROUNDED_DEG, 360.0)
    return np.flatnonzero(eastwards <= np.mod(region.east - region.west, 360.0) + 2 * ROUNDED_DEG)


def _variance(mean_square: Array, mean: Array) -> Array:
    """Mean square less the square of the mean; 0 where all that is left is what rounding makes of equal values."""
    found = mean_square - np.square(mean)
    return np.where(found <= ROUNDING * mean_square, 0.0, found)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def fourcastnet_weights(rows: int) -> Array:
    """Weights (H,) of the FourCastNet code: cos(latitude), mean 1, with the latitude 90 - 180 k / (H - 1) of row k.

    Only for comparison with tables published that way: wrong on a grid that does not reach from pole to pole.
    """
    cosine = np.cos(np.radians(90.0 - np.arange(rows) * 180.0 / max(rows - 1, 1)))
    return cosine / cosine.mean()
