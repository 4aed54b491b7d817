"""Units of files against those of mappings; the right numbers are definitions of the units, written out by hand."""

import math

import numpy as np
import pytest
import xarray as xr
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.units import conversion, stated_units
from harness.errors import UserError

SAME = [
    ("K", "Kelvin"),
    ("degC", "degrees_C"),
    ("degC", "degree_Celsius"),
    ("degC", "Celsius"),
    ("degC", "deg C"),
    ("degC", "C"),
    ("degC", "°C"),
    ("hPa", "mb"),
    ("hPa", "millibars"),
    ("hPa", "mbar"),
    ("Pa", "Pascal"),
    ("percent", "%"),
    ("1", "(0 - 1)"),
    ("1", "dimensionless"),
    ("1", "m3 m-3"),
    ("m", "m of water equivalent"),
    ("m", "meters"),
    ("m", "gpm"),
    ("m s-1", "m/s"),
    ("m s-1", "m s**-1"),
    ("m s-1", "m.s-1"),
    ("m s-1", "meter second-1"),
    ("m2 s-2", "m**2 s**-2"),
    ("m2 s-2", "m^2/s^2"),
    ("m2 s-2", "J kg-1"),
    ("kg kg-1", "kg kg**-1"),
    ("Pa s-1", "Pa/s"),
    ("psu", "PSU"),
    ("psu", "1e-3"),
    ("psu", "g/kg"),
    ("psu", "1"),
    ("psu", "psu."),
    ("hPa", "mb."),
]
CONVERTED = [
    ("degC", "K", 1, 273.15),
    ("K", "degC", 1, -273.15),
    ("degF", "K", 5 / 9, 459.67 * 5 / 9),
    ("hPa", "Pa", 100, 0),
    ("mb", "Pa", 100, 0),
    ("dbar", "Pa", 1e4, 0),
    ("mm", "m", 1e-3, 0),
    ("mm of water equivalent", "m", 1e-3, 0),
    ("cm s-1", "m s-1", 1e-2, 0),
    ("knots", "m s-1", 1852 / 3600, 0),
    ("km/h", "m s-1", 1 / 3.6, 0),
    ("mm/day", "m s-1", 1e-3 / 86400, 0),
    ("g kg-1", "kg kg-1", 1e-3, 0),
    ("kg kg-1", "psu", 1000, 0),
    ("1", "percent", 100, 0),
    ("%", "1", 0.01, 0),
    ("radian", "degree", 180 / math.pi, 0),
    ("100 m", "m", 100, 0),
    ("kJ m-2", "J m-2", 1000, 0),
]
KELVINS = (
    "deg K",
    "degree K",
    "degrees K",
    "degs K",
    "deg. K",
    "deg.K",
    "Deg K",
    "° K",
    "°K",
    "oK",
    "deg kelvin",
    "[K]",
)
CELSIUS = (
    *("deg. C", "deg.C", "degs C", "° C", "ºC", "℃", "oC", "Deg. Celsius", "degreesC", "degree-C", "degree celcius"),
    *("degrees_centigrade", "degrees Celsius", "DEG_C", "(degC)", "degC."),
)
FAHRENHEITS = ("deg F", "deg. F", "degree F", "degs F", "℉", "degrees Fahrenheit", "deg Fahrenheit", "F")
PER_SOMETHING = [
    *[
        (text, "K m-1", 1.0)
        for text in ("degC/m", "C m-1", "deg C m-1", "Celsius/m", "°C/m", "deg K/m", "degree K m-1")
    ],
    *[(text, "K s-1", 1 / 86400) for text in ("K/day", "degC/day", "deg C day-1", "deg K/d", "degrees K day-1")],
    ("degF/h", "K s-1", 5 / 9 / 3600),
    ("degC2", "K2", 1.0),
    ("W m-2 degC-1", "W m-2 K-1", 1.0),
    ("deg K m2 kg-1 s-1", "K m2 kg-1 s-1", 1.0),
]
NEITHER_OF_BOTH = ("K deg", "deg*K", "C degrees", "rad K", "kelvin degrees", "0.1 degC", "degC*10", "c", "k")
OF_ANOTHER_DIMENSION = [
    ("m", "m2 s-2"),
    ("gpm", "m2 s-2"),
    ("mm", "m s-1"),
    ("kg m-2", "m"),
    ("J m-2", "W m-2"),
    ("K", "m"),
    ("1", "degree"),
    ("percent", "K"),
]
NO_UNITS = ["wibble", "Code table 4.2", "9**9**9**9", "m" * 1000, "hours since 1900-01-01", "(", "1e999", "°°", "a+b"]


