"""Spectra by the degree of spherical harmonics: SciPy's harmonics, Parseval, another way by hand, ranks, refusals."""

import numpy as np
import pytest
import scipy.special
import xarray as xr

from harness.results.spectra import Spectra
from harness.runners.spectra import DegreeSpectra, none_by_degree
from harness.runners.spherical_harmonics import SphericalHarmonics, legendre
from tests.runners.made_ranks import at_once
from tests.shared import shared_path

WITH_POLES = np.linspace(90.0, -90.0, 13)
WITHOUT = 90.0 - (np.arange(12) + 0.5) * 15.0
GAUSSIAN = np.degrees(np.arcsin(scipy.special.roots_legendre(12)[0]))
GRIDS = {
    "with poles": (WITH_POLES, 24, 11),
    "without poles": (WITHOUT, 24, 11),
    "without the south pole": (WITH_POLES[:-1], 24, 11),
    "from south to north": (WITH_POLES[::-1], 24, 11),
    "Gaussian": (GAUSSIAN, 25, 11),
    "few columns": (WITHOUT, 15, 7),
}


def harmonic(degree, order, latitude, columns, phase=0.3):
    """A real field of mean square 1 that is one harmonic, from SciPy's."""
    polar, east = np.radians(90.0 - latitude)[:, None], np.arange(columns) * 2 * np.pi / columns
    value = scipy.special.sph_harm_y(degree, order, polar, east) * np.exp(1j * phase * (order > 0))
    return np.sqrt(4 * np.pi) * value.real * (np.sqrt(2) if order else 1.0)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_harmonic_has_all_its_power_at_its_degree(grid):
    latitude, columns, highest = GRIDS[grid]
    harmonics = SphericalHarmonics(latitude, columns)
    assert harmonics.highest == highest
    names = [(degree, order) for degree in range(highest + 1) for order in range(degree + 1)]
    fields = np.stack([harmonic(*name, latitude, columns) for name in names])
    expected = np.eye(highest + 1)[[degree for degree, _ in names]]
    np.testing.assert_allclose(harmonics.power(fields), expected, atol=1e-12)


def test_a_pole_apart_the_next_degree_is_out_of_reach():
    """On rows with both poles sin(12 theta) is 0 in every row: order 1 of degree 12 cannot be told from others."""
    assert SphericalHarmonics(WITH_POLES, 48).highest == 11
    seen = np.sin(12 * np.radians(90.0 - WITH_POLES))
    np.testing.assert_allclose(seen, 0.0, atol=1e-13)


@pytest.mark.parametrize("grid", GRIDS)
def test_powers_add_up_to_the_mean_square_over_the_sphere(grid):
    """A sum of harmonics in random amounts; its mean square by Gauss's rule on many rows, exact for it."""
    latitude, columns, highest = GRIDS[grid]
    amounts = np.random.default_rng(3).normal(size=(highest + 1, highest + 1))

    def field(rows, width):
        return sum(
            amounts[degree, order] * harmonic(degree, order, rows, width, phase=degree)
            for degree in range(highest + 1)
            for order in range(degree + 1)
        )

    nodes, weights = scipy.special.roots_legendre(16)
    expected = weights @ np.square(field(np.degrees(np.arcsin(nodes)), 32)).mean(axis=1) / 2
    power = SphericalHarmonics(latitude, columns).power(field(latitude, columns)[None])
    assert power.sum() == pytest.approx(expected, rel=1e-12)
    by_degree = [np.square(amounts[degree, : degree + 1]).sum() for degree in range(highest + 1)]
    np.testing.assert_allclose(power[0], by_degree, rtol=1e-10)


def test_functions_of_degree_719_keep_the_addition_theorem():
    """Over all orders the squares of one degree add up to 2 n + 1 at every latitude, up to the poles."""
    sine = np.sin(np.radians([0.0, 30.0, 60.0, 85.0, 89.9]))
    orders = np.arange(720)
    squares = sum(np.square(legendre(own, 719, sine)[-1]).T @ (2.0 - (own == 0)) for own in np.split(orders, 45))
    np.testing.assert_allclose(squares, 1439.0, rtol=1e-9)


