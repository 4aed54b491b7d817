"""Masked and unpacked values are those of netCDF4-python, which reads the same files itself."""

import shutil

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from test_archive import archive, mapping

from harness.data.archive import ArchiveSource
from harness.data.files import open_lazily
from harness.errors import UserError

NOT_A_NUMBER = np.float32(np.nan)
FLOATS = [1.0, 2.0, netCDF4.default_fillvals["f4"], -9999.0, 1e20, np.nan]
SHORTS = [1, 200, -32767, -32768, 300, 20]
BYTES = [1, 2, -127, -128, -1, 100]

VARIABLES = {
    "float": ("f4", FLOATS, {}),
    "double": ("f8", [1.0, netCDF4.default_fillvals["f8"], -9999.0, 0.0, 1e30, 2.0], {}),
    "float with a fill value": ("f4", FLOATS, {"_FillValue": np.float32(-9999)}),
    "float filled with NaN": ("f4", FLOATS, {"_FillValue": NOT_A_NUMBER}),
    "float with a missing value": ("f4", FLOATS, {"missing_value": np.float32(1e20)}),
    "float with several missing values": ("f4", FLOATS, {"missing_value": np.array([2, -9999], dtype="f4")}),
    "both": ("f4", FLOATS, {"_FillValue": np.float32(-9999), "missing_value": np.float32(1e20)}),
    "at least": ("f4", FLOATS, {"valid_min": np.float32(0)}),
    "at most": ("f4", FLOATS, {"valid_max": np.float32(1.5)}),
    "within": ("f4", FLOATS, {"valid_range": np.array([0, 1.5], dtype="f4")}),
    "range and bounds": ("f4", FLOATS, {"valid_range": np.array([0, 1.5], dtype="f4"), "valid_min": np.float32(-1e5)}),
    "integers as bounds of floats": ("f4", FLOATS, {"valid_range": np.array([0, 100], dtype="i4")}),
    "short": ("i2", SHORTS, {}),
    "packed": ("i2", SHORTS, {"scale_factor": 0.01, "add_offset": 273.15}),
    "packed, all said": ("i2", SHORTS, {"scale_factor": 0.5, "_FillValue": np.int16(20), "missing_value": np.int16(1)}),
    "packed within": ("i2", SHORTS, {"scale_factor": 0.1, "valid_range": np.array([0, 250], dtype="i2")}),
    "packed at least": ("i2", SHORTS, {"scale_factor": np.float32(0.1), "valid_min": np.int16(100)}),
    "int": ("i4", [1, netCDF4.default_fillvals["i4"], 3, -1, 0, 2], {}),
    "byte": ("i1", BYTES, {}),
    "byte with a fill value": ("i1", BYTES, {"_FillValue": np.int8(-1)}),
    "unsigned": ("i2", SHORTS, {"_Unsigned": "true", "scale_factor": 0.1}),
    "unsigned with a fill value": ("i1", BYTES, {"_Unsigned": "true", "_FillValue": np.int8(-1)}),
    "unsigned within": ("i1", BYTES, {"_Unsigned": "true", "valid_range": np.array([2, -2], dtype="i1")}),
    "unsigned short": ("u2", [1, 2, 65535, 0, 4, 5], {}),
}


def written(path, variables, **how):
    with netCDF4.Dataset(path, "w", **how) as file:
        file.createDimension("x", 6)
        for name, (kind, values, attributes) in variables.items():
            others = dict(attributes)
            variable = file.createVariable(name, kind, ("x",), fill_value=others.pop("_FillValue", None))
            variable.set_auto_maskandscale(False)
            variable.setncatts(others)
            variable[:] = np.array(values).astype(kind)
    return path


class TestAsTheLibrary:
    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory):
        return written(tmp_path_factory.mktemp("oracle") / "a.nc", VARIABLES)

    @pytest.mark.parametrize("name", VARIABLES)
    def test_values(self, path, name):
        with netCDF4.Dataset(path) as file:
            expected = np.ma.filled(file[name][:].astype(np.float64), np.nan)
        found = open_lazily(path)[name].values
        np.testing.assert_allclose(found, expected, rtol=2e-7)

    def test_of_the_classic_format(self, tmp_path):
        classic = {name: VARIABLES[name] for name in ("float", "short", "packed within", "both")}
        path = written(tmp_path / "a.nc", classic, format="NETCDF3_CLASSIC")
        for name in classic:
            with netCDF4.Dataset(path) as file:
                expected = np.ma.filled(file[name][:].astype(np.float64), np.nan)
            np.testing.assert_allclose(open_lazily(path)[name].values, expected, rtol=2e-7)

    def test_bytes_of_a_file_without_fill_values_are_all_values(self, tmp_path):
        path = written(tmp_path / "a.nc", {"v": ("i1", BYTES, {"_FillValue": False})})
        np.testing.assert_array_equal(open_lazily(path)["v"].values, BYTES)

    def test_parts_are_masked_alike(self, path):
        whole = open_lazily(path)["packed within"]
        np.testing.assert_array_equal(whole[[4, 0]].values, whole.values[[4, 0]])
        np.testing.assert_array_equal(whole[::-2].values, whole.values[::-2])
        assert np.isnan(whole[4].values)


