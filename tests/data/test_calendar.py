"""Calendars of the CF conventions from the file to splits, climatology, forcings and what a launch keeps."""

import cftime
import netCDF4
import numpy as np
import pytest
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.calendar import (
    counts_since,
    day_of_the_year,
    decode,
    even_step,
    part_of_the_year,
    seconds_of_day,
    span_text,
    spans,
    step_of_mapping,
    time_text,
)
from harness.data.climatology import Climatology
from harness.data.forcings import forcing_field
from harness.data.windows import Windows
from harness.errors import UserError
from harness.results.forecast import keep_first

PLACE = "a.nc: 'time'"


def timed(path, values, units, *, calendar=None, fields=None, kind="f8"):
    """An archive whose times are numbers as given."""
    values = np.asarray(values, dtype=kind)
    data = archive(steps=len(values)) if fields is None else fields
    with_times = data.assign_coords(time=("time", values, {"units": units}))
    if calendar is not None:
        with_times["time"].attrs["calendar"] = calendar
    with_times.to_netcdf(path)
    return data


class TestDecoding:
    @pytest.mark.parametrize("calendar", ["noleap", "365_day", "360_day", "all_leap", "366_day", "julian"])
    @pytest.mark.parametrize(
        "units", ["days since 2019-12-30", "hours since 1850-01-01 00:00:00", "minutes since 2000-1-1"]
    )
    def test_other_calendars_are_those_of_cftime(self, calendar, units):
        numbers = np.arange(0, 400_000, 9_973.0) / 7
        found = decode(numbers, units, calendar, PLACE)
        expected = cftime.num2date(numbers, units, calendar=calendar)
        assert found[0].calendar == expected[0].calendar
        assert max(abs(one - other).total_seconds() for one, other in zip(found, expected, strict=True)) < 1e-3

    @pytest.mark.parametrize("calendar", ["standard", "gregorian", "proleptic_gregorian", "Gregorian"])
    def test_the_usual_ones_are_datetime64(self, calendar):
        found = decode(np.array([0, 366]), "days since 2020-01-01", calendar, PLACE)
        assert found.tolist() == np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[ns]").tolist()

    @pytest.mark.parametrize("words", ["Hours Since", "HOURS SINCE", "hours \t Since ", " Hrs since"])
    def test_the_words_are_read_in_any_letters_and_blanks(self, words):
        units = f"{words} 2001-01-01T00:00:00Z"
        assert counts_since({"units": units})
        assert time_text(decode(np.array([0.0, 6.0]), units, "standard", PLACE)[1]) == "2001-01-01T06:00"

    def test_hours_since_the_year_1_as_ncep_counts_them(self):
        """The standard calendar is Julian before 1582, two days off the proleptic one in the year 1."""
        found = decode(np.array([17_067_072.0]), "hours since 1-1-1 00:00:0.0", "standard", PLACE)
        assert str(found[0])[:13] == "1948-01-01T00"

    def test_years_that_datetime64_does_not_reach(self):
        found = decode(np.array([0.0, 1.0]), "days since 0850-01-01", "proleptic_gregorian", PLACE)
        assert time_text(found[1]) == "0850-01-02T00:00"

    @pytest.mark.parametrize(
        ("minutes", "unit"), [(20, "hours"), (20, "days"), (10, "days"), (1, "hours"), (15, "seconds")]
    )
    @pytest.mark.parametrize("since", ["2020-01-01", "1900-01-01", "1-1-1"])
    @pytest.mark.parametrize("calendar", ["standard", "noleap"])
    def test_minutes_in_coarser_units_are_exact(self, minutes, unit, since, calendar):
        per_minute = {"hours": 1 / 60, "days": 1 / 1440, "seconds": 60.0}[unit]
        first = 0 if since == "2020-01-01" else 1_000_000
        found = decode((first + np.arange(50) * minutes) * per_minute, f"{unit} since {since}", calendar, PLACE)
        assert set(spans(found).tolist()) == {minutes * 60 * 10**9}
        assert even_step(spans(found)) == np.timedelta64(minutes, "m")

    def test_numbers_in_single_precision_are_rounded_as_far_as_they_are_wrong(self):
        """Days since 1990 in float32 are a minute and a half apart; steps of 3 h are meant."""
        days = (11_000 + np.arange(40) / 8 + 1 / 24).astype(np.float32)
        found = decode(days, "days since 1990-01-01", "standard", PLACE)
        assert set(spans(found).tolist()) == {3 * 3600 * 10**9}
        assert time_text(found[0]).endswith("T01:00")

    def test_distinct_times_never_become_one(self):
        seconds = np.array([0.0, 1e-6, 2e-6])
        assert len(np.unique(decode(seconds, "seconds since 2020-01-01", "standard", PLACE))) == 3

    @pytest.mark.parametrize("calendar", ["lunar", "none", ""])
    def test_an_unknown_calendar_is_refused_by_its_name(self, calendar):
        with pytest.raises(UserError, match=rf"a.nc: 'time': calendar {calendar!r} is none that can be used: standard"):
            decode(np.array([0.0]), "days since 2000-01-01", calendar, PLACE)

    def test_what_cannot_be_a_time_is_named(self):
        with pytest.raises(UserError, match="'time': no time at step 2"):
            decode(np.array([0.0, 1.0, np.nan]), "days since 2000-01-01", "standard", PLACE)
        with pytest.raises(UserError, match="in 'fortnights since 2000-01-01', calendar 'noleap', cannot be decoded"):
            decode(np.array([0.0, 1.0]), "fortnights since 2000-01-01", "noleap", PLACE)
        with pytest.raises(UserError, match="no numbers in 'days since 2000-01-01'"):
            decode(np.array(["a"]), "days since 2000-01-01", "standard", PLACE)