class TestConversion:
    @pytest.mark.parametrize(("wanted", "stated"), SAME)
    def test_spellings_of_one_unit_need_none(self, wanted, stated):
        assert conversion(stated, wanted, "f") is None

    @pytest.mark.parametrize(("stated", "wanted", "factor", "offset"), CONVERTED)
    def test_factor_and_offset_are_those_of_the_definitions(self, stated, wanted, factor, offset):
        found = conversion(stated, wanted, "f")
        assert found.factor == pytest.approx(factor, rel=1e-11)
        assert found.offset == pytest.approx(offset, rel=1e-11)

    @pytest.mark.parametrize(
        ("spellings", "factor", "offset"),
        [(KELVINS, 1, 0), (CELSIUS, 1, 273.15), (FAHRENHEITS, 5 / 9, 459.67 * 5 / 9)],
    )
    def test_a_degree_before_a_scale_of_temperature_is_no_angle(self, spellings, factor, offset):
        found = {text: conversion(text, "K", "f") for text in spellings}
        scales = {text: (1, 0) if each is None else (each.factor, each.offset) for text, each in found.items()}
        assert scales == {text: pytest.approx((factor, offset), rel=1e-11) for text in spellings}

    def test_a_temperature_per_something_is_a_difference_of_temperatures(self):
        found = {text: conversion(text, wanted, "f") for text, wanted, _ in PER_SOMETHING}
        scales = {text: (1, 0) if each is None else (each.factor, each.offset) for text, each in found.items()}
        assert scales == {text: pytest.approx((factor, 0), rel=1e-11) for text, _, factor in PER_SOMETHING}

    @pytest.mark.parametrize("text", NEITHER_OF_BOTH)
    def test_what_may_be_a_temperature_or_an_angle_times_one_is_refused(self, text):
        with pytest.raises(
            UserError, match=r"a.nc: t is in .* and mapped to 'K', |which cannot be converted to the 'K'"
        ):
            conversion(text, "K", "a.nc: t")

    @pytest.mark.parametrize(("stated", "wanted"), [("gr/kg", "kg kg-1"), ("10-3", "psu"), ("psu*1000", "psu")])
    def test_what_pint_reads_otherwise_than_files_mean_it_is_refused(self, stated, wanted):
        """Grains, ten less three, and a scale of salinity that has no multiples."""
        with pytest.raises(UserError):
            conversion(stated, wanted, "f")

    @pytest.mark.parametrize(("stated", "wanted"), OF_ANOTHER_DIMENSION)
    def test_another_dimension_is_refused_with_both_named(self, stated, wanted):
        with pytest.raises(UserError) as refusal:
            conversion(stated, wanted, "a.nc: z")
        assert f"a.nc: z is in '{stated}', which cannot be converted to the '{wanted}'" in str(refusal.value)

    @pytest.mark.parametrize("text", NO_UNITS)
    def test_what_is_no_unit_is_refused_unless_the_mapping_says_the_same(self, text):
        with pytest.raises(UserError, match="is no unit that can be read; if the values are right as they are"):
            conversion(text, "K", "a.nc: t")
        assert conversion(text, text, "a.nc: t") is None

    @pytest.mark.parametrize(
        ("attributes", "found"),
        [
            ({"units": "K"}, "K"),
            ({"Unit": "m s-1"}, "m s-1"),
            ({"UNITS": " Pa "}, "Pa"),
            ({"units": np.float64(0.001)}, "0.001"),
            ({"units": b"degC"}, "degC"),
            ({"units": ""}, None),
            ({"units": "unknown"}, None),
            ({"long_name": "units"}, None),
        ],
    )
    def test_the_attribute_is_found_however_it_is_written(self, attributes, found):
        assert stated_units(attributes) == found


def kelvin(steps=12, units="K"):
    """Two fields about 280 K; the same in other units by the definitions of the units."""
    data = archive(steps) + 280.0
    values = {"K": lambda k: k, "degC": lambda k: k - 273.15, "degF": lambda k: k * 9 / 5 - 459.67}[units]
    data = values(data.astype("f8")).astype("f4")
    for name in data:
        data[name].attrs["units"] = units
    for name, unit in (("latitude", "degrees_north"), ("longitude", "degrees_east")):
        data[name].attrs["units"] = unit
    return data