class TestWhereTheLibraryIgnoresAnAttribute:
    """It drops attributes that the type cannot hold exactly, with a warning that few see."""

    @pytest.mark.parametrize("value", [np.float64(1e20), "1e20"])
    def test_a_missing_value_is_rounded_to_the_type(self, tmp_path, value):
        path = written(tmp_path / "a.nc", {"v": ("f4", [1, 1e20, 3, 4, 5, 6], {"missing_value": value})})
        np.testing.assert_array_equal(open_lazily(path)["v"].values, [1, np.nan, 3, 4, 5, 6])

    def test_a_valid_range_of_unpacked_values_is_compared_with_those(self, tmp_path):
        """NetCDF Users Guide: of the type of scale_factor and wider than the data, it is one of unpacked values."""
        attributes = {"scale_factor": 0.01, "add_offset": 273.15, "valid_range": np.array([250.0, 300.0])}
        path = written(tmp_path / "a.nc", {"v": ("i2", [0, 1000, 5000, -5000, 2600, -2300], attributes)})
        np.testing.assert_allclose(open_lazily(path)["v"].values, [273.15, 283.15, np.nan, np.nan, 299.15, 250.15])

    def test_factors_that_are_text_count_and_others_are_named(self, tmp_path):
        path = written(tmp_path / "a.nc", {"v": ("i2", [1, 2, 3, 4, 5, 6], {"scale_factor": "0.5"})})
        np.testing.assert_array_equal(open_lazily(path)["v"].values, [0.5, 1, 1.5, 2, 2.5, 3])
        path = written(tmp_path / "b.nc", {"v": ("i2", [1, 2, 3, 4, 5, 6], {"scale_factor": "half"})})
        with pytest.raises(UserError, match=r"b.nc: v: cannot be unpacked: scale_factor is 'half', no number"):
            open_lazily(path)["v"]


def gap(data, engine="netcdf4"):
    """`data` as netCDF4 has it, q not written at row 1, column 2."""
    data["q"].attrs.pop("_FillValue", None)
    values = data["q"].values
    values[:, 1, 2] = netCDF4.default_fillvals["f4"]
    return data


class TestArchives:
    def test_unwritten_points_are_masked(self, tmp_path):
        gap(archive()).to_netcdf(tmp_path / "a.nc", encoding={"q": {"_FillValue": None}})
        source = ArchiveSource(mapping(missing="mask"), tmp_path)
        assert np.argwhere(~source.mask).tolist() == [[1, 1, 2]]
        with pytest.raises(UserError, match=r"q .*: NaN at 1 points"):
            ArchiveSource(mapping(), tmp_path)

    def test_values_outside_the_valid_range_are_masked(self, tmp_path):
        data = archive()
        data["t"].attrs = {"valid_min": np.float32(-100), "valid_max": np.float32(100)}
        data["t"][:, 3, 3] = -9999
        data.to_netcdf(tmp_path / "a.nc", encoding={"t": {"_FillValue": None}})
        source = ArchiveSource(mapping(missing="mask"), tmp_path)
        assert np.argwhere(~source.mask).tolist() == [[0, 3, 3]]

    @pytest.mark.parametrize(
        "attributes",
        [
            {"units": "hours since analysis"},
            {"units": "days since -1-1-1", "calendar": "of the moon"},
            {"scale_factor": "one tenth"},
            {"_FillValue": np.float64(1), "missing_value": np.array([1.0, 2.0])},
        ],
    )
    def test_an_odd_variable_that_is_not_mapped_stops_nothing(self, tmp_path, attributes):
        data = archive()
        data.to_netcdf(tmp_path / "a.nc")
        with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
            others = dict(attributes)
            tau = file.createVariable("tau", "f8", ("time",), fill_value=others.pop("_FillValue", None))
            tau.set_auto_maskandscale(False)
            tau.setncatts(others)
            tau[:] = np.arange(12)
            file.createVariable("record", file.createCompoundType(np.dtype([("a", "f4")]), "pair"), ("time",))
        source = ArchiveSource(mapping(), tmp_path)
        np.testing.assert_array_equal(source.read([5])[0, 0], data["t"][5])


def store(folder, *, zarr_format=3, fill_value=0.0, shards=None, chunks=(4, 5, 6)):
    """An archive as one Zarr store whose arrays fill absent chunks with `fill_value`."""
    data = archive()
    path = folder / "a.zarr"
    coordinates = data.drop_vars(["t", "q"])
    coordinates.to_zarr(path, consolidated=False, zarr_format=zarr_format)
    group = zarr.open_group(path, mode="a", zarr_format=zarr_format)
    for name in ("t", "q"):
        named = {"dimension_names": data[name].dims} if zarr_format == 3 else {}
        array = group.create_array(
            name, shape=data[name].shape, chunks=chunks, shards=shards, dtype="f4", fill_value=fill_value, **named
        )
        if zarr_format == 2:
            array.attrs["_ARRAY_DIMENSIONS"] = list(data[name].dims)
        array[:] = data[name].values
    return path, data


