import tracemalloc
import warnings

import cf_xarray.units  # noqa: F401  (the memory that it takes is no archive's)
import numpy as np
import pytest
import xarray as xr
import yaml
from pydantic import TypeAdapter
from shared import REPOSITORY, shared_path
from started import called_alone

from harness.data.archive import ArchiveSource
from harness.data.config import ArchiveConfig, DataConfig, RossbyConfig
from harness.data.matching import match_mapping
from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.errors import UserError


def mapping(**changes):
    channels = [{"name": name, "variable": name, "units": "K"} for name in ("t", "q")]
    return ArchiveConfig(**{"kind": "archive", "files": "*.nc", "channels": channels, **changes})


def archive(steps=12, rows=5, columns=6, *, descending=True, names=("t", "q")):
    rng = np.random.default_rng(0)
    latitude = np.linspace(-50.0, 50.0, rows)
    return xr.Dataset(
        {
            name: (("time", "latitude", "longitude"), rng.normal(size=(steps, rows, columns)).astype(np.float32))
            for name in names
        },
        coords={
            "time": np.datetime64("2001-02-27", "ns") + np.timedelta64(6, "h") * np.arange(steps),
            "latitude": latitude[::-1] if descending else latitude,
            "longitude": np.arange(columns) * 10.0,
        },
    )


def expected(data, indices=slice(None)):
    return np.stack([data[name].values for name in ("t", "q")], axis=1)[indices]


@pytest.fixture
def data():
    return archive()


@pytest.fixture
def whole(tmp_path, data):
    """The archive as one file."""
    folder = tmp_path / "whole"
    folder.mkdir()
    data.to_netcdf(folder / "all.nc")
    return folder