class TestArchive:
    def test_every_value_is_in_the_units_of_the_mapping(self, tmp_path):
        kelvin(units="degC").to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(), tmp_path)
        expected = np.stack([kelvin()[name].values for name in ("t", "q")], axis=1)
        np.testing.assert_allclose(source.read(range(12)), expected, atol=3e-5)
        (first, second) = source.reading.conversions
        assert (first.field, first.stated, first.wanted, first.factor, first.offset) == ("t", "degC", "K", 1, 273.15)
        assert str(second) == "q: degC converted to K (x 1 + 273.15)"
        assert source.reading.cautions == ()

    def test_packed_values_are_unpacked_before_they_are_converted(self, tmp_path):
        packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 10.0, "_FillValue": -32767}
        kelvin(units="degC").to_netcdf(tmp_path / "a.nc", encoding={"t": packing, "q": packing})
        np.testing.assert_allclose(ArchiveSource(mapping(), tmp_path).read([2])[0, 0], kelvin()["t"][2], atol=6e-3)

    def test_files_that_disagree_are_converted_each(self, tmp_path):
        for name, units, begin in (("a", "K", 0), ("b", "degC", 4), ("c", "degF", 8)):
            kelvin(units=units).isel(time=slice(begin, begin + 4)).to_netcdf(tmp_path / f"{name}.nc")
        source = ArchiveSource(mapping(), tmp_path)
        np.testing.assert_allclose(source.read(range(12))[:, 0], kelvin()["t"].values, atol=6e-5)
        assert "t: degC converted to K (x 1 + 273.15) in 1 of 3 files, the first b.nc" in source.reading.lines

    def test_two_channels_of_one_variable_may_have_different_units(self, tmp_path):
        kelvin().to_netcdf(tmp_path / "a.nc")
        channels = [{"name": unit, "variable": "t", "units": unit} for unit in ("K", "degC")]
        values = ArchiveSource(mapping(channels=channels), tmp_path).read([5])[0]
        np.testing.assert_array_equal(values[0], kelvin()["t"][5])
        np.testing.assert_allclose(values[1], kelvin(units="degC")["t"][5], atol=3e-5)

    def test_forcings_and_static_fields_are_converted_too(self, tmp_path):
        data = kelvin()
        data["still"] = data["q"].isel(time=0, drop=True).assign_attrs(units="km")
        data["wind"] = data["q"].assign_attrs(units="cm s-1")
        data.to_netcdf(tmp_path / "a.nc")
        inputs = {
            "forcings": [{"name": "wind", "variable": "wind", "units": "m s-1"}],
            "statics": [{"name": "height", "variable": "still", "units": "m"}],
        }
        source = ArchiveSource(mapping(**inputs), tmp_path)
        np.testing.assert_allclose(source.read_forcings([3])[0, 0], kelvin()["q"][3] / 100, rtol=1e-6)
        np.testing.assert_allclose(source.read_statics()[0], kelvin()["q"][0] * 1000, rtol=1e-6)

    def test_another_dimension_is_refused_with_the_file_named(self, tmp_path):
        data = kelvin()
        data["q"].attrs["units"] = "m"
        data.to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=r"a.nc: q is in 'm', which cannot be converted to the 'K' of the mapping"):
            ArchiveSource(mapping(), tmp_path)

    def test_units_that_are_not_stated_are_taken_with_a_caution(self, tmp_path):
        data = kelvin()
        del data["q"].attrs["units"]
        data.to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(), tmp_path)
        assert source.reading.cautions == ("units not stated in the files, assumed: q (K)",)

    def test_salinity_in_ones_is_taken_as_practical_with_a_caution(self, tmp_path):
        data = kelvin()
        for name in data:
            data[name].attrs["units"] = "1"
        data.to_netcdf(tmp_path / "a.nc")
        channels = [{"name": "S", "variable": "t", "units": "psu"}]
        source = ArchiveSource(mapping(channels=channels), tmp_path)
        np.testing.assert_array_equal(source.read([0])[0, 0], kelvin()["t"][0])
        assert source.reading.cautions == (
            "t: units '1' of the files taken as practical salinity, as on the scale of 35",
        )

    def test_fingerprint_follows_the_units_of_the_files(self, tmp_path):
        """Numbers that stay the same while their units change are other values."""
        found = []
        for units in ("K", "degC"):
            data = kelvin()
            data["t"].attrs["units"] = units
            (tmp_path / units).mkdir()
            data.to_netcdf(tmp_path / units / "a.nc")
            found.append(ArchiveSource(mapping(), tmp_path / units).fingerprint)
        assert found[0] != found[1]


def profile(levels, units, *, name="plev", positive=None, standard_name=None):
    """z at each of some levels is the number of the level in the file, everywhere and always."""
    values = np.broadcast_to(np.arange(len(levels), dtype="f4")[:, None, None], (4, len(levels), 3, 5))
    noise = np.random.default_rng(0).normal(size=(4, 1, 3, 5)).astype("f4") * 1e-3
    attributes = {"units": units, "positive": positive, "standard_name": standard_name}
    times = np.datetime64("2001-01-01", "ns") + np.timedelta64(1, "D") * np.arange(4)
    coordinates = {
        "time": times,
        name: (name, np.asarray(levels), {key: value for key, value in attributes.items() if value is not None}),
        "latitude": [10.0, 20.0, 30.0],
        "longitude": np.arange(5.0),
    }
    return xr.Dataset(
        {"z": (("time", name, "latitude", "longitude"), values + noise, {"units": "m"})}, coords=coordinates
    )


