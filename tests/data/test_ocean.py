import math

import numpy as np
import pytest
from pydantic import ValidationError

from harness.data.config import OceanConfig, Splits
from harness.data.ocean import OceanSource
from harness.data.windows import Windows
from harness.errors import UserError

RADIUS_M = 6.371e6
ROTATION_RAD_S = 7.292e-5
GRAVITY_M_S2 = 9.80665
BOTTOM_M = 4000.0
CORIOLIS_RAD_S = 1e-4
DEFORMATION_M = 1.2e6
STRETCHING = (BOTTOM_M / (math.pi * DEFORMATION_M)) ** 2
"""f0^2 / N^2."""

STEP_S = 6 * 3600.0
DEPTHS_M = (300.0, 400.0, 500.0)


def make(grid=(32, 64), **changes):
    return OceanSource(OceanConfig(kind="ocean", **changes), grid)


@pytest.fixture(scope="module")
def fine():
    """A source of three levels on a fine grid."""
    return make((360, 128), step_hours=6, time_steps=8, depths_m=DEPTHS_M, deformation_radius_km=1200, seed=3)


@pytest.fixture(scope="module")
def fields(fine):
    """Three steps of each channel, (3, 360, 128), NaN on land."""
    return dict(zip(fine.channels, fine.read(range(3)).astype(np.float64).transpose(1, 0, 2, 3), strict=True))


@pytest.fixture(scope="module")
def latitude_rad(fine):
    return np.radians(fine.latitude)[:, None]


def east(field):
    """Derivative by longitude in radians, by central differences to fourth order."""
    step = 2 * math.pi / field.shape[-1]
    near, far = (np.roll(field, -k, axis=-1) - np.roll(field, k, axis=-1) for k in (1, 2))
    return (8 * near - far) / (12 * step)


def north(field, latitude_rad):
    """Derivative by latitude in radians."""
    return np.gradient(field, latitude_rad[:, 0], axis=-2)


def tendency(field):
    """Derivative by time at the second of three steps."""
    return (field[2] - field[0]) / (2 * STEP_S)


def assert_balance(*terms):
    """The terms add up to 0 wherever there is water all around, away from the poles."""
    inner = [np.asarray(term)[..., 10:-10, :] for term in terms]
    total = sum(inner)
    assert np.isfinite(total).mean() > 0.3
    assert np.nanmax(np.abs(total)) < 0.01 * max(np.nanmax(np.abs(term)) for term in inner)


