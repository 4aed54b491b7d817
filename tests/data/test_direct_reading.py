"""Fields that are read without a copy in between, in parts of chunks: the bytes that xarray reads, and refusals."""

import hashlib
import itertools

import numcodecs
import numpy as np
import pytest
import xarray as xr
import xxhash
from test_archive import mapping

from harness.data import threads, variables, whole_fields
from harness.data.archive import ArchiveSource
from harness.data.checks import ValueScanner
from harness.data.config import Splits
from harness.data.fingerprints import Fingerprint
from harness.data.opening import open_source
from harness.data.preparing import Packing, prepare
from harness.data.scanning import scan_steps
from harness.data.threads import ahead
from harness.data.windows import Windows
from harness.errors import UserError
from harness.models.domain import InputSpec

STEPS, LEVELS, ROWS, COLUMNS = 8, (50.0, 200.0, 500.0, 850.0, 1000.0), 91, 180
WANTED = [850.0, 50.0, 500.0]


@pytest.fixture(autouse=True)
def small_parts(tmp_path, monkeypatch):
    """Fields of any size are read in threads and in parts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(threads, "WORTH_BYTES", 0)
    monkeypatch.setattr(threads, "cores", lambda: 3)
    monkeypatch.setattr(whole_fields, "PART_BYTES", 2**16)


def values(*lead):
    """Noise of which 16 bits say something, which Blosc divides into several blocks."""
    noise = np.random.default_rng(len(lead)).normal(280, 20, size=(*lead, ROWS, COLUMNS))
    return (np.round(noise * 512) / 512).astype(np.float32)


def dataset():
    place = {"latitude": np.linspace(90, -90, ROWS), "longitude": np.arange(COLUMNS) * 2.0}
    time = {"time": np.datetime64("2001-01-01", "ns") + np.timedelta64(6, "h") * np.arange(STEPS)}
    level = {"level": ("level", list(LEVELS), {"units": "hPa"})}
    surface, air = values(STEPS), values(STEPS, len(LEVELS))
    return xr.Dataset(
        {
            "q": (("time", "latitude", "longitude"), surface),
            "t": (("time", "level", "latitude", "longitude"), air),
        },
        coords={**time, **level, **place},
    )


CODECS = {
    "lz4": numcodecs.Blosc("lz4", shuffle=1),
    "small blocks": numcodecs.Blosc("lz4", shuffle=1, blocksize=2**13),
    "zstd in blosc": numcodecs.Blosc("zstd", shuffle=2, blocksize=2**14),
    "not divided": numcodecs.Blosc("lz4", clevel=0),
    "zstd": numcodecs.Zstd(1),
    "gzip": numcodecs.GZip(1),
    "none": None,
}


def write(folder, codec="small blocks", data=None):
    data = dataset() if data is None else data
    encoding = {name: {"compressors": CODECS[codec]} for name in data.data_vars}
    data.chunk({"time": 1}).to_zarr(folder / "all.zarr", zarr_format=2, consolidated=False, encoding=encoding)
    return folder


def config(**changes):
    channels = [
        {"name": "q", "variable": "q", "units": "1"},
        {"name": "t", "variable": "t", "units": "1", "levels": WANTED},
    ]
    return mapping(files="*.zarr", dimensions={"level": "level"}, channels=channels, **changes)


def by_xarray(folder, rows=slice(None)):
    with xr.open_zarr(folder / "all.zarr", consolidated=False, chunks=None) as data:
        chosen = data["t"].sel(level=WANTED).values
        return np.concatenate([data["q"].values[:, None], chosen], axis=1)[:, :, rows]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("even_grid", [False, True])
def test_levels_and_rows_of_any_codec(tmp_path, codec, even_grid):
    source = ArchiveSource(config(even_grid=even_grid), write(tmp_path, codec))
    expected = by_xarray(tmp_path, slice(0, 90) if even_grid else slice(None))
    for variable in source._variables:
        assert all(itertools.starmap(variables._direct, zip(variable.pieces, variable.levels, strict=True)))
    for order in ([4, 0, 3], [2, 2, 5], range(STEPS)):
        assert source.read(order).tobytes() == expected[list(order)].tobytes()


def test_a_fill_value_is_no_data_and_columns_may_begin_at_another_meridian(tmp_path):
    data = dataset()[["q"]]
    data["q"].values[:, 3, 5] = -999.0
    (tmp_path / "a").mkdir()
    first, second = data.isel(time=slice(0, 3)), data.isel(time=slice(3, STEPS)).roll(longitude=20, roll_coords=True)
    for name, part in (("1", first), ("2", second)):
        part["q"].attrs["missing_value"] = np.float32(-999.0)
        part.chunk({"time": 1, "longitude": -1}).to_zarr(tmp_path / f"a/{name}.zarr", zarr_format=2, consolidated=False)
    one = mapping(files="*.zarr", channels=[{"name": "q", "variable": "q", "units": "1"}], missing="mask")
    source = ArchiveSource(one, tmp_path / "a")
    expected = data["q"].values[:, None].copy()
    expected[:, :, 3, 5] = np.nan
    assert all(piece.direct(None) for piece in source._variables[0].pieces)
    np.testing.assert_array_equal(source.read(range(STEPS)), expected)


def test_other_orders_of_dimensions_are_left_to_xarray(tmp_path):
    turned = dataset().transpose("time", "level", "longitude", "latitude")
    source = ArchiveSource(config(), write(tmp_path, data=turned))
    expected = dataset()
    assert source._variables[0].pieces[0].direct(None) is None
    np.testing.assert_array_equal(source.read([5, 1])[:, 1:], expected["t"].sel(level=WANTED).values[[5, 1]])


@pytest.mark.parametrize("format_", ["zarr", "netcdf"])
def test_two_channels_of_one_field(tmp_path, format_):
    data = dataset()[["q"]]
    if format_ == "zarr":
        write(tmp_path, data=data)
    else:
        data.to_netcdf(tmp_path / "all.nc")
    twice = [{"name": name, "variable": "q", "units": "1"} for name in ("first", "second")]
    found = ArchiveSource(mapping(files="all.*", channels=twice), tmp_path).read(range(STEPS))
    np.testing.assert_array_equal(found, np.repeat(data["q"].values[:, None], 2, axis=1))


def test_a_chunk_that_wrongly_says_that_it_is_not_compressed_is_refused(tmp_path):
    chunk = write(tmp_path) / "all.zarr/t/3.0.0.0"
    content = bytearray(chunk.read_bytes())
    content[2] |= 2
    chunk.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"3\.0\.0\.0 cannot be decoded"):
        ArchiveSource(config(), tmp_path).read([3])


@pytest.mark.parametrize("compression", ["lz4", "zstd", "none"])
@pytest.mark.parametrize("stored", ["float32", "int16"])
def test_a_prepared_store_read_in_parts(tmp_path, monkeypatch, compression, stored):
    write(tmp_path)
    if compression == "lz4":
        monkeypatch.setattr(Packing, "codec", CODECS["small blocks"])
    prepare(config(), tmp_path, tmp_path / "store", Packing(stored=stored, compression=compression))
    store = open_source(config(), path=tmp_path / "store")
    with xr.open_zarr(tmp_path / "store", consolidated=False, chunks=None, decode_cf=False) as opened:
        expected = opened["fields"].values.astype(np.float32)
        if stored == "int16":
            expected = expected * opened["scale"].values[:, None, None] + opened["offset"].values[:, None, None]
    assert store.read([4, 4, 1]).tobytes() == expected[[4, 4, 1]].tobytes()
    if stored == "float32":
        assert expected.tobytes() == by_xarray(tmp_path).tobytes()
    if compression != "zstd":
        parts = store._fields.parts(0)
        assert len(parts) > 1
        assert (parts[0][0], parts[-1][1]) == (0, store.mask.size)
        assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(parts))


@pytest.mark.parametrize("damage", ["cut", "starts", "empty"])
@pytest.mark.parametrize("prepared", [False, True])
def test_a_damaged_chunk_is_refused_by_its_name(tmp_path, damage, prepared):
    write(tmp_path)
    source = ArchiveSource(config(), tmp_path)
    chunk = tmp_path / "all.zarr/t/3.0.0.0"
    if prepared:
        prepare(config(), tmp_path, tmp_path / "store", Packing())
        source, chunk = open_source(config(), path=tmp_path / "store"), tmp_path / "store/fields/3.0.0.0"
    content = chunk.read_bytes()
    chunk.write_bytes({"cut": content[:-9], "starts": content[:16] + b"\xff" * 4 + content[20:], "empty": b""}[damage])
    source.read([2, 4])
    with pytest.raises(UserError, match=r"cannot be read.*chunk 3\.0\.0\.0 "):
        source.read([4, 3])


def test_batches_with_history_and_shared_steps_are_those_of_numpy(tmp_path):
    write(tmp_path)
    source = ArchiveSource(config(), tmp_path)
    windows = Windows(source, Splits(train=0.75, validation=0.0, test=0.25), InputSpec(history=2))
    norm = windows.normalisation
    states = (by_xarray(tmp_path) - norm.mean_per_point) / norm.std_per_point
    (batch,) = windows.batches("train", 3, lead=2)
    starts = np.array([1, 2, 3])
    assert batch.inputs.tobytes() == np.concatenate([states[starts], states[starts - 1]], axis=1).tobytes()
    assert batch.targets.tobytes() == np.stack([states[starts + 1], states[starts + 2]]).tobytes()
    assert all(fields.flags.c_contiguous for fields in (batch.inputs, batch.targets))


@pytest.mark.parametrize("steps_in_block", [2, 3, 5])
def test_the_scan_hashes_and_judges_values_with_gaps_as_numpy_does(steps_in_block):
    fields = values(5, 2)
    fields[:, 1, 7] = np.nan
    fields[3] = np.nan
    given = fields.copy()
    given.view(np.uint32)[np.isnan(fields)] = 0x7FC00123
    scanner = ValueScanner(2, lambda channel, step: f"{channel} at {step}", Fingerprint(b"header"))

    def read(steps, outs, finish):
        for number, (step, out) in enumerate(zip(steps, outs, strict=True)):
            out[...] = given[step]
            for channel, field in enumerate(out):
                finish(number, channel, field.reshape(-1), 0)

    told = []
    block_bytes = steps_in_block * fields[0].nbytes
    scan_steps(read, 5, fields.shape[1:], scanner, told.append, block_bytes=block_bytes)
    scan = scanner.finish("mask", "drop")
    clean = np.where(np.isnan(fields), np.float32(np.nan), fields)
    digests = b"".join(xxhash.xxh3_128_digest(field.tobytes()) for field in clean.reshape(-1, *clean.shape[2:]))
    assert scan.fingerprint == "xxh3:" + hashlib.sha256(b"header" + digests).hexdigest()
    assert scan.valid_steps.tolist() == [True, True, True, False, True]
    assert told == [min(5, end) / 5 for end in range(steps_in_block, 5 + steps_in_block, steps_in_block)]
    np.testing.assert_array_equal(scan.mask, ~np.isnan(fields[0]))
    np.testing.assert_array_equal(scan.extremes.lowest, np.nanmin(fields, axis=(0, 2, 3)))
    np.testing.assert_array_equal(scan.extremes.highest, np.nanmax(fields, axis=(0, 2, 3)))


def test_what_is_made_ahead_comes_in_order_and_its_error_where_it_would_have_come():
    def items():
        yield from range(3)
        raise ValueError("the fourth")

    made = ahead(items())
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(made)