class TestSteps:
    @pytest.mark.parametrize(
        ("hours", "seconds"),
        [(0.333, 1200), (0.3333333, 1200), (1 / 3, 1200), (0.1667, 600), (0.08333, 300), (6, 21600), (0.25, 900)],
    )
    def test_a_decimal_number_of_hours_means_whole_minutes(self, hours, seconds):
        assert step_of_mapping(hours) == np.timedelta64(seconds, "s")

    def test_a_number_of_whole_seconds_is_taken_as_it_is(self):
        assert step_of_mapping(0.33) == np.timedelta64(1188, "s")
        assert step_of_mapping(0.0125) == np.timedelta64(45, "s")

    def test_text(self):
        assert [span_text(np.timedelta64(s, "s")) for s in (21_600, 1200, 45)] == ["6 h", "20 min", "45 s"]

    def test_twenty_minutes_in_a_file(self, tmp_path):
        timed(tmp_path / "a.nc", np.arange(24) / 3, "hours since 2020-01-01")
        source = ArchiveSource(mapping(), tmp_path)
        assert source.step == np.timedelta64(20, "m")
        assert str(source.times[-1])[:19] == "2020-01-01T07:40:00"
        assert Windows(source, mapping().splits).lead_h(3) == 1.0

    def test_mixed_steps_are_told_apart_in_words(self, tmp_path):
        timed(tmp_path / "a.nc", [0, 20, 40, 61, 81], "minutes since 2020-01-01")
        with pytest.raises(UserError, match=r"mixed time steps, 21 min from .*T00:40 to .*T01:01, elsewhere 20 min"):
            ArchiveSource(mapping(), tmp_path)


def two_years(tmp_path, calendar, *, per_day=2, days=731, start=0):
    """The value of a field is its day, counted from 2019-01-01 of the calendar, at every point."""
    numbers = start + np.arange(days * per_day) / per_day
    fields = archive(steps=len(numbers), rows=3, columns=4)
    for name in ("t", "q"):
        fields[name].values[:] = numbers[:, None, None] + np.arange(12).reshape(3, 4)
    timed(tmp_path / "a.nc", numbers, "days since 2019-01-01", calendar=calendar, fields=fields)
    return ArchiveSource(mapping(), tmp_path)


