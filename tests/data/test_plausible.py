"""What looks wrong without being forbidden is said."""

import numpy as np
import pytest
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.value_ranges import plausible_range
from harness.scenario import catalogue


def source(folder, values, *, units="K", name="t2m", **attributes):
    """One channel of 12 steps on 5 x 6 points."""
    data = archive(names=("t",)).rename(t=name)
    data[name].values[:] = values
    data[name].attrs.update(attributes)
    data.to_netcdf(folder / "a.nc", encoding={name: {"_FillValue": None}})
    channels = [{"name": "c", "variable": name, "units": units}]
    return ArchiveSource(mapping(channels=channels, missing="mask", missing_steps="drop"), folder)


def weather():
    return 280 + np.random.default_rng(0).normal(size=(12, 5, 6))


def doubts_of(found):
    """The cautions of a source on its values; the files here state no units, which is said of them too."""
    return [caution for caution in found.reading.cautions if not caution.startswith("units not stated")]


def test_ordinary_fields_raise_nothing(tmp_path):
    assert doubts_of(source(tmp_path, weather())) == []


@pytest.mark.parametrize("reopened", [False, True])
def test_values_that_no_weather_has(tmp_path, monkeypatch, reopened):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    values = weather()
    values[3, 2, 2] = -9999
    found = source(tmp_path, values)
    if reopened:
        found = ArchiveSource(found._config, tmp_path)
    (caution,) = doubts_of(found)
    assert "a.nc: t2m: c goes from -9999 to 28" in caution
    assert "plausible are 130 to 400: wrong units, or missing values that are not marked?" in caution


def test_a_field_of_one_value_is_said_with_its_step(tmp_path):
    values = weather()
    values[[4, 9]] = 273.0
    (caution,) = doubts_of(source(tmp_path, values))
    assert "c is one value at all points of 2 of 12 steps, the first is step 4: lost or unwritten data?" in caution


def test_the_standard_name_decides_before_the_name(tmp_path):
    found = source(tmp_path, weather() * 360, standard_name="air_pressure_at_sea_level", units="Pa")
    assert doubts_of(found) == []


@pytest.mark.parametrize(
    ("units", "lowest", "highest"), [("K", 130, 400), ("degC", -143.15, 126.85), ("degF", -225.67, 260.33)]
)
def test_the_range_is_in_the_units_of_the_mapping(units, lowest, highest):
    """By hand: C = K - 273.15, F = 1.8 C + 32."""
    found = plausible_range("t2m", None, units)
    assert (found.lowest, found.highest) == pytest.approx((lowest, highest))


def test_nothing_is_said_of_unknown_names_and_units():
    assert plausible_range("chlorophyll", None, "mg m-3") is None
    assert plausible_range("t2m", None, "furlongs") is None
    assert plausible_range("t2m", "brightness_temperature", "K") is None


def test_every_channel_of_the_shipped_mappings_has_units_that_its_range_knows():
    for name in ("era5", "era5_graphcast13", "hycom", "cmems"):
        for channel in catalogue.data(name).channels:
            if plausible_range(channel.variable[-1], None, "") is None:
                known = [plausible_range(each, None, channel.units) for each in channel.variable]
                assert any(known) or channel.name.startswith("tp"), (name, channel.name, channel.units)
