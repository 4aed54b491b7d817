"""Chunks decoded straight into their place hold what Zarr and xarray read; threads change no value."""

import threading
from functools import partial

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from test_archive import archive, mapping

from harness.data import threads
from harness.data.archive import ArchiveSource
from harness.data.threads import in_threads
from harness.data.whole_fields import whole_fields
from harness.data.windows import Windows
from harness.errors import UserError

VALUES = np.random.default_rng(1).normal(size=(7, 3, 4, 5)).astype(np.float32)
CODECS = {
    "blosc": numcodecs.Blosc(cname="zstd", shuffle=2),
    "zstd": numcodecs.Zstd(level=1),
    "gzip": numcodecs.GZip(level=1),
    "none": None,
}
KEYS = [
    (np.array([4, 0, 6]), slice(None), slice(None), slice(None)),
    (3, slice(None), slice(None), slice(None)),
    (slice(1, 6, 2), np.array([2, 0]), slice(None), slice(None)),
    (np.array([5]), 1, slice(0, 3), np.array([4, 0, 1])),
    (2, 0, slice(None), slice(1, 4)),
    (slice(0, 0), slice(None), slice(None), slice(None)),
]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def threaded(monkeypatch):
    """Fields of any size are read in threads."""
    monkeypatch.setattr(threads, "WORTH_BYTES", 0)
    monkeypatch.setattr(threads, "cores", lambda: 4)


def store(folder, values=VALUES, codec="blosc", zarr_format=2, chunks=None):
    """A Zarr array in a group, one chunk a step."""
    options = {"chunks": chunks or (1, *values.shape[1:])}
    if zarr_format == 2:
        options["compressors"] = CODECS[codec]
    elif codec == "none":
        options["compressors"] = None
    else:
        kinds = {"blosc": zarr.codecs.BloscCodec, "zstd": zarr.codecs.ZstdCodec, "gzip": zarr.codecs.GzipCodec}
        options["compressors"] = kinds[codec]()
    group = zarr.open_group(str(folder), mode="w", zarr_format=zarr_format)
    array = group.create_array("v", shape=values.shape, dtype=values.dtype, **options)
    array[...] = values
    return folder


def outer(values, key):
    for axis in reversed(range(len(key))):
        values = np.take(values, np.arange(values.shape[axis])[key[axis]], axis=axis)
    return values


@pytest.mark.skipif(int(zarr.__version__.split(".")[0]) < 3, reason="written with the interface of zarr 3")
class TestChunks:
    @pytest.mark.parametrize("zarr_format", [2, 3])
    @pytest.mark.parametrize("codec", CODECS)
    def test_any_key_of_any_codec(self, tmp_path, codec, zarr_format):
        array = whole_fields(store(tmp_path / "s", codec=codec, zarr_format=zarr_format), "v")
        for key in KEYS:
            np.testing.assert_array_equal(array.read(key), outer(VALUES, key))

    @pytest.mark.parametrize("dtype", ["<i2", ">f4", "<f8", "<f2"])
    def test_any_type(self, tmp_path, dtype):
        values = (100 * VALUES).astype(dtype)
        array = whole_fields(store(tmp_path / "s", values), "v")
        assert array.dtype == values.dtype
        np.testing.assert_array_equal(array.read(KEYS[0]), values[[4, 0, 6]])

    @pytest.mark.parametrize("chunks", [(2, 3, 4, 5), (1, 1, 4, 5), (1, 3, 4, 4)])
    def test_other_chunks_are_left_to_zarr(self, tmp_path, chunks):
        assert whole_fields(store(tmp_path / "s", chunks=chunks), "v") is None

    @pytest.mark.parametrize("damage", ["cut", "empty", "too few values", "too many values", "other bytes"])
    @pytest.mark.parametrize("codec", CODECS)
    def test_a_chunk_of_another_length_is_an_error(self, tmp_path, codec, damage):
        array = whole_fields(store(tmp_path / "s", codec=codec), "v")
        chunk = tmp_path / "s/v/4.0.0.0"
        encode = (lambda values: values.tobytes()) if codec == "none" else CODECS[codec].encode
        content = {
            "cut": chunk.read_bytes()[:-5],
            "empty": b"",
            "too few values": encode(VALUES[4, :2]),
            "too many values": encode(VALUES[4:6]),
            "other bytes": b"nothing",
        }
        chunk.write_bytes(content[damage])
        array.read((3, slice(None), slice(None), slice(None)))
        with pytest.raises(ValueError, match=r"chunk 4\.0\.0\.0 "):
            array.read((4, slice(None), slice(None), slice(None)))


