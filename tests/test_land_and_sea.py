"""Scores of land and sea: where land is, against weighted means by hand, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from harness.data.config import ArchiveConfig
from harness.data.land import land_of
from harness.data.opening import open_source
from harness.errors import UserError
from harness.models.cell_area import latitude_weights
from harness.models.domain import ChannelInfo
from harness.runners.skill import Scorer
from harness.scenario import catalogue
from harness.scenario.regions import Region
from harness.scenario.schema import InferenceConfig
from tests.launch.conftest import run_in, write_micro
from tests.shared import shared_path

LATITUDE = np.linspace(60.0, -60.0, 5)
RANDOM = np.random.default_rng(9)
LAND = RANDOM.random((5, 8)) > 0.6
MASK = RANDOM.random((1, 5, 8)) > 0.2


def region_of(name):
    return catalogue.regions(InferenceConfig(regions=(name,)))[name]


def source_of(mask=MASK, **statics):
    fields = np.array([np.broadcast_to(field, mask.shape[1:]) for field in statics.values()], dtype=np.float32)
    return SimpleNamespace(
        statics=tuple(statics),
        read_statics=lambda: fields,
        mask=mask,
        channel_info=(ChannelInfo(name="t", variable="t", level=850.0, level_units="hPa"),),
    )


@pytest.mark.parametrize("name", ["lsm", "land_sea_mask"])
def test_land_is_where_more_than_half_of_a_cell_is(name):
    fraction = np.where(LAND, 0.51, 0.5)
    assert np.array_equal(land_of(source_of(height=np.ones(8), **{name: fraction})), LAND)


def test_land_of_an_ocean_is_where_no_depth_has_values():
    mask = np.stack([~LAND, ~LAND & (np.arange(8) > 3)])
    ocean = source_of(mask)
    ocean.channel_info = (ChannelInfo(name="T0", variable="T", level=0.0, level_units="m"),)
    assert np.array_equal(land_of(ocean), LAND)


def test_holes_in_the_data_of_an_atmosphere_are_no_land():
    assert land_of(source_of()) is None


def test_a_mapping_names_the_mask_of_an_archive(tmp_path):
    place = {"latitude": LATITUDE, "longitude": np.arange(8) * 45.0}
    times = pd.date_range("2001-01-01", periods=4, freq="6h")
    fields = RANDOM.normal(280.0, 5.0, (4, 5, 8)).astype("f4")
    variables = {"t": (("time", *place), fields, {"units": "K"}), "mask": (tuple(place), LAND.astype("f4"))}
    xr.Dataset(variables, {"time": times, **place}).to_netcdf(tmp_path / "a.nc")
    names = {"channels": [{"name": "t", "variable": "t", "units": "K"}]}
    static = {"name": "lsm", "variable": "mask", "units": "1"}
    for statics, expected in (([static], LAND), ([], None)):
        config = ArchiveConfig.model_validate({"kind": "archive", "files": "*.nc", **names, "statics": statics})
        assert np.array_equal(land_of(open_source(config, path=tmp_path)), expected)


def test_land_of_the_gulf_of_oman_is_where_its_surface_has_no_water():
    path = shared_path("data/ocean/hycom_goo.nc")
    with xr.open_dataset(path) as data:
        surface = data["thetao"].isel(depth=0).to_numpy()
    source = open_source(catalogue.data("hycom_goo"), path=path)
    assert np.array_equal(land_of(source), np.isnan(surface).all(axis=0))
    assert 0.4 < land_of(source).mean() < 0.6


def test_a_mask_that_is_no_fraction_is_refused_in_one_line():
    with pytest.raises(UserError, match="'lsm' has values from 0 to 100, and a land-sea mask is a fraction"):
        land_of(source_of(lsm=np.where(LAND, 100.0, 0.0)))


def test_a_mask_of_an_ocean_that_is_1_on_the_sea_is_refused_and_one_on_land_is_taken():
    ocean = source_of(np.stack([~LAND, ~LAND & (np.arange(8) > 3)]), lsm=LAND)
    ocean.channel_info = (ChannelInfo(name="T0", variable="T", level=0.0, level_units="m"),)
    assert np.array_equal(land_of(ocean), LAND)
    ocean.read_statics = lambda: np.array([~LAND], dtype=np.float32)
    with pytest.raises(UserError, match=f"land at {(~LAND).sum()} of the {(~LAND).sum()} points where .* 1 on the sea"):
        land_of(ocean)


@pytest.mark.parametrize("name", ["land", "sea"])
def test_scores_are_weighted_means_over_the_points_of_the_surface(name):
    forecast, truth = RANDOM.normal(280.0, 5.0, (2, 3, 1, 5, 8))
    points = MASK[0] & (LAND if name == "land" else ~LAND)
    weights = latitude_weights(LATITUDE)[:, None] * points
    expected = np.sqrt((np.square(forecast - truth)[:, 0] * weights).sum(axis=(1, 2)).mean() / weights.sum())
    found = Scorer(["t"], LATITUDE, MASK, region=region_of(name), land=LAND).statistics(forecast, truth, truth)
    assert found.rmse()[0] == pytest.approx(expected, rel=1e-12)


def test_land_and_sea_make_up_the_whole():
    forecast, truth = RANDOM.normal(280.0, 5.0, (2, 3, 1, 5, 8))
    area = latitude_weights(LATITUDE)[:, None] * MASK[0]
    share = area[LAND].sum() / area.sum()
    whole, land, sea = (
        Scorer(["t"], LATITUDE, MASK, region=region, land=LAND).statistics(forecast, truth, truth).squared_error
        for region in (None, region_of("land"), region_of("sea"))
    )
    assert share * land + (1 - share) * sea == pytest.approx(whole, rel=1e-12)


def test_bounds_and_surface_stand_together():
    region = Region(name="tropical sea", latitude=({"south": -35, "north": 35},), surface="sea")
    assert str(region) == "tropical sea: -35 to 35 degrees north, sea alone"
    forecast, truth = RANDOM.normal(280.0, 5.0, (2, 1, 1, 5, 8))
    points = MASK[0] & ~LAND & (abs(LATITUDE) <= 35)[:, None]
    weights = latitude_weights(LATITUDE)[:, None] * points
    expected = (np.square(forecast - truth)[0, 0] * weights).sum() / weights.sum()
    found = Scorer(["t"], LATITUDE, MASK, region=region, land=LAND).statistics(forecast, truth, truth)
    assert found.squared_error[0] == pytest.approx(expected, rel=1e-12)


def test_data_that_do_not_say_where_land_is_are_refused_before_the_first_launch(tmp_path):
    suite = write_micro(tmp_path, preset={"inference": {"regions": ["land"]}})
    done = run_in(tmp_path, "bench", "--suite", suite)
    assert done.returncode == 2
    assert "region 'land' is land alone, and the data do not say where land is" in done.stderr
    assert "leave 'land' out of inference.regions; nothing was launched" in done.stderr
    assert "Traceback" not in done.stderr