def numbers_of(folder, wanted, *, name="plev", **changes):
    channels = [{"name": f"z{level:g}", "variable": "z", "level": level, "units": "m"} for level in wanted]
    source = ArchiveSource(mapping(dimensions={"level": name}, channels=channels, **changes), folder)
    return source.read([0])[0, :, 0, 0].round(2).tolist(), source


class TestLevels:
    @pytest.mark.parametrize(
        ("levels", "units"),
        [
            ([100000.0, 85000.0, 50000.0, 500.0], "Pa"),
            ([1000.0, 850.0, 500.0, 5.0], "hPa"),
            ([1000, 850, 500, 5], "millibars"),
            ([1000, 850, 500, 5], "mb"),
            ([100.0, 85.0, 50.0, 0.5], "kPa"),
        ],
    )
    def test_pressures_are_in_hpa(self, tmp_path, levels, units):
        profile(levels, units).to_netcdf(tmp_path / "a.nc")
        numbers, source = numbers_of(tmp_path, [500, 1000])
        assert numbers == [2, 0]
        assert [info.level_units for info in source.channel_info] == ["hPa", "hPa"]

    @pytest.mark.parametrize(
        ("levels", "units", "positive"),
        [
            ([0.0, 50.0, 200.0], "m", "down"),
            ([0.0, 5000.0, 20000.0], "cm", None),
            ([0.0, 0.05, 0.2], "km", "down"),
            ([0.0, -50.0, -200.0], "m", "up"),
            ([0.0, 50.0, 200.0], "meters", None),
            ([0.0, 50.0, 200.0], None, None),
        ],
    )
    def test_depths_are_in_metres_downwards(self, tmp_path, levels, units, positive):
        profile(levels, units, name="depth", positive=positive).to_netcdf(tmp_path / "a.nc")
        numbers, source = numbers_of(tmp_path, [200, 0], name="depth")
        assert numbers == [2, 0]
        assert source.channel_info[0].level_units == "m"

    def test_depths_between_those_of_the_file_are_interpolated_after_conversion(self, tmp_path):
        profile([0.0, 5000.0, 20000.0], "cm", name="depth").to_netcdf(tmp_path / "a.nc")
        assert numbers_of(tmp_path, [125], name="depth", level_method="interpolate")[0] == [1.5]

    @pytest.mark.parametrize("unit", ["Pa", "hPa"])
    def test_files_whose_levels_differ_in_units_are_converted_each(self, tmp_path, unit):
        data = profile([1000.0, 500.0], "hPa")
        data.isel(time=slice(0, 2)).to_netcdf(tmp_path / "a.nc")
        later = data.isel(time=slice(2, 4))
        if unit == "Pa":
            later = later.assign_coords(plev=("plev", [100000.0, 50000.0], {"units": "Pa"}))
        later.to_netcdf(tmp_path / "b.nc")
        _, source = numbers_of(tmp_path, [500])
        assert source.read([3])[0, 0, 0, 0].round(2) == 1

    @pytest.mark.parametrize(
        ("units", "standard_name", "refused"),
        [
            ("1", "atmosphere_hybrid_sigma_pressure_coordinate", "layers of a model"),
            ("1", None, "layers of a model"),
            (None, "model_level_number", "layers of a model"),
            ("level", None, "layers of a model"),
            ("K", None, "neither a pressure nor a depth"),
            ("dbar", None, "give the mapping `level_units: dbar`"),
        ],
    )
    def test_others_are_refused_unless_the_mapping_names_their_unit(self, tmp_path, units, standard_name, refused):
        profile([1.0, 2.0, 3.0], units, standard_name=standard_name).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=refused):
            numbers_of(tmp_path, [3])
        assert numbers_of(tmp_path, [3], level_units={"level": "1", None: "1"}.get(units, units))[0] == [2]

    def test_pressures_without_units_that_cannot_be_hpa_are_refused(self, tmp_path):
        profile([100000.0, 50000.0], None).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match="'plev', the level of z, states no units and reaches 100000, too much for"):
            numbers_of(tmp_path, [50000])
        numbers, source = numbers_of(tmp_path, [50000], level_units="Pa")
        assert numbers == [1]
        assert "plev (Pa)" in source.reading.cautions[0]

    def test_level_units_of_the_mapping_count(self, tmp_path):
        profile([1000.0, 500.0], "hPa").to_netcdf(tmp_path / "a.nc")
        assert numbers_of(tmp_path, [50000], level_units="Pa")[0] == [1]


def test_a_unit_of_the_mapping_may_have_a_factor_of_its_own():
    assert conversion("kg kg-1", "1e-3 kg kg-1", "q").factor == pytest.approx(1000)
    assert conversion("1e-3 kg kg-1", "kg kg-1", "q").factor == pytest.approx(1e-3)