class TestEquations:
    def test_current_has_no_divergence(self, fields, latitude_rad):
        assert_balance(east(fields["U400"]), north(fields["V400"] * np.cos(latitude_rad), latitude_rad))

    def test_potential_vorticity_at_depth(self, fields, latitude_rad):
        """The equation's derivative by longitude, in which V stands for the stream function."""
        cosine = np.cos(latitude_rad)
        above, here, below = (fields[f"V{depth:g}"] for depth in DEPTHS_M)
        vorticity = (east(here) - north(fields["U400"] * cosine, latitude_rad)) / (RADIUS_M * cosine)
        curvature = RADIUS_M * cosine * (above - 2 * here + below) / 100.0**2
        assert_balance(
            tendency(east(vorticity)),
            STRETCHING * tendency(curvature),
            2 * ROTATION_RAD_S * cosine / RADIUS_M * east(here)[1],
        )

    @pytest.mark.parametrize("tracer", ["T", "S"])
    def test_tracer_is_carried_by_current_and_vertical_motion_on_its_mean(self, fields, latitude_rad, tracer):
        """The equation's derivative by longitude, as above."""
        sine, cosine = np.sin(latitude_rad), np.cos(latitude_rad)
        if tracer == "T":
            decay, scale_m = 26.0 * math.exp(-400 / 800), 800.0
            shape, northward = cosine**2, -2 * sine * cosine
        else:
            decay, scale_m = 3.0 * math.exp(-400 / 500), 500.0
            shape, northward = np.sin(2 * latitude_rad) ** 2, 2 * np.sin(4 * latitude_rad)
        upward_shear = RADIUS_M * cosine * (fields["V300"] - fields["V500"]) / 200.0
        upward_motion = -STRETCHING / CORIOLIS_RAD_S * tendency(upward_shear)
        assert_balance(
            tendency(east(fields[f"{tracer}400"])),
            east(fields["V400"])[1] / RADIUS_M * decay * northward,
            upward_motion * decay * shape / scale_m,
        )

    def test_sea_level_is_in_balance_with_the_surface_current_under_the_inverse_barometer(self, latitude_rad):
        source = make((360, 128), depths_m=(0.0,), seed=3)
        fields = dict(zip(source.channels, source.read([5]).astype(np.float64)[0], strict=True))
        pressure_pa = source.read_forcings([5])[0, source.forcings.index("msl")].astype(np.float64) - 101_325
        height = fields["SSH"] + pressure_pa / (1025.0 * GRAVITY_M_S2)
        cosine = np.cos(latitude_rad)
        laplacian = east(east(height)) / cosine**2 + north(cosine * north(height, latitude_rad), latitude_rad) / cosine
        vorticity = (east(fields["V0"]) - north(fields["U0"] * cosine, latitude_rad)) / (RADIUS_M * cosine)
        coriolis, beta = 2 * ROTATION_RAD_S * np.sin(latitude_rad), 2 * ROTATION_RAD_S * cosine / RADIUS_M
        assert_balance(GRAVITY_M_S2 * laplacian / RADIUS_M**2, -coriolis * vorticity, beta * fields["U0"])


class TestContinents:
    def test_deeper_levels_have_fewer_points_each_under_water_above(self):
        source = make(depths_m=(0, 100, 500, 2000), variables=("T", "SSH"))
        assert (source.mask[1:4] <= source.mask[:3]).all()
        assert (np.diff(source.mask[:4].sum(axis=(1, 2))) < 0).all()
        np.testing.assert_array_equal(source.mask[4], source.mask[0])

    def test_mask_is_that_of_the_values_and_of_the_topography(self):
        source = make(depths_m=(0, 500))
        np.testing.assert_array_equal(~np.isnan(source.read([0, 17])), np.stack([source.mask] * 2))
        (topography_m,) = source.read_statics()
        np.testing.assert_array_equal(source.mask[source.channels.index("S500")], topography_m < -500)

    @pytest.mark.parametrize("land_fraction", [0.0, 0.3, 0.6])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_land_covers_the_part_asked_for(self, land_fraction, seed):
        source = make((64, 128), land_fraction=land_fraction, seed=seed)
        area = np.cos(np.radians(source.latitude))
        land = np.average((~source.mask[0]).mean(axis=1), weights=area)
        assert land == pytest.approx(land_fraction, abs=0.02)

    def test_same_ocean_at_every_resolution(self):
        coarse, fine = make((6, 8)), make((18, 8))
        np.testing.assert_array_equal(coarse.mask, fine.mask[:, 1::3])
        np.testing.assert_allclose(coarse.read([5]), fine.read([5])[:, :, 1::3], rtol=1e-5, atol=1e-5)

    def test_a_grid_without_deep_water_is_refused(self):
        with pytest.raises(UserError, match="no point as deep as channel 'T3999'"):
            make((4, 4), depths_m=(0, 3999))


