import functools
import math
import operator

import numpy as np
import pytest
import scores.continuous
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import shared_path

from harness.errors import UserError
from harness.models.cell_area import latitude_weights
from harness.runners.skill import Scorer, SkillTable, fourcastnet_weights

DIMENSIONS = ("time", "channel", "latitude", "longitude")


def random_case(seed, samples=4, rows=6, columns=5, land=0.3):
    """Forecast, truth, climatology (n, 2, H, W) with NaN on land, and the mask, different in each channel."""
    rng = np.random.default_rng(seed)
    mask = rng.random((2, rows, columns)) >= land
    mask[:, 0, 0] = True
    fields = rng.normal(280.0, 5.0, (3, samples, 2, rows, columns))
    fields[2] = fields[2, :1]
    return *np.where(mask, fields, np.nan), mask


class TestWeights:
    CLOSED_FORM = 3 * np.array(
        [
            1 - math.sqrt(3) / 2,
            (math.sqrt(3) - 1) / 2,
            1 / 2,
            1 / 2,
            (math.sqrt(3) - 1) / 2,
            1 - math.sqrt(3) / 2,
        ]
    )

    @pytest.mark.parametrize("direction", [1, -1])
    def test_closed_form(self, direction):
        rows = np.array([75.0, 45.0, 15.0, -15.0, -45.0, -75.0])[::direction]
        np.testing.assert_allclose(latitude_weights(rows), self.CLOSED_FORM, rtol=1e-12)

    def test_rows_at_the_poles_are_half_cells(self):
        polar = 1 - math.cos(math.radians(22.5))
        inner = math.cos(math.radians(22.5)) - math.cos(math.radians(67.5))
        equator = 2 * math.cos(math.radians(67.5))
        area = np.array([polar, inner, equator, inner, polar])
        np.testing.assert_allclose(latitude_weights(np.array([90.0, 45, 0, -45, -90])), area / area.mean(), rtol=1e-12)

    def test_a_cropped_grid_takes_its_own_latitudes(self):
        area = np.diff(np.sin(np.radians([19.375, 20.625, 21.875, 23.125])))
        np.testing.assert_allclose(latitude_weights(np.array([20.0, 21.25, 22.5])), area / area.mean(), rtol=1e-12)

    def test_fourcastnet_agrees_away_from_the_poles_of_a_full_grid_only(self):
        full = latitude_weights(np.linspace(90.0, -90.0, 721))
        assert np.abs(fourcastnet_weights(721) - full)[1:-1].max() < 4e-6
        assert fourcastnet_weights(721)[0] == pytest.approx(0.0, abs=1e-12)
        cropped = latitude_weights(np.linspace(60.0, 20.0, 33))
        assert np.abs(fourcastnet_weights(33) - cropped).max() > 0.5


class TestByHand:
    """Two rows of equal area at +-45 degrees, two columns, climatology 10; all numbers follow on paper."""

    LATITUDE = np.array([45.0, -45.0])
    CLIMATOLOGY = np.full((1, 1, 2, 2), 10.0)
    TRUTH = np.array([[[[11.0, 12.0], [10.0, 8.0]]]])
    FORECAST = np.array([[[[12.0, 11.0], [11.0, 9.0]]]])

    def score(self, forecast, mask=((True, True), (True, True)), latitude=LATITUDE):
        scorer = Scorer(["t"], latitude, np.array([mask]))
        return scorer.statistics(forecast, self.TRUTH, self.CLIMATOLOGY)

    def test_all_points(self):
        """Anomalies (1 2 0 -2) and (2 1 1 -1): products 6, squares 9 and 7; errors (1 -1 1 1)."""
        statistics = self.score(self.FORECAST)
        assert statistics.acc() == pytest.approx(6 / math.sqrt(63))
        assert statistics.rmse() == pytest.approx(1.0)

    def test_one_point_masked(self):
        """Without the last point: products 4, squares 5 and 6."""
        statistics = self.score(self.FORECAST, mask=((True, True), (True, False)))
        assert statistics.acc() == pytest.approx(4 / math.sqrt(30))

    def test_rows_of_different_area(self):
        """Bounds at 90, 30 and -30 degrees: areas 1/2 and 1; errors 1 in the first row, 1 and 3 in the second."""
        forecast = self.FORECAST + np.array([[[[0, 0], [0, 2.0]]]])
        statistics = self.score(forecast, latitude=np.array([60.0, 0.0]))
        assert statistics.rmse() == pytest.approx(math.sqrt((0.5 * (1 + 1) + 1 * (1 + 9)) / 3))
        assert statistics.acc() == pytest.approx((0.5 * 4 - 2) / math.sqrt((0.5 * 5 + 4) * (0.5 * 5 + 2)), abs=1e-12)

    def test_order_of_mean_and_root(self):
        """Two samples with errors 1 and 3 everywhere: root of (1 + 9) / 2 against (1 + 3) / 2."""
        both = self.score(self.TRUTH + 1.0) + self.score(self.TRUTH - 3.0)
        assert both.rmse("pooled") == pytest.approx(math.sqrt(5))
        assert both.rmse("per_sample") == pytest.approx(2)

    def test_opposite_forecast(self):
        assert self.score(20.0 - self.TRUTH).acc() == pytest.approx(-1.0)

    def test_climatology_has_no_anomaly_to_correlate(self):
        statistics = self.score(self.CLIMATOLOGY)
        assert np.isnan(statistics.acc()).all()
        assert statistics.rmse() == pytest.approx(math.sqrt(9 / 4))


