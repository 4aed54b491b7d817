"""Solar radiation and progress of day and year against values found by hand and in almanacs."""

import math

import numpy as np
import pytest
from scipy.integrate import trapezoid

from harness.data.config import RossbyConfig
from harness.data.forcings import day_progress, forcing_field, toa_radiation_j_m2, year_progress
from harness.data.rossby import RossbySource

HOUR_S = 3600.0


def times(*texts):
    return np.array(texts, dtype="datetime64[ns]")


def hours_of(day, count=24):
    return np.datetime64(day, "ns") + np.timedelta64(1, "h") * np.arange(1, count + 1)


def radiation(moments, latitude, longitude=0.0):
    return toa_radiation_j_m2(moments, np.array([latitude]), np.array([longitude]))[:, 0, 0]


def almanac_w_m2(moments, latitude, longitude):
    """Radiation at `moments` (...) at each place (..., H, W), by the Astronomical Almanac's formulas for the sun."""
    days = (moments - np.datetime64("2000-01-01T12:00", "ns")) / np.timedelta64(1, "D")
    mean_longitude, anomaly = np.radians(280.460 + 0.9856474 * days), np.radians(357.528 + 0.9856003 * days)
    ecliptic = mean_longitude + np.radians(1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = math.radians(23.44)
    declination = np.arcsin(math.sin(obliquity) * np.sin(ecliptic))[..., None, None]
    ascension = np.arctan2(math.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    noon_angle = (2 * math.pi * (days % 1.0) + mean_longitude - ascension)[..., None, None]
    height = np.sin(phi := np.radians(latitude)[:, None]) * np.sin(declination) + np.cos(phi) * np.cos(
        declination
    ) * np.cos(noon_angle + np.radians(longitude))
    return 1361.0 / distance[..., None, None] ** 2 * np.maximum(height, 0.0)


class TestRadiation:
    def test_hour_around_noon_at_the_equator_on_the_equinox(self):
        """1361 W m-2 at 0.9960 astronomical units on 20 March, times the mean of the cosine."""
        expected = 1361.0 / 0.9960**2 * math.sin(math.radians(7.5)) / math.radians(7.5) * HOUR_S
        assert radiation(times("2001-03-20T12:37"), 0.0)[0] == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize(("latitude", "day"), [(80.0, "2001-12-21"), (-80.0, "2001-06-21"), (-90.0, "2001-06-21")])
    def test_polar_night_is_dark(self, latitude, day):
        assert (radiation(hours_of(day), latitude) == 0.0).all()

    @pytest.mark.parametrize(
        ("day", "pole", "distance_au"), [("2001-06-21", 90.0, 1.0163), ("2001-12-21", -90.0, 0.9837)]
    )
    def test_daily_mean_at_the_pole_on_the_solstice(self, day, pole, distance_au):
        """The sun goes round at the height of the obliquity, 23.44 degrees."""
        expected_w_m2 = 1361.0 / distance_au**2 * math.sin(math.radians(23.44))
        assert radiation(hours_of(day), pole).sum() / 86_400 == pytest.approx(expected_w_m2, rel=5e-3)

    @pytest.mark.parametrize(
        ("day", "minutes_late"), [("2001-02-11", 14.2), ("2001-05-14", -3.7), ("2001-11-03", -16.4)]
    )
    def test_noon_is_late_or_early_by_the_equation_of_time(self, day, minutes_late):
        """The almanac's extremes: the hour is brightest when it ends half an hour after the true noon."""
        minutes = np.datetime64(f"{day}T12:00", "ns") + np.timedelta64(6, "s") * np.arange(600)
        brightest = radiation(minutes, 0.0).argmax() / 10 - 30
        assert brightest == pytest.approx(minutes_late, abs=0.7)

    @pytest.mark.parametrize("day", ["2001-01-03", "2001-05-20", "2004-02-29", "2001-09-22", "2019-12-30"])
    def test_hours_are_integrals_of_the_almanacs_sun(self, day):
        """By the trapezoidal rule, at every hour of a day, through sunrise, sunset and midnight."""
        latitude, longitude = np.array([-85.0, -50.0, 0.0, 38.0, 75.0]), np.array([0.0, 77.0, 180.0, 283.0])
        ends = hours_of(day)
        instants = ends[:, None] - np.timedelta64(10, "s") * np.arange(361)
        mean_w_m2 = trapezoid(almanac_w_m2(instants, latitude, longitude), axis=1) / 360
        np.testing.assert_allclose(toa_radiation_j_m2(ends, latitude, longitude) / HOUR_S, mean_w_m2, atol=8.0)

    def test_moves_west_by_fifteen_degrees_an_hour(self):
        at_noon = toa_radiation_j_m2(
            times("2001-07-01T12:00", "2001-07-01T13:00"), np.array([10.0]), np.arange(0, 360.0, 15)
        )
        np.testing.assert_allclose(np.roll(at_noon[0, 0], -1), at_noon[1, 0], rtol=2e-3, atol=500.0)


class TestProgress:
    def test_local_day_by_hand(self):
        found = day_progress(times("2001-05-06T06:00", "2001-05-06T18:00"), np.array([0.0, 90.0, 270.0]))
        np.testing.assert_allclose(found, [[0.25, 0.5, 0.0], [0.75, 0.0, 0.5]], atol=1e-12)

    def test_year_by_hand(self):
        """365.24219 days a year from 1970: 1 January 2000 is 10957 days later, 29.9992 years."""
        np.testing.assert_allclose(
            year_progress(times("1970-01-01", "1970-07-02T14:54:22.6", "2000-01-01")),
            [0.0, 0.5, 10957 / 365.24219 - 29],
            atol=1e-7,
        )

    def test_sine_and_cosine_are_fields(self):
        latitude, longitude = np.array([45.0, -45.0]), np.array([0.0, 90.0, 180.0])
        fields = [
            forcing_field(name, times("1970-01-01T06:00"), latitude, longitude)
            for name in ("day_progress_sin", "day_progress_cos", "year_progress_sin")
        ]
        assert all(field.shape == (1, 2, 3) and field.dtype == np.float32 for field in fields)
        np.testing.assert_allclose(fields[0][0], [[1.0, 0.0, -1.0]] * 2, atol=1e-6)
        np.testing.assert_allclose(fields[1][0], [[0.0, -1.0, 0.0]] * 2, atol=1e-6)
        np.testing.assert_allclose(fields[2][0], math.sin(2 * math.pi * 0.25 / 365.24219), rtol=1e-5)


class TestOfAGeneratedSource:
    def make(self, **changes):
        return RossbySource(RossbyConfig(kind="rossby", **changes), (4, 8))

    def test_none_unless_asked_and_the_data_stay_the_same(self):
        plain, forced = (
            self.make(),
            self.make(forcings=("toa_radiation", "day_progress_sin"), statics=("latitude_sin",)),
        )
        assert plain.read_forcings([0, 1]).shape == (2, 0, 4, 8)
        assert plain.read_statics().shape == (0, 4, 8)
        np.testing.assert_array_equal(plain.read([3]), forced.read([3]))
        assert plain.fingerprint != forced.fingerprint

    def test_in_the_order_of_the_configuration_at_the_times_of_the_data_and_after_them(self):
        source = self.make(forcings=("day_progress_sin", "toa_radiation"), time_steps=8)
        fields = source.read_forcings([1, 400])
        assert fields.shape == (2, 2, 4, 8)
        moments = times("2000-01-01T06:00", "2000-04-10T00:00")
        np.testing.assert_allclose(
            fields[:, 1], toa_radiation_j_m2(moments, source.latitude, source.longitude), rtol=1e-6
        )
        assert fields[0, 0, 0, 0] == pytest.approx(1.0)

    def test_fingerprint_without_forcings_is_that_of_earlier_records(self):
        source = RossbySource(RossbyConfig(kind="rossby", seed=1), (32, 64))
        assert source.fingerprint.startswith("6e9144bc75ff5486")
