"""Errors of each point: by hand, against xarray, over ranks, and of a forecast that blew up."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from harness.models.cell_area import latitude_weights
from harness.results.error_maps import ErrorMaps
from harness.runners.error_maps import ErrorMap
from harness.runners.skill import Scorer
from tests.runners.made_ranks import at_once

HEIGHT, WIDTH = 4, 6


def world(channels=2, width=WIDTH):
    mask = np.ones((channels, HEIGHT, width), bool)
    mask[0, 0, 0] = False
    return SimpleNamespace(
        channels=tuple(f"c{number}" for number in range(channels)),
        units=("K",) * channels,
        latitude=np.linspace(60.0, -60.0, HEIGHT),
        longitude=np.arange(width) * 360.0 / width,
        mask=mask,
    )


def fields_of(source, samples=5):
    shape = (2, samples, len(source.channels), HEIGHT, len(source.longitude))
    return np.where(source.mask, np.random.default_rng(4).normal(280.0, 3.0, shape), np.nan).astype(np.float32)


def rmse(kept):
    return np.sqrt(kept.squared_error / kept.samples[:, None, None, None])


def test_a_point_has_the_root_mean_square_of_its_errors():
    source = world()
    errors = ErrorMap(source)
    truth = np.zeros((2, 2, HEIGHT, WIDTH))
    forecast = truth.copy()
    forecast[:, 1, 2, 3] = 3.0, -5.0
    errors.add(6.0, forecast, truth)
    found = rmse(errors.kept())
    assert found[0, 1, 2, 3] == pytest.approx(np.sqrt((9 + 25) / 2))
    assert np.nansum(found) == found[0, 1, 2, 3]
    assert np.isnan(found[0, 0, 0, 0])
    assert np.isnan(found).sum() == 1


def test_maps_are_those_of_xarray_and_their_mean_is_the_score():
    source = world()
    forecast, truth = fields_of(source)
    errors = ErrorMap(source)
    for part in (np.s_[:2], np.s_[2:]):
        errors.add(6.0, forecast[part], truth[part])
    kept = errors.kept()
    difference = xr.DataArray(forecast - truth, dims=("time", "channel", "y", "x"))
    np.testing.assert_allclose(rmse(kept)[0], np.sqrt((difference**2).mean("time", skipna=False)), rtol=1e-5)
    weights = latitude_weights(source.latitude)[:, None] * source.mask
    mean = (np.nan_to_num(kept.squared_error[0] / 5) * weights).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
    scored = Scorer(source.channels, source.latitude, source.mask).statistics(forecast, truth, truth).rmse()
    np.testing.assert_allclose(np.sqrt(mean), scored, rtol=1e-5)


def test_ranks_add_up_though_one_has_no_sample():
    source = world()
    forecast, truth = fields_of(source)
    alone = ErrorMap(source)
    alone.add(6.0, forecast, truth)

    def of_rank(ranks):
        own = ErrorMap(source)
        if ranks.rank.number < 2:
            own.add(6.0, forecast[ranks.rank.number :: 2], truth[ranks.rank.number :: 2])
        own.sum_over(ranks, [6.0])
        return own.kept()

    for found in at_once(3, of_rank):
        assert list(found.samples) == [5]
        np.testing.assert_allclose(found.squared_error, alone.kept().squared_error, rtol=1e-6)


def test_a_wide_grid_keeps_every_other_column_and_many_channels_three(tmp_path):
    source = world(channels=7, width=720)
    errors = ErrorMap(source)
    errors.add(6.0, *fields_of(source, samples=1))
    errors.kept().save(tmp_path / "error-maps.npz")
    kept = ErrorMaps.load(tmp_path / "error-maps.npz")
    assert (kept.channels, kept.stride) == (("c0", "c3", "c6"), 2)
    assert kept.squared_error.shape == (1, 3, 2, 360)
    assert list(kept.latitude) == list(source.latitude[::2])


def test_where_a_forecast_blew_up_the_error_is_infinite(tmp_path):
    source = world()
    forecast, truth = fields_of(source)
    forecast[0, 1, 1, 1], forecast[1, 1, 2, 2] = np.nan, np.inf
    errors = ErrorMap(source)
    errors.add(6.0, forecast, truth)
    errors.kept().save(tmp_path / "error-maps.npz")
    kept = ErrorMaps.load(tmp_path / "error-maps.npz").squared_error[0, 1]
    assert list(zip(*np.nonzero(np.isinf(kept)), strict=True)) == [(1, 1), (2, 2)]