class TestAgainstOtherPackages:
    @pytest.mark.parametrize("seed", range(3))
    def test_rmse_of_the_scores_package(self, seed):
        forecast, truth, climatology, mask = random_case(seed)
        latitude = np.linspace(70.0, -10.0, 6)
        statistics = Scorer(["a", "b"], latitude, mask).statistics(forecast, truth, climatology)
        for channel in range(2):
            fields = [
                xr.DataArray(field[:, channel], dims=("time", "latitude", "longitude"), coords={"latitude": latitude})
                for field in (forecast, truth)
            ]
            weights = xr.DataArray(latitude_weights(latitude), coords={"latitude": latitude})
            pooled = scores.continuous.rmse(*fields, weights=weights)
            each = scores.continuous.rmse(*fields, weights=weights, preserve_dims="time")
            assert statistics.rmse()[channel] == pytest.approx(float(pooled), rel=1e-9)
            assert statistics.rmse("per_sample")[channel] == pytest.approx(float(each.mean()), rel=1e-9)

    @pytest.mark.parametrize("seed", range(3))
    def test_acc_of_weighted_means_of_xarray(self, seed):
        forecast, truth, climatology, mask = random_case(seed)
        latitude = np.linspace(-30.0, 80.0, 6)
        statistics = Scorer(["a", "b"], latitude, mask).statistics(forecast, truth, climatology)
        weights = xr.DataArray(latitude_weights(latitude), dims="latitude")

        def mean(values):
            return xr.DataArray(values, dims=DIMENSIONS).weighted(weights).mean(("latitude", "longitude"))

        predicted, observed = forecast - climatology, truth - climatology
        acc = mean(predicted * observed) / np.sqrt(mean(predicted**2) * mean(observed**2))
        np.testing.assert_allclose(statistics.acc(), acc.mean("time"), rtol=1e-9)