class TestThroughTheHarness:
    @pytest.mark.parametrize(("calendar", "year"), [("noleap", 365), ("360_day", 360), ("all_leap", 366)])
    def test_climatology_is_by_the_days_of_the_calendar(self, tmp_path, calendar, year):
        """Ten years: 29 February belongs to 28 February in none of these, and every day of the year has ten states."""
        numbers = np.arange(year * 10, dtype=np.float64)
        fields = archive(steps=len(numbers), rows=2, columns=2)
        fields["t"].values[:] = numbers[:, None, None]
        timed(tmp_path / "a.nc", numbers, "days since 2001-01-01", calendar=calendar, fields=fields)
        source = ArchiveSource(mapping(), tmp_path)
        climatology = Climatology(source, np.arange(year * 8))
        assert climatology.kind == "day_of_year_hour"
        days = np.array([0, 57, 58, 59, 60, year - 1])
        mean = climatology.at(days + 9 * year)[:, 0, 0, 0]
        np.testing.assert_allclose(mean, days + year * 3.5)

    def test_a_february_without_29th_moves_no_later_date(self, tmp_path):
        timed(tmp_path / "a.nc", np.arange(24), "days since 2020-02-27", calendar="noleap")
        source = ArchiveSource(mapping(), tmp_path)
        assert [time_text(time) for time in source.times[:3]] == [
            "2020-02-27T00:00 (noleap)",
            "2020-02-28T00:00 (noleap)",
            "2020-03-01T00:00 (noleap)",
        ]
        assert source.step == np.timedelta64(1, "D")

    def test_the_calendar_is_part_of_the_fingerprint(self, tmp_path):
        found = set()
        for calendar in ("standard", "noleap", "360_day"):
            (tmp_path / calendar).mkdir()
            timed(tmp_path / calendar / "a.nc", np.arange(6), "days since 2001-01-01", calendar=calendar)
            found.add(ArchiveSource(mapping(), tmp_path / calendar).fingerprint)
        assert len(found) == 3

    def test_the_sun_of_the_30th_of_february(self):
        """A quarter of a 360-day year after the first day it is as far as a quarter of another year is."""
        latitude, longitude = np.array([-40.0, 0.0, 60.0]), np.array([0.0, 90.0])
        quarter = np.array([cftime.datetime(2003, 4, 1, 12, calendar="360_day")], dtype=object)
        field = forcing_field("year_progress_sin", quarter, latitude, longitude)
        np.testing.assert_allclose(field, np.sin(2 * np.pi * 90.5 / 360), rtol=1e-6)
        at_noon = np.array(["2003-04-02T12:00"], dtype="datetime64[ns]")
        sun = [forcing_field("toa_radiation", times, latitude, longitude) for times in (quarter, at_noon)]
        np.testing.assert_allclose(sun[0], sun[1], rtol=5e-3, atol=1e4)

    @pytest.mark.parametrize("name", ["toa_radiation", "day_progress_cos", "year_progress_cos"])
    def test_a_julian_date_has_the_sun_of_its_day(self, name):
        """2020-02-17 of the Julian calendar is 2020-03-01 of the Gregorian one."""
        latitude, longitude = np.array([-40.0, 0.0, 60.0]), np.array([0.0, 90.0])
        julian = np.array([cftime.datetime(2020, 2, 17, 9, calendar="julian")], dtype=object)
        gregorian = np.array(["2020-03-01T09:00"], dtype="datetime64[ns]")
        np.testing.assert_allclose(
            *(forcing_field(name, times, latitude, longitude) for times in (julian, gregorian)), rtol=1e-6
        )

    def test_windows_and_the_kept_forecast(self, tmp_path):
        source = two_years(tmp_path, "noleap", per_day=1, days=60, start=30)
        windows = Windows(source, mapping().splits)
        rollout = next(iter(windows.rollouts("test", [3], 2)))
        kept = keep_first(rollout, 3, rollout.truth(3), rollout.truth(3))
        wanted = cftime.datetime(2019, 1, 1, calendar="noleap") + (
            source.times[int(rollout.starts[0]) + 3] - source.times[0]
        )
        assert kept.valid_at == f"{(wanted + np.timedelta64(30, 'D').item()).isoformat()} (noleap)"
        kept.save(tmp_path / "forecast.npz")
        assert type(kept).load(tmp_path / "forecast.npz").valid_at == kept.valid_at

    def test_files_in_two_calendars_are_refused(self, tmp_path):
        timed(tmp_path / "a.nc", np.arange(4), "days since 2001-01-01", calendar="noleap")
        timed(tmp_path / "b.nc", np.arange(4, 8), "days since 2001-01-01", calendar="360_day")
        with pytest.raises(UserError, match=r"b.nc: in the calendar 360_day, .*a.nc in noleap"):
            ArchiveSource(mapping(), tmp_path)

    def test_a_gap_and_a_wrong_order_are_found_in_other_calendars(self, tmp_path):
        timed(tmp_path / "a.nc", [0, 1, 2, 4, 5], "days since 2001-02-27", calendar="noleap")
        with pytest.raises(UserError, match=r"gap in time, nothing between 2001-03-01T00:00 \(noleap\) and 2001-03-03"):
            ArchiveSource(mapping(), tmp_path)


