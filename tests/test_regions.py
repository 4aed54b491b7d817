"""Scores of regions: against xarray, against the whole that they make up, from a suite to the table."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from harness.errors import UserError
from harness.models.cell_area import latitude_weights
from harness.runners.skill import Scorer, columns_of, rows_of
from harness.scenario import catalogue
from harness.scenario.regions import Region
from harness.scenario.schema import InferenceConfig
from tests.launch.conftest import run_in, write_micro

LATITUDE = np.linspace(90.0, -90.0, 19)
LONGITUDE = np.arange(0.0, 360.0, 15.0)
BY_HAND = {
    "tropics": (abs(LATITUDE) <= 20, slice(None)),
    "extratropics": (abs(LATITUDE) >= 20, slice(None)),
    "europe": ((LATITUDE >= 35) & (LATITUDE <= 75), [0, 15, 30]),
    "north pacific": ((LATITUDE >= 25) & (LATITUDE <= 60), [150, 165, 180, 195, 210, 225]),
}


def region_of(name):
    return catalogue.regions(InferenceConfig(regions=(name,)))[name]


@pytest.fixture(scope="module")
def fields():
    """Forecast, truth and climatology (5, 1, 19, 24), and a mask of which a quarter is land."""
    random = np.random.default_rng(5)
    shape = (1, len(LATITUDE), len(LONGITUDE))
    return (*random.normal(280.0, 10.0, (3, 5, *shape)), random.random(shape) > 0.25)


@pytest.mark.parametrize("first", [-1800, 0], ids=["from the date line", "from Greenwich"])
@pytest.mark.parametrize(("west", "east"), [(-126, 424), (3503, 107), (1701, -1701), (0, 3600)])
def test_bounds_belong_to_a_region_though_degrees_are_rounded_to_float32(first, west, east):
    """Tenths of a degree, counted in whole numbers."""
    longitude, latitude = first + np.arange(3600), np.arange(-900, 901)
    region = Region(name="made", west=west / 10, east=east / 10, latitude=[{"south": -20.3, "north": 77.7}])
    rounded = [(tenths / 10).astype(np.float32).astype(np.float64) for tenths in (longitude, latitude)]
    inside = (longitude - west) % 3600 <= (east - west if east - west == 3600 else (east - west) % 3600)
    assert np.array_equal(columns_of(region, rounded[0], 3600), np.flatnonzero(inside))
    assert np.array_equal(rows_of(region, rounded[1]), np.flatnonzero((latitude >= -203) & (latitude <= 777)))


@pytest.mark.parametrize("name", BY_HAND)
def test_scores_are_those_of_xarray_within_the_bounds(fields, name):
    *given, mask = fields
    found = Scorer(["t"], LATITUDE, mask, longitude=LONGITUDE, region=region_of(name)).statistics(*given)
    rows, columns = BY_HAND[name]
    coordinates = {"latitude": LATITUDE, "longitude": LONGITUDE}
    weights = xr.DataArray(latitude_weights(LATITUDE), dims="latitude", coords={"latitude": LATITUDE})
    forecast, truth, climatology = (
        xr.DataArray(np.where(mask[0], field[:, 0], np.nan), dims=("time", *coordinates), coords=coordinates)
        .isel(latitude=rows)
        .sel(longitude=columns)
        .weighted(weights.isel(latitude=rows))
        for field in given
    )

    def mean(values):
        return values.weighted(weights.isel(latitude=rows)).mean(("latitude", "longitude"))

    error = forecast.obj - truth.obj
    predicted, observed = forecast.obj - climatology.obj, truth.obj - climatology.obj
    acc = mean(predicted * observed) / np.sqrt(mean(predicted**2) * mean(observed**2))
    assert found.rmse()[0] == pytest.approx(float(np.sqrt(mean(error**2).mean())), rel=1e-9)
    assert found.bias()[0] == pytest.approx(float(mean(error).mean()), rel=1e-9)
    assert found.mae()[0] == pytest.approx(float(mean(abs(error)).mean()), rel=1e-9)
    assert found.acc()[0] == pytest.approx(float(acc.mean()), rel=1e-9)


def test_tropics_and_extratropics_make_up_the_whole_where_no_row_lies_between(fields):
    *given, mask = fields
    latitude = LATITUDE * 0.99
    whole = Scorer(["t"], latitude, mask).statistics(*given).squared_error
    area = latitude_weights(latitude)[:, None] * mask[0]
    part = area[abs(latitude) <= 20].sum() / area.sum()
    tropics, others = (
        Scorer(["t"], latitude, mask, region=region_of(name)).statistics(*given).squared_error
        for name in ("tropics", "extratropics")
    )
    assert part * tropics + (1 - part) * others == pytest.approx(whole, rel=1e-12)


def test_a_region_without_points_is_named(fields):
    region = Region(name="nowhere", latitude=({"south": 41, "north": 49},))
    with pytest.raises(UserError, match="channel 't' has no point of nowhere that counts"):
        Scorer(["t"], LATITUDE, fields[3], region=region)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"regions": ["tropics", "tropics"]}, "a name stands there twice"),
        ({"regions": ["tropics"], "skill": "published"}, "the published way of scoring knows no regions"),
        ({"regions": [{"name": "x", "latitude": [{"south": 20, "north": -20}]}]}, "south must be less than north"),
        ({"regions": [{"name": "x", "west": 3}]}, "west and east belong together"),
    ],
)
def test_what_cannot_be_a_region_is_refused(given, complaint):
    with pytest.raises(ValidationError, match=re.escape(complaint)):
        InferenceConfig.model_validate(given)


@pytest.mark.parametrize("meridians", [{"west": -180, "east": 180}, {"west": 0, "east": 360}])
def test_meridians_a_whole_turn_apart_leave_no_column_out(fields, meridians):
    *given, mask = fields
    whole, turned = (
        Scorer(["t"], LATITUDE, mask, longitude=LONGITUDE, region=region).statistics(*given).squared_error
        for region in (None, Region(name="all", **meridians))
    )
    assert turned == pytest.approx(whole, rel=1e-12)


def test_a_region_without_points_is_refused_before_the_first_launch(tmp_path):
    suite = write_micro(tmp_path, preset={"inference": {"regions": [{"name": "here", "west": 1, "east": 2}]}})
    done = run_in(tmp_path, "bench", "--suite", suite)
    assert done.returncode == 2
    assert "has no point of here that counts" in done.stderr
    assert "leave 'here' out of inference.regions; nothing was launched" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_is_none_has_the_nearest_one():
    with pytest.raises(UserError, match=r"'tropic' is not in scenarios/regions\.yaml; did you mean 'tropics'"):
        catalogue.regions(InferenceConfig(regions=("tropic",)))


def test_a_bench_scores_the_regions_that_its_user_sets(tmp_path):
    suite = write_micro(tmp_path, idle_s=0)
    done = run_in(tmp_path, "bench", "--suite", suite, "--set", "inference.regions=[tropics, extratropics]")
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("results/*/*/*/record.json")
    scores = json.loads(path.read_text())["measurements"]["skill"]["scores"]
    whole = [score for score in scores if score["region"] is None]
    assert {score["region"] for score in scores} == {None, "tropics", "extratropics"}
    assert len(scores) == 3 * len(whole)
    table = (tmp_path / "results/micro/tables/skill.csv").read_text()
    assert ", tropics" in table
    shown = (tmp_path / "results/micro/tables/skill.md").read_text()
    assert "tropics: -20 to 20 degrees north" in shown
    assert "extratropics: -90 to -20 degrees north and 20 to 90 degrees north" in shown
