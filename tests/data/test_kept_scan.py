"""An archive is read whole once, and again after anything that could change what the reading finds."""

import os
import shutil
import time
from functools import partial
from itertools import cycle

import numpy as np
import pytest
from test_archive import archive, mapping

from harness.cache import cache_folder
from harness.data import archive as archives
from harness.data import kept_scan
from harness.data.archive import ArchiveSource
from harness.data.layout import Piece
from harness.data.scanning import scan_steps
from harness.errors import UserError

HOUR_NS = 3_600_000_000_000
FILES = {"files": ["*.nc", "*.zarr"], "missing": "mask", "missing_steps": "drop"}


class ReadAnewError(Exception):
    """The values were read."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def everything_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def age(folder):
    """Give all files below `folder` the time of an hour ago."""
    an_hour_ago_ns = time.time_ns() - HOUR_NS
    for path in everything_below(folder):
        os.utime(path, ns=(an_hour_ago_ns, an_hour_ago_ns))


def write(folder, layout="netcdf", *, value=1.0):
    """An archive with a gap in space, a step without values, a forcing and a static field."""
    data = archive(names=("t", "q", "force", "still"))
    data["still"] = data["still"].isel(time=0, drop=True)
    data["q"][:, 1, 2:4] = np.nan
    data["t"][7] = np.nan
    data["q"][4, 0, 0] = value
    folder.mkdir()
    if layout == "netcdf":
        data.to_netcdf(folder / "all.nc")
    elif layout == "files":
        for name in data:
            data[[name]].to_netcdf(folder / f"{name}.nc")
    else:
        data.chunk({"time": 8}).to_zarr(
            folder / "all.zarr", consolidated=False, zarr_format=2 if layout == "zarr 2" else 3
        )
    age(folder)
    return folder


def config(**changes):
    inputs = {
        "forcings": ["toa_radiation", {"name": "force", "variable": "force", "units": "1"}],
        "statics": ["land_sea_mask", {"name": "still", "variable": "still", "units": "1"}],
    }
    return mapping(**{**FILES, **inputs, **changes})


def found(source):
    return source.mask.tolist(), source.valid_steps.tolist(), source.fingerprint, source.read_statics().tolist()


@pytest.fixture
def refuse_reading(monkeypatch):
    """From its call on, reading the values raises ReadAnewError."""

    def refuse():
        def raise_(*_):
            raise ReadAnewError

        monkeypatch.setattr(ArchiveSource, "_scan", raise_)

    return refuse


@pytest.mark.parametrize("layout", ["netcdf", "files", "zarr 2", "zarr 3"])
def test_a_second_opening_finds_the_same_without_reading(tmp_path, refuse_reading, layout):
    folder = write(tmp_path / "data", layout)
    first = ArchiveSource(config(), folder)
    assert (~first.mask).sum(axis=(1, 2)).tolist() == [0, 2]
    assert np.flatnonzero(~first.valid_steps).tolist() == [7]
    refuse_reading()
    again = ArchiveSource(config(description="other words", splits={"train": 0.5, "test": 0.35}), folder)
    assert found(again) == found(first)
    np.testing.assert_array_equal(again.read([3]), first.read([3]))


def test_fingerprint_is_that_of_reading_without_a_cache(tmp_path, monkeypatch):
    folder = write(tmp_path / "data")
    ArchiveSource(config(), folder)
    kept = ArchiveSource(config(), folder).fingerprint
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert ArchiveSource(config(), folder).fingerprint == kept


def rewrite(path):
    """The same bytes again, as a program would write them."""
    path.write_bytes(path.read_bytes())


def grow(path):
    """A blank more, with the same modification time."""
    before = path.stat()
    path.write_bytes(path.read_bytes() + b" ")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def touch_by_a_nanosecond(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


class TestReadAnew:
    @pytest.mark.parametrize("layout", ["netcdf", "files", "zarr 2", "zarr 3"])
    def test_after_a_change_of_any_file(self, tmp_path, refuse_reading, layout):
        folder = write(tmp_path / "data", layout)
        ArchiveSource(config(), folder)
        refuse_reading()
        for path, change in zip(everything_below(folder), cycle([rewrite, touch_by_a_nanosecond, grow])):
            content, status = path.read_bytes(), path.stat()
            change(path)
            with pytest.raises((ReadAnewError, UserError)):
                ArchiveSource(config(), folder)
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        ArchiveSource(config(), folder)

    def test_other_values_in_a_file_give_another_fingerprint(self, tmp_path):
        folder = write(tmp_path / "data", "zarr 2")
        before = ArchiveSource(config(), folder).fingerprint
        shutil.rmtree(folder)
        write(folder, "zarr 2", value=2.0)
        touch_by_a_nanosecond(next((folder / "all.zarr" / "q").glob("0*")))
        after = ArchiveSource(config(), folder).fingerprint
        shutil.rmtree(folder)
        assert after == ArchiveSource(config(), write(tmp_path / "other", "zarr 2", value=2.0)).fingerprint != before

    def test_with_a_file_more_or_less(self, tmp_path, refuse_reading):
        folder = write(tmp_path / "data", "zarr 2")
        ArchiveSource(config(), folder)
        refuse_reading()
        chunk = folder / "all.zarr" / "t" / "0.0.0"
        chunk.unlink()
        with pytest.raises(ReadAnewError):
            ArchiveSource(config(), folder)

    def test_in_another_folder(self, tmp_path, refuse_reading):
        ArchiveSource(config(), write(tmp_path / "data"))
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
        refuse_reading()
        with pytest.raises(ReadAnewError):
            ArchiveSource(config(), tmp_path / "copy")

    @pytest.mark.parametrize(
        "changes",
        [
            {"channels": [{"name": name, "variable": name, "units": "1"} for name in ("t", "q")]},
            {"missing_steps": "error"},
            {"missing": "error"},
            {"level_method": "interpolate"},
            {"even_grid": True},
            {"time": {"start": "2001-02-27T00:00:00", "step_hours": 6}},
            {"forcings": []},
            {"statics": []},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_with_another_mapping(self, tmp_path, refuse_reading, changes):
        folder = write(tmp_path / "data")
        ArchiveSource(config(), folder)
        refuse_reading()
        with pytest.raises(ReadAnewError):
            ArchiveSource(config(**changes), folder)

    def test_by_another_release_of_a_library(self, tmp_path, refuse_reading, monkeypatch):
        folder = write(tmp_path / "data")
        ArchiveSource(config(), folder)
        refuse_reading()
        monkeypatch.setattr(kept_scan, "version", lambda package: "1.2.3" if package == "xarray" else "1")
        with pytest.raises(ReadAnewError):
            ArchiveSource(config(), folder)

    def test_where_the_cache_is_damaged_which_mends_it(self, tmp_path, refuse_reading):
        folder = write(tmp_path / "data")
        first = ArchiveSource(config(), folder)
        (path,) = cache_folder().iterdir()
        path.write_bytes(path.read_bytes()[:-30])
        assert found(ArchiveSource(config(), folder)) == found(first)
        refuse_reading()
        assert found(ArchiveSource(config(), folder)) == found(first)


class TestNotKept:
    def test_while_a_file_is_so_young_that_a_change_might_not_show(self, tmp_path):
        folder = write(tmp_path / "data")
        now_ns = time.time_ns()
        os.utime(folder / "all.nc", ns=(now_ns, now_ns))
        ArchiveSource(config(), folder)
        assert not cache_folder().exists()

    def test_where_a_file_changes_during_the_reading(self, tmp_path, monkeypatch):
        folder = write(tmp_path / "data")
        read = Piece.read

        def touch_and_read(self, *arguments):
            touch_by_a_nanosecond(self.path)
            return read(self, *arguments)

        monkeypatch.setattr(Piece, "read", touch_and_read)
        ArchiveSource(config(), folder)
        assert not cache_folder().exists()

    def test_what_is_refused(self, tmp_path):
        folder = write(tmp_path / "data")
        for _ in range(2):
            with pytest.raises(UserError, match="NaN at 2 points"):
                ArchiveSource(config(missing="error"), folder)


def test_arrays_of_a_store_that_are_not_read_may_change(tmp_path, refuse_reading):
    folder = write(tmp_path / "data", "zarr 2")
    only_t = config(channels=[{"name": "t", "variable": "t", "units": "K"}])
    ArchiveSource(only_t, folder)
    refuse_reading()
    rewrite(folder / "all.zarr" / "q" / "0.0.0")
    ArchiveSource(only_t, folder)
    rewrite(folder / "all.zarr" / "force" / "0.0.0")
    with pytest.raises(ReadAnewError):
        ArchiveSource(only_t, folder)


def test_progress_rises_to_the_whole_and_is_silent_where_nothing_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "scan_steps", partial(scan_steps, block_bytes=1000))
    folder, told = write(tmp_path / "data"), []
    ArchiveSource(config(), folder, told.append)
    assert told == [4 / 24, 8 / 24, 12 / 24, 1]
    told.clear()
    ArchiveSource(config(), folder, told.append)
    assert told == []
