"""Whose times count: those of the file, those of the mapping, or both where they agree."""

import numpy as np
import pytest
import xarray as xr
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.selection import selectable
from harness.errors import UserError

START = "2001-02-27T00:00:00"


class TestMappingAndFile:
    """The archive of these tests has readable dates, six-hourly from 2001-02-27."""

    @pytest.fixture
    def folder(self, tmp_path):
        archive().isel(time=slice(0, 6)).to_netcdf(tmp_path / "a.nc")
        archive().isel(time=slice(6, 12)).to_netcdf(tmp_path / "b.nc")
        return tmp_path

    @pytest.mark.parametrize("time", [{"start": START, "step_hours": 6}, None])
    def test_that_agree(self, folder, time):
        np.testing.assert_array_equal(ArchiveSource(mapping(time=time), folder).times, archive()["time"])

    def test_another_start(self, folder):
        with pytest.raises(
            UserError, match=r"a.nc: step 0 is 2001-02-27T00:00 by the file and 2001-02-26T00:00 by the"
        ):
            ArchiveSource(mapping(time={"start": "2001-02-26T00:00:00", "step_hours": 6}), folder)

    def test_another_step(self, folder):
        with pytest.raises(UserError, match=r"a.nc: step 1 is 2001-02-27T06:00 by the file and 2001-02-27T12:00"):
            ArchiveSource(mapping(time={"start": START, "step_hours": 12}), folder)

    def test_names_in_another_order_than_the_times(self, tmp_path):
        archive().isel(time=slice(0, 6)).to_netcdf(tmp_path / "z.nc")
        archive().isel(time=slice(6, 12)).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=r"a.nc: step 0 is 2001-02-28T12:00 by the file and 2001-02-27T00:00"):
            ArchiveSource(mapping(time={"start": START, "step_hours": 6}), tmp_path)

    def test_other_units(self, tmp_path):
        data = archive().assign_coords(time=("time", 6.0 * np.arange(12), {"units": "hours since 1900-01-01"}))
        data.to_netcdf(tmp_path / "a.nc")
        with pytest.raises(
            UserError, match=r"'time' counts 'hours since 1900-01-01', the mapping says .*since 1950-01"
        ):
            ArchiveSource(mapping(time={"units": "hours since 1950-01-01"}), tmp_path)
        agreeing = ArchiveSource(mapping(time={"units": "hours since 1900-01-01"}), tmp_path)
        assert str(agreeing.times[1])[:13] == "1900-01-01T06"

    def test_units_of_the_mapping_in_the_calendar_of_the_file(self, tmp_path):
        data = archive().assign_coords(time=("time", np.arange(12.0), {"calendar": "noleap"}))
        data.to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(time={"units": "days since 2020-02-27"}), tmp_path)
        assert source.times[2].isoformat() == "2020-03-01T00:00:00"
        with pytest.raises(UserError, match="'time' is in the calendar 'noleap', the mapping says '360_day'"):
            ArchiveSource(mapping(time={"units": "days since 2020-02-27", "calendar": "360_day"}), tmp_path)

    def test_start_and_step_in_a_calendar_of_the_mapping(self, tmp_path):
        archive().drop_vars("time").to_netcdf(tmp_path / "a.nc")
        clock = {"start": "2020-02-28T00:00:00", "step_hours": 24, "calendar": "360_day"}
        source = ArchiveSource(mapping(time=clock), tmp_path)
        assert source.times[2].isoformat() == "2020-02-30T00:00:00"


class TestOneStepAFile:
    def write(self, folder, *, scalar=None, dimension=False, units=None):
        for step in range(12):
            one = archive().isel(time=[step] if dimension else step)
            if scalar is None:
                one = one.drop_vars("time")
            elif scalar != "time":
                one = one.rename(time=scalar)
            if units:
                one = one.assign_coords(time=((), step * 6.0, {"units": units}))
            one.to_netcdf(folder / f"{step:02}.nc")

    def test_without_any_time(self, tmp_path):
        self.write(tmp_path)
        source = ArchiveSource(mapping(time={"start": START, "step_hours": 6}), tmp_path)
        np.testing.assert_array_equal(source.times, archive()["time"])
        np.testing.assert_array_equal(source.read([7])[0, 0], archive()["t"][7])

    def test_without_any_time_nor_a_start(self, tmp_path):
        self.write(tmp_path)
        with pytest.raises(UserError, match=r"no dimension 'time', .*; a file of one step needs `time: {start, step_h"):
            ArchiveSource(mapping(), tmp_path)

    @pytest.mark.parametrize("name", ["time", "valid", "when"])
    def test_with_a_single_time_of_any_name(self, tmp_path, name):
        self.write(tmp_path, scalar=name)
        np.testing.assert_array_equal(ArchiveSource(mapping(), tmp_path).times, archive()["time"])

    def test_whose_time_is_a_number(self, tmp_path):
        self.write(tmp_path, scalar="time", units="hours")
        source = ArchiveSource(mapping(time={"units": "hours since 2001-02-27"}), tmp_path)
        np.testing.assert_array_equal(source.times, archive()["time"])

    def test_whose_dimension_has_no_values(self, tmp_path):
        self.write(tmp_path, dimension=True)
        source = ArchiveSource(mapping(time={"start": START, "step_hours": 0.3333333}), tmp_path)
        assert source.step == np.timedelta64(20, "m")