class TestAddingUp:
    @settings(deadline=None, max_examples=30)
    @given(seed=st.integers(0, 1000), cut=st.integers(1, 6))
    def test_unequal_batches_give_the_whole(self, seed, cut):
        *fields, mask = random_case(seed, samples=7)
        scorer = Scorer(["a", "b"], np.linspace(50.0, -50.0, 6), mask)
        whole = scorer.statistics(*fields)
        parts = [scorer.statistics(*(field[piece] for field in fields)) for piece in (np.s_[:cut], np.s_[cut:])]
        added = parts[0] + parts[1]
        assert added.samples == 7
        for order in ("pooled", "per_sample"):
            np.testing.assert_allclose(added.rmse(order), whole.rmse(order), rtol=1e-12)
        np.testing.assert_allclose(added.acc(), whole.acc(), rtol=1e-12)

    @settings(deadline=None, max_examples=30)
    @given(seed=st.integers(0, 1000), ranks=st.lists(st.integers(0, 3), min_size=7, max_size=7))
    @pytest.mark.parametrize("method", ["masked", "published"])
    def test_any_share_among_ranks_gives_the_whole(self, method, seed, ranks):
        """Each sample goes to the rank drawn for it; ranks are added in whatever order, some may have none."""
        *fields, mask = random_case(seed, samples=7)
        scorer = Scorer(["a", "b"], np.linspace(50.0, -50.0, 6), mask, method=method)
        whole = scorer.statistics(*fields)
        shares = [np.flatnonzero(np.array(ranks) == rank) for rank in dict.fromkeys(ranks)]
        parts = [scorer.statistics(*(field[share] for field in fields)) for share in shares]
        added = functools.reduce(operator.add, parts)
        assert added.samples == 7
        for order in ("pooled", "per_sample"):
            np.testing.assert_allclose(added.rmse(order), whole.rmse(order), rtol=1e-12)
        np.testing.assert_allclose(added.acc(), whole.acc(), rtol=1e-9)

    def test_table_keeps_forecasters_and_lead_times_apart(self):
        _, truth, climatology, mask = random_case(0)
        table = SkillTable(Scorer(["a", "b"], np.linspace(50.0, -50.0, 6), mask))
        for batch in (np.s_[:3], np.s_[3:]):
            for lead_h, error in ((6.0, 1.0), (12.0, 2.0)):
                table.add("model", lead_h, truth[batch] + error, truth[batch], climatology[batch])
            table.add("climatology", 6.0, climatology[batch], truth[batch], climatology[batch])
        found = {(score.forecaster, score.lead_h, score.channel): score for score in table.scores()}
        assert len(found) == 6
        assert found["model", 6.0, "a"].rmse == pytest.approx(1.0)
        assert found["model", 12.0, "b"].rmse == pytest.approx(2.0)
        assert found["model", 12.0, "b"].samples == 4
        assert found["climatology", 6.0, "a"].acc is None


class TestMask:
    @settings(deadline=None, max_examples=20)
    @given(seed=st.integers(0, 1000), land=st.sampled_from([np.nan, 0.0, 1e30]))
    def test_land_changes_nothing_whatever_is_written_there(self, seed, land):
        *fields, mask = random_case(seed)
        scorer = Scorer(["a", "b"], np.linspace(50.0, -50.0, 6), mask)
        reference = scorer.statistics(*fields)
        filled = scorer.statistics(*(np.where(mask, field, land) for field in fields))
        np.testing.assert_array_equal(filled.rmse(), reference.rmse())
        np.testing.assert_array_equal(filled.acc(), reference.acc())

    @pytest.mark.parametrize(("value", "expected"), [(np.nan, np.isnan), (np.inf, np.isposinf), (-np.inf, np.isposinf)])
    def test_what_blows_up_costs_no_other_channel_and_no_other_lead_time(self, value, expected):
        forecast, truth, climatology, mask = random_case(0)
        latitude = np.linspace(50.0, -50.0, 6)
        mask[1, 0, 0] = True
        right = Scorer(["so", "thetao"], latitude, mask).statistics(forecast, truth, climatology)
        table = SkillTable(Scorer(["so", "thetao"], latitude, mask))
        table.add("model", 6.0, forecast, truth, climatology)
        forecast = forecast.copy()
        forecast[2, 1, 0, 0] = value
        table.add("model", 24.0, forecast, truth, climatology)
        found = {(score.channel, score.lead_h): score for score in table.scores()}
        assert [found[place].rmse for place in (("so", 6.0), ("thetao", 6.0))] == list(right.rmse())
        assert (found["so", 24.0].rmse, found["so", 24.0].acc) == (right.rmse()[0], right.acc()[0])
        assert expected(found["thetao", 24.0].rmse)
        assert found["thetao", 24.0].acc is None

    def test_squares_are_float64(self):
        """3e38 and -3e38 differ by 6e38, whose square float32 cannot hold; neither can it hold 2e19 squared."""
        mask = np.ones((2, 2, 3), dtype=bool)
        forecast = np.stack([np.full((2, 3), 3e38), np.full((2, 3), 2e19)])[None].astype(np.float32)
        truth = np.stack([np.full((2, 3), -3e38), np.zeros((2, 3))])[None].astype(np.float32)
        scorer = Scorer(["a", "b"], np.array([10.0, -10.0]), mask)
        found = scorer.statistics(forecast, truth, np.zeros_like(truth))
        np.testing.assert_allclose(found.rmse(), [6e38, 2e19], rtol=1e-6)
        assert found.acc()[0] == pytest.approx(-1)

    def test_differences_are_not_rounded_to_float32(self):
        """At 2^24 float32 has steps of 2, so that it cannot hold an anomaly from 0.5."""
        mask = np.ones((1, 1, 3), dtype=bool)
        truth = np.full((1, 1, 1, 3), 16777216.0, dtype=np.float32)
        climatology = np.full((1, 1, 1, 3), 0.5, dtype=np.float32)
        found = Scorer(["a"], np.array([0.0]), mask).statistics(truth + np.float32(2), truth, climatology)
        assert found.rmse()[0] == 2.0
        forecast, observed = 16777218.0 - 0.5, 16777216.0 - 0.5
        assert found.acc()[0] == pytest.approx(forecast * observed / abs(forecast * observed), rel=1e-15)

    def test_channel_without_a_point_is_refused(self):
        mask = np.ones((2, 3, 4), dtype=bool)
        mask[1] = False
        with pytest.raises(UserError, match="'b' has no point that counts"):
            Scorer(["a", "b"], np.linspace(50.0, -50.0, 3), mask)


