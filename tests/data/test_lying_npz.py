"""Archives of arrays that lie about what is in them: named as damaged, and nothing is allocated."""

import io
import os
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from harness import cache
from harness.errors import UserError
from harness.npz import DAMAGE, read_arrays
from harness.results.forecast import Forecast

ENOUGH = 2**20


def forecast(**changes):
    """Three channels on a grid of 4 rows and 6 columns."""
    fields = np.linspace(0, 1, 3 * 4 * 6, dtype=np.float32).reshape(3, 4, 6)
    made = Forecast(
        channels=("u", "v", "z"),
        units=("m/s", "m/s", "m"),
        latitude=np.linspace(90.0, -90.0, 4),
        longitude=np.arange(6) * 60.0,
        lead_h=24.0,
        valid_at="2001-01-11T18:00:00",
        stride=1,
        forecast=fields + 1,
        truth=fields,
    )
    return replace(made, **changes)


def npy(shape, data=b"", descr="<f4"):
    """The content of an npy file whose header claims a shape."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": descr, "fortran_order": False, "shape": shape})
    return content.getvalue() + data


def replaced(path, name, content):
    """Put other bytes in the place of an array."""
    with zipfile.ZipFile(path) as archive:
        kept = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, old in kept.items():
            archive.writestr(each, content if each == f"{name}.npy" else old)


def refusal(path):
    """The one line that a damaged file is answered with; less than 20 MB were needed to find it."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"forecast\.npz: (damaged|cannot be read): ") as raised:
            Forecast.load(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def path(tmp_path):
    """A good file."""
    forecast().save(tmp_path / "forecast.npz")
    assert Forecast.load(tmp_path / "forecast.npz").channels == ("u", "v", "z")
    return tmp_path / "forecast.npz"


@pytest.mark.parametrize(
    "shape", [(10**9,), (3, 4, 10**9), (10**400,), (2**62, 2**62), (-1,), (3, 4, 7), (3, 4, 5), (0, 10**9)]
)
@pytest.mark.parametrize("name", ["truth", "latitude", "channels", "lead_h"])
def test_a_header_that_claims_another_size(path, name, shape):
    replaced(path, name, npy(shape, b"\0" * 288))
    assert "the header of" in refusal(path)


def test_a_small_file_that_unpacks_to_gigabytes(path):
    zeros = b"\0" * 2**24
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("truth2.npy", "w") as file:
        for _ in range(24):
            file.write(zeros)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"truth.npy", b"trut_.npy").replace(b"truth2.npy", b"truth.npy\0"))
    assert "damaged" in refusal(path)


def test_a_size_that_no_compression_reaches(path):
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"truth.npy") - 46
    assert content[entry : entry + 4] == b"PK\x01\x02"
    content[entry + 24 : entry + 28] = (2**27).to_bytes(4, "little")
    path.write_bytes(content)
    assert "sizes that no compression reaches" in refusal(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"longitude": np.array([0, 1, 2, 3, 4, np.inf])}, "longitude is not all finite"),
        ({"longitude": np.array([0, 1, 2, 3, 4, np.nan])}, "longitude is not all finite"),
        ({"longitude": np.full(6, np.nan)}, "longitude is not all finite"),
        ({"latitude": np.array([90, 30, -30, 1e300])}, "latitude is not all finite"),
        ({"latitude": np.full(4, 30.0)}, "latitude is not all finite and different"),
        ({"lead_h": np.inf}, "a lead time of inf h"),
        ({"lead_h": np.nan}, "a lead time of nan h"),
        ({"lead_h": 1e59}, "a lead time of 1e+59 h"),
        ({"lead_h": -6.0}, "a lead time of -6 h"),
        ({"lead_h": "soon"}, "lead_h holds"),
        ({"lead_h": 1j}, "lead_h holds"),
        ({"lead_h": np.zeros(3)}, "lead_h has 1 dimensions"),
        ({"stride": 0}, "stride is no number"),
        ({"stride": 2**62}, "stride is no number"),
        ({"stride": 1.5}, "stride holds"),
        ({"valid_at": 3.0}, "valid_at holds"),
        ({"valid_at": "x" * 100}, "valid_at is no time"),
        ({"valid_at": "\x1b[31m2001"}, "valid_at is no time"),
        ({"truth": np.full((3, 4, 6), np.inf)}, "truth is above 1e+30"),
        ({"truth": np.full((3, 4, 6), 1e300)}, "truth is above 1e+30"),
        ({"truth": np.full((3, 4, 6), np.nan)}, "truth has no value"),
        ({"truth": np.zeros((3, 4, 6), complex)}, "truth holds complex"),
        ({"truth": np.zeros((3, 4, 6), "M8[s]")}, "truth holds datetime"),
        ({"forecast": np.zeros((3, 4, 6), [("a", "f4")])}, "forecast holds"),
        ({"channels": np.zeros(3)}, "channels holds float64"),
        ({"channels": np.array([["u", "v", "z"]])}, "channels has 2 dimensions"),
        ({"channels": np.array(["u", None, 3], dtype=object)}, "channels holds objects"),
    ],
)
def test_values_that_no_forecast_has(tmp_path, changes, why):
    forecast(**changes).save(tmp_path / "forecast.npz")
    assert why in refusal(tmp_path / "forecast.npz")


def test_a_forecast_that_has_diverged_is_no_damage(tmp_path):
    path = tmp_path / "forecast.npz"
    values = np.full((3, 4, 6), np.nan)
    values[0], values[1, 0, 0] = np.inf, -np.inf
    forecast(forecast=values).save(path)
    assert np.array_equal(Forecast.load(path).forecast, values.astype(np.float32), equal_nan=True)


def test_special_files_are_named(path):
    path.unlink()
    os.mkfifo(path)
    assert "cannot be read: a FIFO, not a regular file" in refusal(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "cannot be read: a device" in refusal(path)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(50 * 2**30)
    assert "50 GiB, but at most 256 MiB are read here" in refusal(path)


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {
        "rows": np.arange(12.0).reshape(3, 4),
        "columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "text": np.array(["a", "bc"]),
        "one": np.array(3),
        "none": np.zeros((0, 5)),
        "flags": np.array([True, False]),
    }
    for save in (np.savez, np.savez_compressed):
        save(path, **arrays)
        found = read_arrays(path, arrays, ENOUGH)
        with np.load(path) as expected:
            for name in arrays:
                assert found[name].dtype == expected[name].dtype
                assert np.array_equal(found[name], expected[name])
        found["rows"][0, 0] = 7  # arrays can be written to, as those of NumPy can


def test_no_changed_byte_is_anything_but_damage_or_the_same_arrays(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {"a": np.arange(5.0), "b": np.array(["x"])}
    np.savez_compressed(path, **arrays)
    content = path.read_bytes()
    random, refused = np.random.default_rng(0), 0
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] = random.integers(256)
        path.write_bytes(changed)
        try:
            found = read_arrays(path, arrays, ENOUGH)
        except (OSError, *DAMAGE):
            refused += 1
        else:
            assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert refused > len(content) / 3


def test_a_cache_that_lies_is_no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.keep("name", {"a": np.arange(3)})
    assert list(cache.recall("name", ["a"])["a"]) == [0, 1, 2]
    path = tmp_path / "crosscast" / "name.npz"
    replaced(path, "a", npy((10**9,), b"\0" * 24, "<i8"))
    assert cache.recall("name", ["a"]) is None
    path.unlink()
    os.mkfifo(path)
    assert cache.recall("name", ["a"]) is None