class TestReading:
    def test_values_grid_and_times_are_those_of_the_file(self, whole, data):
        source = ArchiveSource(mapping(), whole)
        np.testing.assert_array_equal(source.read(range(12)), expected(data))
        np.testing.assert_array_equal(source.read([7, 2, 7]), expected(data, [7, 2, 7]))
        np.testing.assert_array_equal(source.latitude, data.latitude)
        np.testing.assert_array_equal(source.longitude, data.longitude)
        np.testing.assert_array_equal(source.times, data.time)
        assert source.step == np.timedelta64(6, "h")
        assert source.mask.all()
        assert source.valid_steps.all()

    def test_a_single_file_can_be_named_itself(self, whole, data):
        np.testing.assert_array_equal(ArchiveSource(mapping(), whole / "all.nc").read([3]), expected(data, [3]))

    @pytest.mark.parametrize("layout", ["zarr", "zarr in chunks", "file a day", "file a variable"])
    def test_every_layout_gives_the_same_source(self, tmp_path, whole, data, layout):
        folder = tmp_path / "other"
        folder.mkdir()
        if layout == "zarr":
            data.to_zarr(folder / "all.zarr", consolidated=False)
        elif layout == "zarr in chunks":
            data.chunk({"time": 5, "latitude": 2}).to_zarr(folder / "all.zarr", consolidated=False)
        elif layout == "file a day":
            for number, begin in enumerate((8, 4, 0)):
                data.isel(time=slice(begin, begin + 4)).to_netcdf(folder / f"{number}.nc")
        else:
            for name in ("t", "q"):
                data[[name]].to_netcdf(folder / f"{name}.nc")
        reference, source = ArchiveSource(mapping(), whole), ArchiveSource(mapping(files=["*.nc", "*.zarr"]), folder)
        np.testing.assert_array_equal(source.read([11, 0, 5]), expected(data, [11, 0, 5]))
        np.testing.assert_array_equal(source.times, reference.times)
        assert source.fingerprint == reference.fingerprint

    def test_a_zarr_store_can_be_named_itself(self, tmp_path, data):
        data.to_zarr(tmp_path / "all.zarr", consolidated=False)
        np.testing.assert_array_equal(ArchiveSource(mapping(), tmp_path / "all.zarr").read([3]), expected(data, [3]))

    def test_rows_keep_the_order_of_the_file(self, tmp_path):
        for direction in (True, False):
            data = archive(descending=direction)
            data.to_netcdf(tmp_path / f"{direction}.nc")
            source = ArchiveSource(mapping(), tmp_path / f"{direction}.nc")
            np.testing.assert_array_equal(source.latitude, data.latitude)
            np.testing.assert_array_equal(source.read([0]), expected(data, [0]))

    def test_dimensions_may_have_other_names_and_another_order(self, tmp_path, data):
        names = {"time": "valid_time", "latitude": "y", "longitude": "x"}
        data.rename(names).transpose("x", "valid_time", "y").to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(dimensions=names), tmp_path)
        np.testing.assert_array_equal(source.read([4]), expected(data, [4]))

    def test_levels_become_channels(self, tmp_path):
        values = np.random.default_rng(1).normal(size=(4, 3, 2, 5)).astype(np.float32)
        coordinates = {
            "time": np.datetime64("2001-01-01", "ns") + np.timedelta64(1, "D") * np.arange(4),
            "plev": [500, 850, 1000],
            "latitude": [10.0, 20.0],
            "longitude": np.arange(5.0),
        }
        xr.Dataset({"z": (tuple(coordinates), values)}, coords=coordinates).to_netcdf(tmp_path / "z.nc")
        channels = [{"name": f"z{level}", "variable": "z", "level": level, "units": "m"} for level in (1000, 500)]
        config = mapping(dimensions={"level": "plev"}, channels=channels)
        np.testing.assert_array_equal(ArchiveSource(config, tmp_path).read([3, 1]), values[[3, 1]][:, [2, 0]])
        lacking = mapping(dimensions={"level": "plev"}, channels=[{**channels[0], "level": 700}])
        with pytest.raises(UserError, match=r"z.nc: z lacks a level of \[700.0\], it has 500, 850, 1000"):
            ArchiveSource(lacking, tmp_path)
        with pytest.raises(UserError, match=r"dimensions that the mapping does not name: plev \(3\)"):
            ArchiveSource(mapping(channels=[{"name": "z", "variable": "z", "units": "m"}]), tmp_path)

    def test_packed_values_are_unpacked(self, tmp_path, data):
        packing = {"dtype": "int16", "scale_factor": 0.001, "add_offset": 1.0, "_FillValue": -32767}
        data.to_netcdf(tmp_path / "a.nc", encoding={"t": packing, "q": packing})
        np.testing.assert_allclose(ArchiveSource(mapping(), tmp_path).read([2]), expected(data, [2]), atol=6e-4)

    def test_time_axis_of_the_mapping_replaces_that_of_the_files(self, tmp_path, data):
        numbered = data.assign_coords(time=np.arange(12))
        numbered.isel(time=slice(0, 8)).to_netcdf(tmp_path / "a.nc")
        numbered.isel(time=slice(8, 12)).to_netcdf(tmp_path / "b.nc")
        source = ArchiveSource(mapping(time={"start": "1996-01-05", "step_hours": 3}), tmp_path)
        assert source.times[[0, 9]].tolist() == np.array(["1996-01-05T00", "1996-01-06T03"], "datetime64[ns]").tolist()
        np.testing.assert_array_equal(source.read([9]), expected(data, [9]))

    def test_fingerprint_follows_one_value_and_the_names(self, tmp_path, whole, data):
        fingerprint = ArchiveSource(mapping(), whole).fingerprint
        data["q"][11, 4, 5] += 1e-6
        data.to_netcdf(tmp_path / "a.nc")
        assert ArchiveSource(mapping(), tmp_path).fingerprint != fingerprint
        renamed = mapping(channels=[{"name": name, "variable": name, "units": "1"} for name in ("t", "q")])
        assert ArchiveSource(renamed, whole).fingerprint != fingerprint


class TestMissingValues:
    def test_fixed_points_become_the_mask_of_their_channel(self, tmp_path, data):
        data["q"][:, 1, 2:4] = np.nan
        data.to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(missing="mask"), tmp_path)
        masked = np.zeros((2, 5, 6), dtype=bool)
        masked[1, 1, 2:4] = True
        np.testing.assert_array_equal(source.mask, ~masked)
        np.testing.assert_array_equal(np.isnan(source.read([0, 5])), [masked, masked])

    def test_whole_steps_are_dropped_for_all_channels(self, tmp_path, data):
        data["q"][:, 1, 2] = np.nan
        data["q"][0] = np.nan
        data["t"][7] = np.nan
        data.to_netcdf(tmp_path / "a.nc")
        source = ArchiveSource(mapping(missing="mask", missing_steps="drop"), tmp_path)
        assert np.flatnonzero(~source.valid_steps).tolist() == [0, 7]
        assert (~source.mask).sum() == 1