@pytest.mark.usefixtures("own_cache", "threaded")
class TestThreads:
    @pytest.mark.parametrize("chunks", [1, 5])
    @pytest.mark.parametrize("levels", [False, True])
    def test_an_archive_read_in_threads_is_what_xarray_reads(self, tmp_path, chunks, levels):
        data = archive(steps=13)
        config = mapping(files="*.zarr")
        if levels:
            leveled = np.stack([data["t"].values + 10 * k for k in range(3)], axis=1)
            coordinates = {**data.coords, "level": ("level", [850.0, 500.0, 200.0], {"units": "hPa"})}
            data = xr.Dataset({"t": (("time", "level", "latitude", "longitude"), leveled)}, coords=coordinates)
            levels_of_t = [{"name": "t", "variable": "t", "units": "K", "levels": [500.0, 850.0]}]
            config = mapping(files="*.zarr", dimensions={"level": "level"}, channels=levels_of_t)
        data.chunk({"time": chunks}).to_zarr(tmp_path / "all.zarr", zarr_format=2, consolidated=False)
        source = ArchiveSource(config, tmp_path)
        expected = leveled[:, [1, 0]] if levels else np.stack([data[name].values for name in ("t", "q")], axis=1)
        for order in ([12, 0, 5, 6, 4], [3, 3, 1], list(range(13)), []):
            np.testing.assert_array_equal(source.read(order), expected[order])

    def test_batches_are_normalised_alike(self, tmp_path, monkeypatch):
        data = archive(steps=24)
        data["q"][:, 1, 2:4] = np.nan
        data.chunk({"time": 1}).to_zarr(tmp_path / "all.zarr", zarr_format=2, consolidated=False)
        source = ArchiveSource(mapping(files="*.zarr", missing="mask"), tmp_path)
        windows = Windows(source, mapping().splits)
        raw, norm = source.read(range(24)), windows.normalisation
        by_hand = np.where(source.mask, (raw - norm.mean_per_point) / norm.std_per_point, np.float32(0))
        order = np.random.default_rng(5).permutation(windows.starts("train"))
        for number, batch in enumerate(windows.batches("train", 3, epoch_seed=5)):
            chosen = order[3 * number : 3 * number + 3]
            assert batch.inputs.tobytes() == by_hand[chosen].tobytes()
            assert batch.targets[0].tobytes() == by_hand[chosen + 1].tobytes()

    def test_an_unreadable_chunk_ends_all_threads_with_its_message(self, tmp_path):
        archive().chunk({"time": 1}).to_zarr(tmp_path / "all.zarr", zarr_format=2, consolidated=False)
        source = ArchiveSource(mapping(files="*.zarr"), tmp_path)
        (tmp_path / "all.zarr/q/5.0.0").write_bytes(b"nothing")
        with pytest.raises(UserError, match=r"all.zarr: cannot be read"):
            source.read(range(12))
        assert not [each for each in threading.enumerate() if each.name.startswith("crosscast-fields")]

    def test_the_first_error_in_order_is_raised(self):
        def fail(number):
            if number in (3, 7):
                raise ValueError(f"task {number}")

        with pytest.raises(ValueError, match="task 3"):
            in_threads([partial(fail, number) for number in range(9)], 1)


def test_small_fields_are_read_by_the_caller():
    used = set()
    in_threads([lambda: used.add(threading.current_thread())] * 3, 1000)
    assert used == {threading.current_thread()}
