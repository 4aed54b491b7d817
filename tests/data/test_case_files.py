"""The files of ../shared/cases/data that lie about units or coordinates, each with its right answer."""

import numpy as np
import pytest
import xarray as xr
from shared import shared_path

from harness.data.archive import ArchiveSource
from harness.errors import UserError
from harness.scenario import catalogue


def source_of(case, mapping="mapping.yaml"):
    folder = shared_path(f"cases/data/{case}")
    return ArchiveSource(catalogue.data(str(folder / mapping)), folder)


def values_of(case, variable, file="a.nc"):
    with xr.open_dataset(shared_path(f"cases/data/{case}") / file) as data:
        return data[variable].values


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("curvilinear-row-numbers", "a curvilinear grid"),
        ("rotated-pole", "a rotated pole"),
    ],
)
def test_refused_by_what_they_are(case, words):
    with pytest.raises(UserError, match=words):
        source_of(case)


def test_celsius_becomes_kelvin():
    expected = values_of("file-degc-mapping-k", "t2m").astype("f8") + 273.15
    source = source_of("file-degc-mapping-k")
    np.testing.assert_allclose(source.read(range(24))[:, 0], expected, rtol=1e-7)
    assert source.reading.lines[0] == "t2m: degC converted to K (x 1 + 273.15)"


def test_kelvin_then_celsius_is_one_series():
    source = source_of("kelvin-then-celsius")
    values = source.read(range(24))[:, 0]
    np.testing.assert_array_equal(values[:12], values_of("kelvin-then-celsius", "t2m"))
    assert abs(values[12:].mean() - values[:12].mean()) < 1
    assert "in 1 of 2 files, the first b.nc" in source.reading.lines[0]


def test_500_hpa_is_50000_pa():
    found = source_of("plev-in-pascal").read([0])[0, 0]
    np.testing.assert_array_equal(found, values_of("plev-in-pascal", "z")[0, 2])


def test_a_cyclic_column_counts_once():
    source = source_of("cyclic-column")
    np.testing.assert_array_equal(source.read([5])[0, 0], values_of("cyclic-column", "t2m")[5, :, :12])


def test_float32_and_float64_latitudes_are_one_grid():
    assert len(source_of("float32-and-float64-latitudes").times) == 24


@pytest.mark.parametrize("mapping", ["surface.yaml", "three-depths.yaml"])
def test_depths_of_the_ocean_are_known_as_that(mapping):
    assert {info.level_units for info in source_of("graphcast-ocean-surface", mapping).channel_info} == {"m"}