@pytest.mark.skipif(not hasattr(zarr, "create_array"), reason="needs Zarr 3")
class TestLostChunks:
    CONFIG = mapping(files="*.zarr", missing_steps="drop", missing="mask")

    @pytest.mark.parametrize("zarr_format", [2, 3])
    @pytest.mark.parametrize("fill_value", [0.0, 7.5, np.nan])
    def test_steps_of_a_lost_chunk_are_missing(self, tmp_path, zarr_format, fill_value):
        path, data = store(tmp_path, zarr_format=zarr_format, fill_value=fill_value)
        key = {2: "1.0.0", 3: "c/1/0/0"}[zarr_format]
        (path / "q" / key).unlink()
        source = ArchiveSource(self.CONFIG, tmp_path)
        assert np.flatnonzero(~source.valid_steps).tolist() == [4, 5, 6, 7]
        np.testing.assert_array_equal(source.read([9])[0, 1], data["q"][9])
        lost = f"{path}: q: 1 of 3 chunks are not in the store, the first is {key}, their values count as missing"
        assert lost in source.reading.cautions
        with pytest.raises(
            UserError, match=rf"q \(channel q\) \(1 of 3 chunks are not in the store, .*{key}\), step 4"
        ):
            ArchiveSource(mapping(files="*.zarr"), tmp_path)

    def test_part_of_the_grid(self, tmp_path):
        path, _ = store(tmp_path, chunks=(12, 2, 3))
        (path / "t" / "c" / "0" / "1" / "1").unlink()
        source = ArchiveSource(self.CONFIG, tmp_path)
        lost = np.zeros((5, 6), dtype=bool)
        lost[2:4, 3:] = True
        np.testing.assert_array_equal(~source.mask[0], lost)
        assert source.mask[1].all()

    def test_a_lost_shard_and_a_chunk_that_its_shard_never_got(self, tmp_path):
        path, data = store(tmp_path, chunks=(1, 5, 6), shards=(4, 5, 6))
        zarr.open_array(path / "q", mode="a")[6] = 0
        (path / "t" / "c" / "2" / "0" / "0").unlink()
        source = ArchiveSource(self.CONFIG, tmp_path)
        assert np.flatnonzero(~source.valid_steps).tolist() == [6, 8, 9, 10, 11]
        np.testing.assert_array_equal(source.read([7])[0, 1], data["q"][7])
        lost = "1 of 12 chunks are not in the store, the first is c/1/0/0, chunk (2, 0, 0)"
        assert any(lost in caution for caution in source.reading.cautions)

    def test_a_lost_coordinate(self, tmp_path):
        path, _ = store(tmp_path)
        shutil.rmtree(path / "time" / "c")
        with pytest.raises(UserError, match=r"a.zarr: 'time': no time at step 0"):
            ArchiveSource(self.CONFIG, tmp_path)

    def test_nothing_is_lost_of_a_whole_store(self, tmp_path):
        _, data = store(tmp_path, chunks=(5, 2, 4))
        source = ArchiveSource(self.CONFIG, tmp_path)
        assert not any("chunk" in caution for caution in source.reading.cautions)
        np.testing.assert_array_equal(source.read([11])[0, 0], data["t"][11])


def test_levels_and_members_keep_their_place_in_lost_chunks(tmp_path):
    """Read in another order than stored: time last, the chunk of level 1 at times 2 and 3 is lost."""
    values = np.arange(2 * 3 * 2 * 4, dtype=np.float32).reshape(2, 3, 2, 4) + 1
    data = xr.Dataset(
        {"t": (("level", "latitude", "longitude", "time"), values)},
        coords={
            "level": [500, 850],
            "latitude": [0.0, 10.0, 20.0],
            "longitude": [0.0, 10.0],
            "time": np.datetime64("2001-01-01", "ns") + np.timedelta64(1, "D") * np.arange(4),
        },
    )
    encoding = {"t": {"chunks": (1, 3, 2, 2), "fill_value": 0.0}}
    data.to_zarr(tmp_path / "a.zarr", consolidated=False, zarr_format=3, encoding=encoding)
    (tmp_path / "a.zarr" / "t" / "c" / "1" / "0" / "0" / "1").unlink()
    channels = [{"name": f"t{level}", "variable": "t", "level": level, "units": "K"} for level in (850, 500)]
    config = mapping(
        files="*.zarr", channels=channels, dimensions={"level": "level"}, missing_steps="drop", missing="mask"
    )
    source = ArchiveSource(config, tmp_path)
    assert np.isnan(source.read([2, 3])[:, 0]).all()
    np.testing.assert_array_equal(source.read([2])[0, 1], values[0, ..., 2])
    np.testing.assert_array_equal(source.read([1])[0, 0], values[1, ..., 1])