class TestNames:
    """By the CF conventions, a time is told by standard_name, axis or units, whatever it is called."""

    def write(self, path, attributes, dimension, name="ocean_time", *, referred=True):
        data = archive().drop_vars("time").rename(time=dimension)
        data[name] = (dimension, 6.0 * np.arange(12), attributes)
        for variable in ("t", "q"):
            if referred:
                data[variable].attrs["coordinates"] = name
        data.to_netcdf(path)

    @pytest.mark.parametrize("dimension", ["step_of_time", "time", "record"])
    @pytest.mark.parametrize("referred", [True, False])
    def test_by_units(self, tmp_path, dimension, referred):
        self.write(tmp_path / "a.nc", {"units": "hours since 2001-02-27"}, dimension, referred=referred)
        source = ArchiveSource(mapping(), tmp_path)
        np.testing.assert_array_equal(source.times, archive()["time"])

    def test_by_standard_name_with_units_of_the_mapping(self, tmp_path):
        self.write(tmp_path / "a.nc", {"standard_name": "time"}, "record")
        source = ArchiveSource(mapping(time={"units": "hours since 2001-02-27"}), tmp_path)
        np.testing.assert_array_equal(source.times, archive()["time"])

    def test_the_time_of_validity_comes_before_the_start_of_the_forecast(self, tmp_path):
        data = archive()
        data["time"].attrs["standard_name"] = "forecast_reference_time"
        valid = data["time"].values + np.timedelta64(3, "h")
        data = data.assign_coords(valid_time=("time", valid, {"standard_name": "time"}))
        data.to_netcdf(tmp_path / "a.nc")
        np.testing.assert_array_equal(ArchiveSource(mapping(), tmp_path).times, valid)

    def test_a_dimension_without_any_dates_is_named(self, tmp_path):
        self.write(tmp_path / "a.nc", {"units": "hours"}, "time")
        with pytest.raises(UserError, match=r"a.nc: 'time' holds no dates, give the mapping `time:"):
            ArchiveSource(mapping(), tmp_path)


class TestSelect:
    def members(self, values, attributes=None):
        stack = [archive() + k for k in range(len(values))]
        data = xr.concat(stack, "member")
        return data.assign_coords(member=("member", values, attributes or {}))

    def test_a_member_by_its_number(self, tmp_path):
        self.members([3, 1, 2]).to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(select={"member": 1}), tmp_path)
        np.testing.assert_array_equal(source.read([4])[0, 0], archive()["t"][4] + 1)

    def test_by_position_without_numbers(self, tmp_path):
        self.members([3, 1, 2]).drop_vars("member").to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(select={"member": 2}), tmp_path)
        np.testing.assert_array_equal(source.read([4])[0, 0], archive()["t"][4] + 2)

    @pytest.mark.parametrize(
        ("values", "unit"), [([0, 6, 12], "hours"), ([0, 360, 720], "minutes"), ([0, 0.25, 0.5], "days")]
    )
    def test_a_lead_time_in_hours(self, tmp_path, values, unit):
        data = self.members(values, {"units": unit}).rename(member="prediction_timedelta")
        data.to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(select={"prediction_timedelta": 6}), tmp_path)
        np.testing.assert_array_equal(source.read([4])[0, 0], archive()["t"][4] + 1)

    def test_a_unit_of_time_is_known_in_every_spelling(self):
        hours = {
            1 / 3600: ("s", "sec", "secs", "second", "seconds", "S", "1000 ms"),
            1 / 60: ("min", "mins", "minute", "minutes", "Minutes", "60 s"),
            1: ("h", "hr", "hrs", "hr.", "hour", "hours", "Hours", "H"),
            6: ("6 hours", "6 h", "0.25 day"),
            24: ("d", "day", "days", "D", "Days"),
        }
        found = {
            unit: selectable(self.members([1], {"units": unit}).t, "member")
            for units in hours.values()
            for unit in units
        }
        assert found == {unit: [pytest.approx(factor)] for factor, units in hours.items() for unit in units}

    @pytest.mark.parametrize(
        "attributes", [{}, {"units": "1"}, {"units": "m"}, {"units": "months"}, {"units": "wibble"}]
    )
    def test_other_numbers_are_taken_as_they_stand(self, attributes):
        assert selectable(self.members([3, 1], attributes).t, "member") == [3, 1]

    def test_a_value_that_is_not_there(self, tmp_path):
        self.members([3, 1, 2]).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=r"a.nc: t has no member 7, it has 3, 1, 2"):
            ArchiveSource(mapping(select={"member": 7}), tmp_path)
        with pytest.raises(UserError, match=r"does not name: member \(3\); `select` takes one value of each"):
            ArchiveSource(mapping(), tmp_path)

    def test_a_file_of_another_member(self, tmp_path):
        archive().assign_coords(member=5).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=r"a.nc: t has member 5, the mapping selects 0"):
            ArchiveSource(mapping(select={"member": 0}), tmp_path)