class TestForecast:
    @pytest.mark.parametrize("lead", [1, 4, 30])
    def test_from_the_water_of_a_state_alone_is_perfect(self, lead):
        source = make(seed=1)
        starts = np.array([0, 7, 100])
        truth = source.read(starts + lead)
        error = np.abs(source.forecast(source.read(starts), starts, lead) - truth)
        assert (np.isnan(error) == np.isnan(truth)).all()
        spread = np.nanstd(truth, axis=(0, 2, 3), keepdims=True)
        assert np.nanmax(error / spread) < 1e-3

    def test_persistence_is_beaten_clearly_in_every_channel(self):
        source = make(seed=1)
        states = source.read(range(240))[:, :, source.mask.all(axis=0)].astype(np.float64)
        persistence = np.sqrt(np.square(states[1:] - states[:-1]).mean(axis=(0, 2)))
        assert (persistence > 0.1 * states.std(axis=(0, 2))).all()

    def test_sea_level_needs_the_weather_of_its_time(self):
        source = make(seed=1)
        ssh = source.channels.index("SSH")
        truth, late = source.read([10])[:, ssh], source.forecast(source.read([9]), [8], 1)[:, ssh]
        assert np.nanstd(truth - late) > 0.01


class TestInputs:
    def test_weather_is_plausible_and_known_after_the_last_time(self):
        source = make(seed=1)
        weather = dict(zip(source.forcings, source.read_forcings([0, 100, 500]).transpose(1, 0, 2, 3), strict=True))
        assert list(weather) == ["u10", "v10", "t2m", "msl", "sp"]
        assert all(np.isfinite(field).all() for field in weather.values())
        assert np.abs(weather["u10"]).max() < 40
        assert 220 < weather["t2m"].min() < weather["t2m"].max() < 330
        assert 90_000 < weather["msl"].min() < weather["msl"].max() < 110_000
        (land,) = source.read_statics() > 1
        assert (weather["sp"][:, land] < weather["msl"][:, land]).all()
        np.testing.assert_array_equal(weather["sp"][:, source.mask[0]], weather["msl"][:, source.mask[0]])

    def test_only_those_asked_for_in_their_order(self):
        source = make(forcings=("msl", "u10"), statics=())
        assert source.read_statics().shape == (0, 32, 64)
        np.testing.assert_array_equal(source.read_forcings([3]), make().read_forcings([3])[:, [3, 0]])
        assert make(forcings=()).read_forcings([0, 1]).shape == (2, 0, 32, 64)


def test_channels_say_variable_level_and_units():
    source = make(depths_m=(0, 50.5))
    assert source.channels == ("T0", "T50.5", "S0", "S50.5", "U0", "U50.5", "V0", "V50.5", "SSH")
    info = {each.name: (each.variable, each.level) for each in source.channel_info}
    assert info["S50.5"] == ("S", 50.5)
    assert info["SSH"] == ("SSH", None)
    assert dict(zip(source.channels, source.units, strict=True))["T0"] == "degC"
    assert source.channels == OceanConfig(kind="ocean", depths_m=(0, 50.5)).channels


def test_normalised_windows_are_finite_and_0_on_land():
    source = make(seed=1)
    windows = Windows(source, Splits())
    batch = next(iter(windows.batches("train", 8, epoch_seed=0)))
    assert np.isfinite(batch.inputs).all()
    assert (batch.inputs[:, :13][:, ~source.mask] == 0).all()


def test_fingerprint_follows_everything_that_changes_the_values():
    base = make()
    assert base.fingerprint == make().fingerprint
    changes = [
        {"seed": 1},
        {"waves": 9},
        {"step_hours": 12},
        {"deformation_radius_km": 900.0},
        {"wave_current_m_s": 0.2},
        {"land_fraction": 0.31},
        {"depths_m": (0, 100, 501)},
        {"forcings": ("u10",)},
        {"statics": ()},
        {"grid": (32, 32)},
    ]
    assert len({base.fingerprint, *(make(**change).fingerprint for change in changes)}) == 1 + len(changes)


@pytest.mark.parametrize(
    "change", [{"depths_m": (100, 0)}, {"depths_m": (0, 4000)}, {"variables": ("T", "T")}, {"forcings": ("sst",)}]
)
def test_impossible_oceans_are_refused(change):
    with pytest.raises(ValidationError):
        OceanConfig(kind="ocean", **change)