def test_days_are_those_of_pythons_own_calendar():
    """From before 1900, which is no leap year, to 2001, in steps that reach every hour of the day."""
    times = np.arange(np.datetime64("1899-12-30", "ns"), np.datetime64("2001-03-02"), np.timedelta64(61 * 3607, "s"))
    known = times.astype("datetime64[s]").tolist()
    expected = [time.month * 100 + (28 if (time.month, time.day) == (2, 29) else time.day) for time in known]
    assert day_of_the_year(times).tolist() == expected
    years = [(time.replace(month=1, day=1, hour=0, minute=0, second=0), time) for time in known]
    parts = [(time - start) / (start.replace(year=start.year + 1) - start) for start, time in years]
    assert part_of_the_year(times) == pytest.approx(parts, abs=1e-15)


def test_times_kept_by_netcdf4_itself(tmp_path):
    """Dates written by netCDF4 with cftime, read here."""
    path = tmp_path / "a.nc"
    archive(steps=5).drop_vars("time").to_netcdf(path)
    dates = [cftime.datetime(1999, 2, 28 + k, calendar="360_day") for k in range(3)]
    dates += [cftime.datetime(1999, 3, 1 + k, calendar="360_day") for k in range(2)]
    with netCDF4.Dataset(path, "a") as file:
        time = file.createVariable("time", "i4", ("time",))
        time.units, time.calendar = "days since 1990-01-01", "360_day"
        time[:] = netCDF4.date2num(dates, time.units, time.calendar)
    assert list(ArchiveSource(mapping(), tmp_path).times) == dates


def test_variables_in_two_calendars_are_refused(tmp_path):
    for name, calendar in (("t", "noleap"), ("q", "360_day")):
        fields = archive(steps=4, names=(name,))
        timed(tmp_path / f"{name}.nc", np.arange(4), "days since 2001-01-01", calendar=calendar, fields=fields)
    with pytest.raises(UserError, match=r"q.nc: its time differs from that in .*t.nc"):
        ArchiveSource(mapping(), tmp_path)


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "julian"])
def test_the_time_of_day_is_known_to_the_microsecond(calendar):
    time = cftime.datetime(2001, 2, 3, 4, 5, 6, 250_000, calendar=calendar)
    assert seconds_of_day(np.array([time], dtype=object)).tolist() == [4 * 3600 + 5 * 60 + 6.25]
