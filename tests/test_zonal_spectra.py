"""Zonal spectra: a wave by hand, Parseval, another package, ranks, and what has none."""

import numpy as np
import pytest
import scipy.signal
import xarray as xr

from harness.models.cell_area import latitude_weights
from harness.results.spectra import Spectra
from harness.runners.spectra import ZonalSpectra, no_spectra, zonal_power
from tests.runners.made_ranks import at_once
from tests.shared import shared_path

LATITUDE = np.linspace(75.0, -75.0, 6)
LONGITUDE = np.arange(0.0, 360.0, 22.5)


def spectra_of(mask=None, channels=("a", "b")):
    mask = np.ones((len(channels), 6, 16), bool) if mask is None else mask
    return ZonalSpectra(channels, ["m"] * len(channels), LATITUDE, mask)


def test_a_wave_has_half_its_squared_amplitude_at_its_wavenumber():
    radians = np.radians(LONGITUDE)
    wave = 5.0 + 3.0 * np.cos(4 * radians - 1.0) + 2.0 * np.cos(8 * radians)
    expected = np.zeros(9)
    expected[[0, 4, 8]] = 25.0, 3.0**2 / 2, 2.0**2
    np.testing.assert_allclose(zonal_power(wave), expected, atol=1e-12)


@pytest.mark.parametrize("columns", [15, 16])
def test_powers_add_up_to_the_mean_square(columns):
    fields = np.random.default_rng(0).normal(3.0, 2.0, (5, 4, columns))
    np.testing.assert_allclose(zonal_power(fields).sum(axis=-1), np.square(fields).mean(axis=-1), rtol=1e-12)


@pytest.mark.parametrize("columns", [15, 16])
def test_it_is_the_periodogram_of_scipy(columns):
    fields = np.random.default_rng(1).normal(0.0, 2.0, (3, columns)).astype(np.float32)
    _, expected = scipy.signal.periodogram(fields.astype(float), detrend=False, scaling="spectrum")
    np.testing.assert_allclose(zonal_power(fields), expected, rtol=1e-9)


def test_circles_count_by_their_area_and_only_where_they_have_values_all_round():
    mask = np.ones((2, 6, 16), bool)
    mask[0, 1, 3] = mask[1] = False
    amplitude = np.arange(1.0, 7.0)[:, None]
    fields = np.broadcast_to(amplitude * np.cos(2 * np.radians(LONGITUDE)), (1, 2, 6, 16))
    fields = np.where(mask, fields, np.nan)
    spectra = spectra_of(mask)
    spectra.add(6.0, 2 * fields, fields)
    kept = spectra.kept()
    rows = [0, 2, 3, 4, 5]
    expected = np.average(amplitude[rows, 0] ** 2 / 2, weights=latitude_weights(LATITUDE)[rows])
    assert (kept.channels, list(kept.rows)) == (("a",), [5])
    assert kept.mean_truth[0, 0, 2] == pytest.approx(expected, rel=1e-6)
    assert kept.mean_forecast[0, 0, 2] == pytest.approx(4 * expected, rel=1e-6)
    assert np.delete(kept.mean_truth[0, 0], 2).max() < 1e-12


def test_ranks_add_up_to_all_samples_though_one_has_none_at_a_lead_time():
    fields = np.random.default_rng(2).normal(280.0, 5.0, (2, 5, 2, 6, 16)).astype(np.float32)
    alone = spectra_of()
    alone.add(6.0, *fields)
    alone.add(12.0, *fields[:, :2])

    def of_rank(ranks):
        own = spectra_of()
        own.add(6.0, *fields[:, ranks.rank.number :: 2])
        if ranks.rank.number == 0:
            own.add(12.0, *fields[:, :2])
        own.sum_over(ranks, [6.0, 12.0])
        return own.kept()

    expected = alone.kept()
    for found in at_once(2, of_rank):
        assert list(found.samples) == list(expected.samples) == [5, 2]
        np.testing.assert_allclose(found.forecast, expected.forecast, rtol=1e-6)
        np.testing.assert_allclose(found.truth, expected.truth, rtol=1e-6)


@pytest.mark.parametrize(
    ("longitude", "mask", "why"),
    [
        (np.arange(0.0, 180.0, 22.5), np.ones((1, 3, 8), bool), "does not go round the globe"),
        (LONGITUDE + np.where(np.arange(16) == 5, 4.0, 0.0), np.ones((1, 3, 16), bool), "uneven"),
        (LONGITUDE, np.eye(3, 16) == 0, "no row of the grid has values all round the globe"),
        (LONGITUDE, np.ones((1, 3, 16), bool), None),
        (LONGITUDE[::-1], np.ones((1, 3, 16), bool), None),
        (np.mod(LONGITUDE + 200.0, 360.0), np.ones((1, 3, 16), bool), None),
    ],
)
def test_a_grid_must_go_round_the_globe_evenly(longitude, mask, why):
    found = no_spectra(longitude, mask if mask.ndim == 3 else mask[None])
    assert found is None if why is None else why in found


def test_a_forecast_that_blew_up_spoils_its_own_spectrum_alone(tmp_path):
    fields = np.ones((1, 2, 6, 16), np.float32)
    spectra = spectra_of()
    spectra.add(6.0, np.where(np.arange(2)[:, None, None] == 0, np.inf, fields), fields)
    spectra.kept().save(tmp_path / "spectra.npz")
    kept = Spectra.load(tmp_path / "spectra.npz")
    assert not np.isfinite(kept.forecast[0, 0]).any()
    assert kept.forecast[0, 1, 0] == kept.truth[0, 0, 0] == 1.0


def test_era5_has_the_spectrum_that_scipy_gives_it():
    with xr.open_dataset(shared_path("data/atmosphere/era5_tl31.nc")) as data:
        field = data["geopotential"].sel(level=500).transpose("latitude", "longitude").load()
    assert no_spectra(field.longitude.to_numpy(), np.ones((1, *field.shape), bool)) is None
    found = ZonalSpectra(["z"], ["m2 s-2"], field.latitude.to_numpy(), np.ones((1, *field.shape), bool))
    values = field.to_numpy()[None, None].astype(np.float32)
    found.add(6.0, values, values)
    _, powers = scipy.signal.periodogram(field.astype(float), detrend=False, scaling="spectrum", axis=1)
    expected = np.average(powers, axis=0, weights=latitude_weights(field.latitude.to_numpy()))
    np.testing.assert_allclose(found.kept().mean_truth[0, 0], expected, rtol=1e-4)
    assert expected[1:9].sum() > 100 * expected[20:].sum()
