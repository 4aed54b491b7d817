import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.config import RossbyConfig
from harness.data.rossby import RossbySource, Wave
from harness.data.waves import MAX_DEGREE, MIN_DEGREE, normalised_legendre

RADIUS_M = 6.371e6
ROTATION_RAD_S = 7.292e-5


def make(grid=(32, 64), **changes):
    return RossbySource(RossbyConfig(kind="rossby", **changes), grid)


STEP_S = 360.0
LATITUDE_RAD = np.radians(89.75 - 0.5 * np.arange(360))[:, None]
ZONAL_ROTATION_RAD_S = 15.0 / RADIUS_M


@pytest.fixture(scope="module")
def fields():
    """Three steps on a fine grid, each channel (3, 360, 64), for the tests of the equations."""
    source = make((360, 64), step_hours=STEP_S / 3600, time_steps=8, zonal_wind_m_s=15.0, seed=3)
    return dict(zip(source.channels, source.read(range(3)).astype(np.float64).transpose(1, 0, 2, 3), strict=True))


def east(field):
    """Derivative by longitude in radians, by Fourier transform."""
    orders = np.fft.rfftfreq(field.shape[-1], 1 / field.shape[-1])
    return np.fft.irfft(1j * orders * np.fft.rfft(field), n=field.shape[-1])


def north(field):
    """Derivative by latitude in radians, by central differences."""
    return np.gradient(field, LATITUDE_RAD[:, 0], axis=-2)


def tendency(field):
    """Derivative by time at the second of three steps."""
    return (field[2] - field[0]) / (2 * STEP_S)


def vorticity(fields):
    return (east(fields["v"]) - north(fields["u"] * np.cos(LATITUDE_RAD))) / (RADIUS_M * np.cos(LATITUDE_RAD))


def assert_balance(*terms):
    """The terms add up to 0, away from the poles, where differences of rows are divided by a small cosine."""
    inner = [np.asarray(term)[..., 10:-10, :] for term in terms]
    assert np.abs(sum(inner)).max() < 0.01 * max(np.abs(term).max() for term in inner)


def test_wind_has_no_divergence(fields):
    assert_balance(east(fields["u"]), north(fields["v"] * np.cos(LATITUDE_RAD)))


def test_vorticity_equation_linearised_about_solid_body_rotation(fields):
    gradient = 2 * (ROTATION_RAD_S + ZONAL_ROTATION_RAD_S) * np.cos(LATITUDE_RAD) / RADIUS_M
    vortices = vorticity(fields)
    assert_balance(tendency(vortices), ZONAL_ROTATION_RAD_S * east(vortices)[1], gradient * fields["v"][1])


def test_height_is_in_linear_balance_with_the_wind(fields):
    cosine = np.cos(LATITUDE_RAD)
    laplacian = east(east(fields["z"])) / cosine**2 + north(cosine * north(fields["z"])) / cosine
    coriolis, beta = 2 * ROTATION_RAD_S * np.sin(LATITUDE_RAD), 2 * ROTATION_RAD_S * cosine / RADIUS_M
    assert_balance(9.80665 * laplacian / RADIUS_M**2, -coriolis * vorticity(fields), beta * fields["u"])


def test_temperature_is_carried_by_the_wind_on_its_mean_gradient(fields):
    mean_gradient = -40.0 * 2 * np.sin(LATITUDE_RAD) * np.cos(LATITUDE_RAD) / RADIUS_M
    assert_balance(tendency(fields["t"]), ZONAL_ROTATION_RAD_S * east(fields["t"])[1], fields["v"][1] * mean_gradient)


def test_y21_by_hand():
    latitude_deg = np.array([-60.0, 0.0, 30.0])
    by_hand = -math.sqrt(5 / 3) * 3 * np.sin(np.radians(latitude_deg)) * np.cos(np.radians(latitude_deg))
    np.testing.assert_allclose(normalised_legendre(2, 1, latitude_deg), by_hand, rtol=1e-12)