class TestPublishedWay:
    """Land filled with 0 and scored: only to be compared with tables that were made so."""

    def test_by_hand(self):
        """Rows at 90 and -90 degrees by row number have weight 0, the one between all of it: 280 and 284, and land.

        Climatology is 281 on average over the two wet points, errors are 1 and 0 of two points (and 0 on land of 3).
        """
        mask = np.array([[[False] * 3, [True, True, False], [False] * 3]])
        truth, forecast, climatology = (
            np.where(mask, np.array([values]), np.nan)[None]
            for values in (
                [[0, 0, 0], [280.0, 284.0, 0], [0, 0, 0]],
                [[0, 0, 0], [281.0, 284.0, 0], [0, 0, 0]],
                [[0, 0, 0], [280.0, 282.0, 0], [0, 0, 0]],
            )
        )
        scorer = Scorer(["t"], np.array([12.0, 11.0, 10.0]), mask, method="published")
        statistics = scorer.statistics(forecast, truth, climatology)
        assert statistics.rmse("per_sample") == pytest.approx(math.sqrt(1 / 3))
        products, squares = 0 * -1 + 3 * 3 + 281**2, (0 + 9 + 281**2, 1 + 9 + 281**2)
        assert statistics.acc() == pytest.approx(products / math.sqrt(squares[0] * squares[1]), rel=1e-12)

    def test_every_definition_says_so_and_the_default_never(self):
        mask = np.ones((1, 3, 4), dtype=bool)
        latitude = np.array([10.0, 0.0, -10.0])
        published = Scorer(["t"], latitude, mask, method="published")
        assert all("published way, for comparison only" in text for text in published.described("hour").values())
        default = Scorer(["t"], latitude, mask)
        assert default.described("hour") == {
            "weights": "area",
            "rmse_order": "pooled",
            "acc": "uncentred, per time, then averaged",
            "climatology": "training period, by hour",
        }

    def test_table_takes_the_order_of_the_method(self):
        mask = np.ones((1, 3, 4), dtype=bool)
        truth = np.zeros((2, 1, 3, 4))
        forecast = truth + np.array([1.0, 3.0])[:, None, None, None]
        found = {}
        for method in ("masked", "published"):
            table = SkillTable(Scorer(["t"], np.array([10.0, 0.0, -10.0]), mask, method=method))
            table.add("model", 6.0, forecast, truth, truth - 1)
            found[method] = table.scores()[0].rmse
        assert found == {"masked": pytest.approx(math.sqrt(5)), "published": pytest.approx(2.0)}