def bytes_of_opening_and_reading(folder):
    """Bytes that are kept when an archive is open, and those that reading two steps takes beside them.

    An archive that was opened before has loaded what packages load when they are first needed.
    """
    ArchiveSource(mapping(files=["*.nc", "*.zarr"]), folder).read([5])
    tracemalloc.start()
    source = ArchiveSource(mapping(files=["*.nc", "*.zarr"]), folder)
    kept_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    source.read([5, 200])
    return kept_bytes, tracemalloc.get_traced_memory()[1] - kept_bytes


@pytest.mark.parametrize("layout", ["netcdf", "zarr"])
def test_opening_keeps_nothing_and_reading_takes_the_memory_of_a_window(tmp_path, layout):
    data = archive(steps=400, rows=60, columns=36)
    if layout == "netcdf":
        data.to_netcdf(tmp_path / "a.nc")
    else:
        data.chunk({"time": 1}).to_zarr(tmp_path / "a.zarr", consolidated=False)
    state_bytes = 2 * 60 * 36 * 4
    kept_bytes, peak_bytes = called_alone(bytes_of_opening_and_reading, tmp_path)
    assert kept_bytes < data.nbytes / 8
    assert peak_bytes < 12 * state_bytes < data.nbytes / 10


class TestMatching:
    MAPPINGS = {  # noqa: RUF012
        "heat": mapping(),
        "wind": mapping(channels=[{"name": name, "variable": name, "units": "m s-1"} for name in ("u", "v")]),
        "rossby": RossbyConfig(kind="rossby"),
    }

    def test_the_one_that_fits(self, whole):
        assert match_mapping(whole, self.MAPPINGS) == "heat"
        assert match_mapping(whole / "all.nc", self.MAPPINGS) == "heat"

    def test_none_gives_the_reason_for_each(self, tmp_path):
        archive(names=("t", "u")).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match=r"heat: no variable 'q' in .*a.nc; wind: no variable 'v'"):
            match_mapping(tmp_path, self.MAPPINGS)

    def test_several_are_listed(self, tmp_path):
        archive(names=("t", "q", "u", "v")).to_netcdf(tmp_path / "a.nc")
        with pytest.raises(UserError, match="several mappings fit, name one of them: heat, wind"):
            match_mapping(tmp_path, self.MAPPINGS)


@pytest.fixture(scope="module")
def mappings():
    paths = (REPOSITORY / "scenarios/data").glob("*.yaml")
    return {path.stem: TypeAdapter(DataConfig).validate_python(yaml.safe_load(path.read_text())) for path in paths}


@pytest.fixture(scope="module")
def folder():
    return shared_path("data/atmosphere")


class TestStorm:
    """NCEP analyses of January 1996, as issue 2 wants them trained on."""

    def test_folder_alone_finds_the_mapping(self, folder, mappings):
        assert match_mapping(folder, mappings) == "storm"

    def test_corners_are_masked_and_missing_steps_dropped(self, folder, mappings):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            source = open_source(mappings["storm"], path=folder)
        assert source.mask.shape == (6, 33, 36)
        assert source.mask.sum(axis=(1, 2)).tolist() == [33 * 36 - 224] * 6
        assert np.flatnonzero(~source.valid_steps).tolist() == [17, 36, 37]
        assert source.times[-1] == np.datetime64("1996-01-20T18:00")
        assert source.latitude[[0, -1]].tolist() == [20.0, 60.0]

    def test_windows_are_finite_and_plausible(self, folder, mappings):
        windows = Windows(open_source(mappings["storm"], path=folder), mappings["storm"].splits)
        batches = windows.batches("train", 8, epoch_seed=0)
        assert all(np.isfinite(array).all() for batch in batches for array in (batch.inputs, batch.targets))
        pressure_pa, temperature_k = windows.normalisation.mean[:2]
        assert 100_000 < pressure_pa < 103_000
        assert 270 < temperature_k < 285