def test_y21_goes_round_westwards_in_three_days_on_a_planet_without_wind():
    speed_rad_s = Wave(2, 1, 1.0, 0.0).phase_speed_rad_s(0.0)
    sidereal_day_s = 2 * math.pi / ROTATION_RAD_S
    assert 2 * math.pi / -speed_rad_s == pytest.approx(3 * sidereal_day_s)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), wind=st.floats(0, 40))
def test_crest_of_a_single_wave_moves_at_the_phase_speed(seed, wind):
    source = make((16, 64), waves=1, seed=seed, zonal_wind_m_s=wind, channels=("v",), step_hours=1, time_steps=8)
    (wave,) = source.waves
    spectrum = np.fft.rfft(source.read(range(8))[:, 0], axis=-1)[:, :, wave.order]
    row = np.abs(spectrum[0]).argmax()
    phase_rad = np.unwrap(np.angle(spectrum[:, row]))
    tracked_rad_s = -np.polyfit(np.arange(8) * 3600.0, phase_rad, 1)[0] / wave.order
    rotation = wind / RADIUS_M
    formula = rotation - 2 * (ROTATION_RAD_S + rotation) / (wave.degree * (wave.degree + 1))
    assert tracked_rad_s == pytest.approx(formula, rel=1e-4, abs=1e-10)


def test_wind_of_the_waves_is_as_strong_as_asked():
    source = make((90, 64), zonal_wind_m_s=0.0, wave_wind_m_s=12.0)
    speed_squared = np.square(source.read(range(0, 240, 5))[:, :2]).sum(axis=1).mean(axis=(0, 2))
    area = np.cos(np.radians(source.latitude))
    assert math.sqrt(np.average(speed_squared, weights=area)) == pytest.approx(12.0, rel=0.02)


def test_waves_are_different_and_within_the_degrees():
    harmonics = [(wave.degree, wave.order) for wave in make(waves=35).waves]
    assert len(set(harmonics)) == 35
    assert all(MIN_DEGREE <= n <= MAX_DEGREE and 1 <= m <= n for n, m in harmonics)


@pytest.mark.parametrize("lead", [1, 4, 40])
def test_forecast_from_a_state_alone_is_perfect(lead):
    source = make(seed=1)
    states = source.read([0, 7, 100])
    truth = source.read([lead, 7 + lead, 100 + lead])
    spread = truth.std(axis=(0, 2, 3), keepdims=True)
    assert np.abs((source.forecast(states, lead) - truth) / spread).max() < 1e-4


def test_persistence_is_beaten_clearly():
    source = make(seed=1)
    states = source.read(range(240))
    persistence = np.sqrt(np.square(states[1:] - states[:-1]).mean(axis=(0, 2, 3)))
    assert (persistence > 0.1 * states.std(axis=(0, 2, 3))).all()


def test_same_field_at_every_resolution():
    coarse, fine = make((6, 8)), make((18, 8))
    np.testing.assert_allclose(coarse.latitude, fine.latitude[1::3])
    np.testing.assert_allclose(coarse.read([5]), fine.read([5])[:, :, 1::3], rtol=1e-5, atol=1e-4)


def test_order_and_repetition_of_indices():
    source = make((8, 16))
    np.testing.assert_array_equal(source.read([3, 1, 3]), source.read(range(4))[[3, 1, 3]])


def test_fingerprint_follows_everything_that_changes_the_values():
    base = make()
    assert base.fingerprint == make().fingerprint
    changes = [
        {"seed": 1},
        {"waves": 11},
        {"step_hours": 3},
        {"time_steps": 239},
        {"zonal_wind_m_s": 14.0},
        {"wave_wind_m_s": 11.0},
        {"channels": ("v", "u", "z", "t")},
        {"grid": (32, 32)},
    ]
    assert len({base.fingerprint, *(make(**change).fingerprint for change in changes)}) == 1 + len(changes)


def test_units_and_regular_times():
    source = make(step_hours=6, time_steps=9)
    assert source.units == ("m s-1", "m s-1", "m", "K")
    assert (np.diff(source.times) == np.timedelta64(6, "h")).all()
    assert source.read([0]).dtype == np.float32
    assert source.mask.all()
    assert source.valid_steps.all()