class TestSignatureCase:
    """One-day persistence of temperature in the Gulf of Oman (HYCOM, 65 % land) at the surface and at 800 m."""

    @pytest.fixture(scope="class")
    @classmethod
    def gulf(cls):
        with xr.open_dataset(shared_path("data/ocean/hycom_goo.nc")) as file:
            return file.thetao.sel(depth=[0.0, 800.0]).load()

    def score(self, gulf, fields, climatology, mask):
        scorer = Scorer(["0 m", "800 m"], gulf.lat.values, mask)
        climatology = np.broadcast_to(climatology, fields[1:].shape)
        return scorer.statistics(fields[:-1], fields[1:], climatology)

    def test_land_masked(self, gulf):
        fields = gulf.values
        statistics = self.score(gulf, fields, fields.mean(axis=0), ~np.isnan(fields[0]))
        np.testing.assert_allclose(statistics.acc(), [0.163, 0.086], atol=5e-4)
        np.testing.assert_allclose(statistics.rmse("per_sample"), [0.353, 0.320], atol=5e-4)

    def test_each_pair_at_the_surface(self, gulf):
        fields = gulf.values
        pairs = [self.score(gulf, fields[k : k + 2], fields.mean(axis=0), ~np.isnan(fields[0])) for k in range(5)]
        np.testing.assert_allclose(
            [pair.rmse()[0] for pair in pairs], [0.3457, 0.3527, 0.4190, 0.3541, 0.2923], atol=5e-5
        )
        np.testing.assert_allclose([pair.acc()[0] for pair in pairs], [0.001, 0.314, -0.055, 0.020, 0.533], atol=5e-4)

    @pytest.mark.parametrize(
        ("weights", "acc", "rmse"),
        [("area", [0.9999, 0.9998], [0.257, 0.154]), (None, [0.9998, 0.9998], [0.2945, 0.1572])],
        ids=["by area", "by row number"],
    )
    def test_the_published_way(self, gulf, weights, acc, rmse):
        """Anomalies against one number a channel make the coastline the signal.

        Row numbers stand for latitudes from pole to pole, which changes the RMSE of these three degrees once more.
        """
        fields = gulf.values
        scorer = Scorer(["0 m", "800 m"], gulf.lat.values, ~np.isnan(fields[0]), method="published", weights=weights)
        climatology = np.broadcast_to(fields.mean(axis=0), fields[1:].shape)
        statistics = scorer.statistics(fields[:-1], fields[1:], climatology)
        np.testing.assert_allclose(statistics.acc(), acc, atol=5e-5)
        np.testing.assert_allclose(statistics.rmse("per_sample"), rmse, atol=5e-4)

    def test_zeros_alone_spoil_the_error_and_not_the_correlation(self, gulf):
        """Against a time mean at each point, 0 on land too, land adds no anomaly: the ACC is that of the water."""
        filled = np.nan_to_num(gulf.values)
        statistics = self.score(gulf, filled, filled.mean(axis=0), np.ones(filled.shape[1:], dtype=bool))
        np.testing.assert_allclose(statistics.acc(), [0.163, 0.086], atol=5e-4)
        np.testing.assert_allclose(statistics.rmse("per_sample"), [0.257, 0.154], atol=5e-4)

    def test_pooled_errors(self, gulf):
        fields = gulf.values
        statistics = self.score(gulf, fields, fields.mean(axis=0), ~np.isnan(fields[0]))
        np.testing.assert_allclose(statistics.rmse("pooled"), [0.355, 0.338], atol=5e-4)

    def test_each_depth_by_its_own_mask_agrees_with_scores_and_xarray(self):
        """All levels of temperature with water, 47 to 98 % of their points masked; both packages skip NaN."""
        with xr.open_dataset(shared_path("data/ocean/hycom_goo.nc")) as file:
            water = file.thetao.sel(depth=slice(0, 3000)).astype(np.float64).load()
        fields, latitude = water.transpose("time", "depth", "lat", "lon").values, water.lat.values
        mask = ~np.isnan(fields[0])
        wet_points = mask.sum(axis=(1, 2))
        assert wet_points[0] > wet_points[-1] > 0
        scorer = Scorer([f"{depth:g} m" for depth in water.depth.values], latitude, mask)
        climatology = np.broadcast_to(fields.mean(axis=0), fields[1:].shape)
        statistics = scorer.statistics(fields[:-1], fields[1:], climatology)
        weights = xr.DataArray(latitude_weights(latitude), coords={"lat": latitude})
        before, after = water[:-1].assign_coords(time=water.time[1:]), water[1:]
        rmse = scores.continuous.rmse(before, after, weights=weights, preserve_dims=["time", "depth"])
        np.testing.assert_allclose(statistics.rmse("per_sample"), rmse.mean("time").values, rtol=1e-9)
        mean = water.mean("time")
        covariance = ((before - mean) * (after - mean)).weighted(weights).mean(("lat", "lon"))
        variance = [((part - mean) ** 2).weighted(weights).mean(("lat", "lon")) for part in (before, after)]
        acc = covariance / np.sqrt(variance[0] * variance[1])
        np.testing.assert_allclose(statistics.acc(), acc.mean("time").values, rtol=1e-9)
