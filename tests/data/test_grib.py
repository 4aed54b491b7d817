"""GRIB files, made here with ecCodes, read through cfgrib."""

import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from test_archive import mapping

from harness.commands.cli import cli
from harness.data.archive import ArchiveSource
from harness.data.config import ArchiveConfig
from harness.data.drafting import draft
from harness.data.grib import open_grib
from harness.errors import UserError

eccodes = pytest.importorskip("eccodes")
pytest.importorskip("cfgrib")

LATITUDE, LONGITUDE = np.linspace(60.0, -60.0, 5), np.arange(8) * 45.0
GRID = {
    "Ni": 8,
    "Nj": 5,
    "latitudeOfFirstGridPointInDegrees": 60.0,
    "latitudeOfLastGridPointInDegrees": -60.0,
    "longitudeOfFirstGridPointInDegrees": 0.0,
    "longitudeOfLastGridPointInDegrees": 315.0,
    "iDirectionIncrementInDegrees": 45.0,
    "jDirectionIncrementInDegrees": 30.0,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def message(name, values, *, date, hour=0, level=None, number=None, step=0):
    """A message of GRIB 2; NaN are points without values."""
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2" if level is None else "regular_ll_pl_grib2")
    settings = {**GRID, "dataDate": date, "dataTime": hour * 100}
    if number is not None:
        settings |= {"productDefinitionTemplateNumber": 1, "number": number}
    settings |= {"stepRange": str(step), "shortName": name}
    settings |= {} if level is None else {"level": level}
    for key, value in settings.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set(handle, "bitmapPresent", int(np.isnan(values).any()))
    eccodes.codes_set(handle, "missingValue", 9999.0)
    eccodes.codes_set(handle, "bitsPerValue", 24)
    eccodes.codes_set_values(handle, np.where(np.isnan(values), 9999.0, values).ravel())
    content = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return content


def field(seed):
    return 270 + np.random.default_rng(seed).uniform(-10, 10, (5, 8))


def write(path, *, members=(None,), steps=(0,)):
    """Surface and two levels at 4 times twelve-hourly; (time, member, step) by the seed of t2m."""
    surface = {}
    with path.open("wb") as file:
        for time in range(4):
            date, hour = 20200228 + time // 2, time % 2 * 12
            for m, member in enumerate(members):
                for s, step in enumerate(steps):
                    surface[time, m, s] = field(100 * time + 10 * m + s)
                    file.write(message("2t", surface[time, m, s], date=date, hour=hour, number=member, step=step))
                    for level in (500, 850):
                        values = field(10_000 + level + time)
                        file.write(message("t", values, date=date, hour=hour, level=level, number=member, step=step))
    return surface


def config(**changes):
    channels = [
        {"name": "t2m", "variable": "t2m", "units": "K"},
        {"name": "t500", "variable": "t", "level": 500, "units": "K"},
    ]
    return mapping(**{"files": "*.grib", "channels": channels, "dimensions": {"level": "isobaricInhPa"}, **changes})


def test_fields_levels_and_times(tmp_path):
    surface = write(tmp_path / "a.grib")
    source = ArchiveSource(config(), tmp_path)
    assert [str(time)[:13] for time in source.times[[0, 3]]] == ["2020-02-28T00", "2020-02-29T12"]
    np.testing.assert_allclose(source.latitude, LATITUDE)
    np.testing.assert_allclose(source.longitude, LONGITUDE)
    np.testing.assert_allclose(source.read([3])[0, 0], surface[3, 0, 0], atol=1e-4)
    np.testing.assert_allclose(source.read([2])[0, 1], field(10_502), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.grib"]


def test_members_and_forecast_steps_are_selected(tmp_path):
    surface = write(tmp_path / "a.grib", members=(0, 2), steps=(0, 6))
    with pytest.raises(
        UserError, match=r"dimensions that the mapping does not name: number \(2\), step \(2\); `select`"
    ):
        ArchiveSource(config(), tmp_path)
    source = ArchiveSource(config(select={"number": 2, "step": 6}), tmp_path)
    np.testing.assert_allclose(source.read([3])[0, 0], surface[3, 1, 1], atol=1e-4)
    assert str(source.times[0])[:13] == "2020-02-28T06"
    first = ArchiveSource(config(select={"number": 0, "step": 0}), tmp_path)
    np.testing.assert_allclose(first.read([3])[0, 0], surface[3, 0, 0], atol=1e-4)


def test_points_of_the_bitmap_are_missing(tmp_path):
    with (tmp_path / "a.grib").open("wb") as file:
        for day in range(4):
            values = field(day)
            values[1, 2] = np.nan
            file.write(message("2t", values, date=20200101 + day))
    channels = [{"name": "t2m", "variable": "t2m", "units": "K"}]
    source = ArchiveSource(config(channels=channels, missing="mask"), tmp_path)
    assert np.argwhere(~source.mask).tolist() == [[0, 1, 2]]


def test_a_file_that_ends_inside_a_message(tmp_path):
    write(tmp_path / "a.grib")
    content = (tmp_path / "a.grib").read_bytes()
    (tmp_path / "a.grib").write_bytes(content[:-70])
    with pytest.raises(UserError, match=r"a.grib: a GRIB file that ends inside a message: get it again"):
        ArchiveSource(config(), tmp_path)


def test_without_cfgrib_the_extra_is_named(tmp_path, monkeypatch):
    write(tmp_path / "a.grib")
    monkeypatch.setitem(sys.modules, "cfgrib", None)
    with pytest.raises(UserError, match=r"a.grib: is a GRIB file; to read it: pip install 'crosscast\[grib\]'"):
        ArchiveSource(config(), tmp_path)


def test_variables_of_different_steps_are_not_joined(tmp_path):
    with (tmp_path / "a.grib").open("wb") as file:
        for day in range(3):
            file.write(message("2t", field(day), date=20200101 + day))
            file.write(message("sp", field(day), date=20200101 + day, step=6))
    with pytest.raises(UserError, match=r"a.grib: .*split"):
        open_grib(tmp_path / "a.grib")


def test_a_mapping_is_drafted_that_reads_it(tmp_path):
    surface = write(tmp_path / "a.grib", members=(0, 1), steps=(0, 6))
    text = CliRunner().invoke(cli, ["mapping", str(tmp_path)]).output
    assert text == draft(tmp_path)
    assert "select: {number: 0.0, step: 0.0}" in text
    drafted = yaml.safe_load(text)
    assert drafted["channels"][1] == {"name": "t", "variable": "t", "levels": [850.0, 500.0], "units": "K"}
    source = ArchiveSource(ArchiveConfig(**drafted), tmp_path)
    assert source.channels == ("t2m", "t850", "t500")
    np.testing.assert_allclose(source.read([3])[0, 0], surface[3, 0, 0], atol=1e-4)