def test_masked_channels_are_left_out_and_ranks_add_up():
    mask = np.ones((3, 12, 24), bool)
    mask[1, 4, 7] = False
    fields = np.random.default_rng(2).normal(280.0, 5.0, (2, 5, 3, 12, 24)).astype(np.float32)
    fields[:, :, 1, 4, 7] = np.nan
    arguments = ("a", "b", "c"), ("K",) * 3, WITHOUT, mask
    alone = DegreeSpectra(*arguments)
    alone.add(6.0, *fields)
    alone.add(12.0, *fields[:, :2])

    def of_rank(ranks):
        own = DegreeSpectra(*arguments)
        own.add(6.0, *fields[:, ranks.rank.number :: 2])
        if ranks.rank.number == 0:
            own.add(12.0, *fields[:, :2])
        own.sum_over(ranks, [6.0, 12.0])
        return own.kept()

    expected = alone.kept()
    assert (expected.channels, list(expected.rows)) == (("a", "c"), [12, 12])
    by_hand = SphericalHarmonics(WITHOUT, 24).power(fields[1, :, 2]).mean(axis=0)
    np.testing.assert_allclose(expected.mean_truth[0, 1], by_hand, rtol=1e-6)
    for found in at_once(2, of_rank):
        assert list(found.samples) == list(expected.samples) == [5, 2]
        np.testing.assert_allclose(found.forecast, expected.forecast, rtol=1e-6)
        np.testing.assert_allclose(found.truth, expected.truth, rtol=1e-6)


def test_a_forecast_that_blew_up_spoils_its_own_spectrum_alone(tmp_path):
    truth = np.ones((1, 2, 12, 24), np.float32)
    spectra = DegreeSpectra("ab", "mm", WITHOUT, np.ones((2, 12, 24), bool))
    spectra.add(6.0, np.where(np.arange(2)[:, None, None] == 0, np.inf, truth), truth)
    spectra.kept().save(tmp_path / "spectra-by-degree.npz")
    kept = Spectra.load(tmp_path / "spectra-by-degree.npz")
    assert not np.isfinite(kept.forecast[0, 0]).any()
    assert kept.forecast[0, 1, 0] == pytest.approx(1.0)
    assert kept.truth[0, 0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("latitude", "why"),
    [
        *((latitude, None) for latitude, _, _ in GRIDS.values()),
        (WITH_POLES[2:], "does not reach from pole to pole"),
        (np.linspace(75.0, 15.0, 12), "does not reach from pole to pole"),
        (np.delete(WITH_POLES, 6), "rows of the grid are uneven"),
        (np.array([45.0, -45.0]), "fewer than 3 rows"),
    ],
)
def test_rows_must_reach_from_pole_to_pole_evenly(latitude, why):
    found = none_by_degree(latitude, np.arange(24) * 15.0, np.ones((1, len(latitude), 24), bool))
    assert found is None if why is None else why in found


def test_a_regional_or_masked_grid_has_none():
    everywhere = np.ones((1, 12, 24), bool)
    land = everywhere.copy()
    land[0, 4, 7] = False
    assert "round the globe" in none_by_degree(WITHOUT, np.arange(24) * 1.0, everywhere)
    assert "at all points" in none_by_degree(WITHOUT, np.arange(24) * 15.0, land)


def test_era5_has_the_spectrum_of_scipys_harmonics_and_gauss_weights():
    """On the 32 Gaussian rows of ERA5's TL31 file the weights of Gauss's rule do without any interpolation."""
    with xr.open_dataset(shared_path("data/atmosphere/era5_tl31.nc")) as data:
        field = data["geopotential"].sel(level=500).transpose("latitude", "longitude").load()
    latitude, columns = field.latitude.to_numpy(), field.shape[1]
    assert none_by_degree(latitude, field.longitude.to_numpy(), np.ones((1, *field.shape), bool)) is None
    found = DegreeSpectra("z", ["m2 s-2"], latitude, np.ones((1, *field.shape), bool))
    values = field.to_numpy()[None, None].astype(np.float32)
    found.add(6.0, values, values)
    nodes, weights = scipy.special.roots_legendre(32)
    np.testing.assert_allclose(latitude, np.degrees(np.arcsin(nodes)), atol=1e-6)
    area, degrees = weights[:, None] / 2 / columns, [0, 2, 7, 16, 30, 31]
    expected = [
        sum(
            (area * field.to_numpy() * harmonic(degree, order, latitude, columns, phase)).sum() ** 2
            for order in range(degree + 1)
            for phase in ((0.0, np.pi / 2) if order else (0.0,))
        )
        for degree in degrees
    ]
    np.testing.assert_allclose(found.kept().mean_truth[0, 0, degrees], expected, rtol=1e-3)
    assert expected[1] > 100 * expected[3]
