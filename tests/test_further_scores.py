"""Bias, mean absolute error and activity: by hand, against other packages, and added up."""

import functools
import operator

import numpy as np
import pytest
import scores
import xarray as xr

from harness.models.cell_area import latitude_weights
from harness.runners.skill import Scorer, SkillTable

LATITUDE = np.linspace(70.0, -10.0, 6)
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


def random_fields(seed, samples=5):
    """Forecast, truth and climatology (n, 2, 6, 8), and a mask of which a quarter is land."""
    random = np.random.default_rng(seed)
    fields = random.normal(280.0, 10.0, (3, samples, 2, 6, 8))
    return (*fields, random.random((2, 6, 8)) > 0.25)


def test_by_hand():
    """Equal areas, climatology 10: errors (1 -1 1 1), anomalies (2 1 1 -1) of the forecast, (1 2 0 -2) of the truth."""
    truth, forecast = np.array([[11.0, 12.0], [10.0, 8.0]]), np.array([[12.0, 11.0], [11.0, 9.0]])
    scorer = Scorer(["t"], np.array([45.0, -45.0]), np.ones((1, 2, 2), bool))
    found = scorer.statistics(forecast[None, None], truth[None, None], np.full((1, 1, 2, 2), 10.0))
    assert found.bias() == pytest.approx(0.5)
    assert found.mae() == pytest.approx(1.0)
    assert found.activity() == pytest.approx(np.sqrt((7 / 4 - 0.75**2) / (9 / 4 - 0.25**2)))


@pytest.mark.parametrize("seed", range(3))
def test_bias_and_mae_of_the_scores_package(seed):
    forecast, truth, climatology, mask = random_fields(seed)
    found = Scorer(["a", "b"], LATITUDE, mask).statistics(forecast, truth, climatology)
    weights = xr.DataArray(latitude_weights(LATITUDE), dims="latitude", coords={"latitude": LATITUDE})
    for channel in range(2):
        fields = [
            xr.DataArray(
                np.where(mask[channel], field[:, channel], np.nan),
                dims=("time", "latitude", "longitude"),
                coords={"latitude": LATITUDE},
            )
            for field in (forecast, truth)
        ]
        bias = scores.continuous.additive_bias(*fields, weights=weights)
        mae = scores.continuous.mae(*fields, weights=weights)
        assert found.bias()[channel] == pytest.approx(float(bias), rel=1e-9)
        assert found.mae()[channel] == pytest.approx(float(mae), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_activity_of_weighted_variances_of_xarray(seed):
    forecast, truth, climatology, mask = random_fields(seed)
    found = Scorer(["a", "b"], LATITUDE, mask).statistics(forecast, truth, climatology)
    weights = xr.DataArray(latitude_weights(LATITUDE), dims="latitude")
    points = xr.DataArray(mask, dims=("channel", "latitude", "longitude"))
    variances = [
        xr.DataArray(field - climatology, dims=("time", "channel", "latitude", "longitude"))
        .where(points)
        .weighted(weights)
        .var(("latitude", "longitude"))
        .mean("time")
        for field in (forecast, truth)
    ]
    np.testing.assert_allclose(found.activity(), np.sqrt(variances[0] / variances[1]), **TOLERANCE)


def test_unequal_batches_add_up_to_the_whole():
    *fields, mask = random_fields(0)
    scorer = Scorer(["a", "b"], LATITUDE, mask)
    whole = scorer.statistics(*fields)
    parts = [scorer.statistics(*(field[part] for field in fields)) for part in (np.s_[:1], np.s_[1:4], np.s_[4:])]
    added = functools.reduce(operator.add, parts)
    for name in ("bias", "mae", "activity"):
        np.testing.assert_allclose(getattr(added, name)(), getattr(whole, name)(), **TOLERANCE)


def test_equal_anomalies_have_no_activity_whatever_rounding_leaves():
    mask = np.zeros((1, 6, 8), bool)
    mask[0, 2, 3] = True
    fields = np.random.default_rng(0).normal(280.0, 10.0, (3, 4, 1, 6, 8))
    assert np.isnan(Scorer(["t"], LATITUDE, mask).statistics(*fields).activity()).all()
    whole = np.ones((1, 6, 8), bool)
    constant = np.full((3, 4, 1, 6, 8), [[[[[280.1]]]], [[[[279.3]]]], [[[[281.7]]]]])
    assert np.isnan(Scorer(["t"], LATITUDE, whole).statistics(*constant).activity()).all()


def test_what_is_not_defined_or_blew_up_has_no_value():
    _, truth, _, mask = random_fields(0)
    table = SkillTable(Scorer(["a", "b"], LATITUDE, mask))
    broken = np.where(np.arange(2)[:, None, None] == 0, np.inf, truth)
    table.add("model", 6.0, broken, truth, truth)
    blown_up, at_rest = table.scores()
    assert (blown_up.bias, blown_up.mae, blown_up.activity) == (None, None, None)
    assert (at_rest.bias, at_rest.mae, at_rest.activity) == (0.0, 0.0, None)
