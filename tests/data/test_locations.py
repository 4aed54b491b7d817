"""Archives in object stores: the store in memory of fsspec here, file:// across processes."""

import fsspec
import numpy as np
import pytest
from click.testing import CliRunner
from test_archive import archive, mapping

from harness.cache import cache_folder
from harness.commands.cli import cli, main
from harness.data import kept_scan
from harness.data.archive import ArchiveSource
from harness.data.locations import Remote, location
from harness.data.matching import match_mapping
from harness.errors import UserError

BOTH = mapping(files=["*.nc", "*.zarr"])


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """An empty folder of the store in memory, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = fsspec.filesystem("memory")
    root = f"/{tmp_path.name}"
    store.makedirs(root)
    yield f"memory:/{root}"
    store.rm(root, recursive=True)


def put(data, url, tmp_path, name="a.nc"):
    data.to_netcdf(tmp_path / name)
    fsspec.filesystem("memory").put_file(str(tmp_path / name), f"{url}/{name}".removeprefix("memory:/"))


class TestStores:
    def test_netcdf_in_a_folder_and_by_itself(self, bucket, tmp_path):
        put(archive(), bucket, tmp_path)
        for url in (bucket, f"{bucket}/a.nc"):
            source = ArchiveSource(BOTH, location(url))
            np.testing.assert_array_equal(source.read([3])[0, 1], archive()["q"][3])
            assert match_mapping(location(url), {"heat": BOTH}) == "heat"

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_zarr_in_a_folder_and_by_itself(self, bucket, zarr_format):
        archive().to_zarr(f"{bucket}/a.zarr", consolidated=False, zarr_format=zarr_format)
        for url in (bucket, f"{bucket}/a.zarr"):
            source = ArchiveSource(BOTH, location(url))
            np.testing.assert_array_equal(source.read([3])[0, 1], archive()["q"][3])

    def test_the_fingerprint_is_that_of_the_local_copy(self, bucket, tmp_path):
        put(archive(), bucket, tmp_path)
        assert ArchiveSource(BOTH, location(bucket)).fingerprint == ArchiveSource(BOTH, tmp_path).fingerprint

    def test_a_lost_chunk_is_found_there_too(self, bucket):
        data = archive().chunk({"time": 4})
        data.to_zarr(f"{bucket}/a.zarr", consolidated=False, zarr_format=3)
        fsspec.filesystem("memory").rm(f"{bucket}/a.zarr/t/c/1/0/0".removeprefix("memory:/"))
        config = mapping(files="*.zarr", missing_steps="drop")
        assert np.flatnonzero(~ArchiveSource(config, location(bucket)).valid_steps).tolist() == [4, 5, 6, 7]

    def test_a_changed_object_is_read_anew(self, bucket, tmp_path, monkeypatch):
        monkeypatch.setattr(kept_scan, "SETTLED_NS", -1)
        put(archive(), bucket, tmp_path)
        first = ArchiveSource(BOTH, location(bucket))
        size = (tmp_path / "a.nc").stat().st_size
        other = archive()
        other["q"].values[:] += 1
        put(other, bucket, tmp_path)
        assert (tmp_path / "a.nc").stat().st_size == size
        second = ArchiveSource(BOTH, location(bucket))
        assert first.fingerprint != second.fingerprint
        np.testing.assert_array_equal(second.read([3])[0, 1], other["q"][3])

    def test_a_file_is_copied_once_and_nothing_half_written_stays(self, bucket, tmp_path):
        put(archive(), bucket, tmp_path)
        for _ in range(2):
            ArchiveSource(BOTH, location(bucket))
        copies = [path for path in (cache_folder() / "remote").rglob("*") if path.is_file()]
        assert [path.name for path in copies] == ["a.nc"]

    def test_what_is_not_there(self, bucket):
        with pytest.raises(UserError, match=r"memory://.*/nowhere: no such file or folder"):
            ArchiveSource(BOTH, location(f"{bucket}/nowhere"))
        with pytest.raises(UserError, match=r"memory://.*: no file matches .*, the folder is empty"):
            ArchiveSource(BOTH, location(bucket))

    def test_its_formats_are_named_as_on_a_disk(self, bucket):
        fsspec.filesystem("memory").pipe(f"{bucket}/a.nc".removeprefix("memory:/"), b"<html>Log in</html>")
        with pytest.raises(UserError, match=r"a.nc: cannot be read, it is an HTML page"):
            ArchiveSource(BOTH, location(bucket))


class TestUrls:
    def test_file_urls_are_paths(self, tmp_path):
        assert location(f"file://{tmp_path}/a") == tmp_path / "a"
        assert location(str(tmp_path)) == tmp_path
        assert location("memory://b/c/") == Remote("memory://b/c")

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("s3://bucket/era5", "pip install s3fs"),
            ("gs://weatherbench2/datasets", "pip install gcsfs"),
            ("abfs://container/era5", "pip install adlfs"),
        ],
    )
    def test_a_missing_package_is_named(self, url, said, monkeypatch, capsys):
        package = said.split()[-1]
        try:
            __import__(package)
        except ImportError:
            pass
        else:
            pytest.skip(f"{package} is installed")
        monkeypatch.setattr("sys.argv", ["crosscast", "bench", "--data", url])
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 2
        said_there = capsys.readouterr().err
        assert said_there.startswith(f"crosscast: DATA={url}: no package here opens")
        assert said in said_there
        assert said_there.count("\n") == 1

    def test_a_protocol_that_no_one_knows(self):
        with pytest.raises(UserError, match="nonsense://x: cannot be opened: ValueError: Protocol not known: nonsense"):
            location("nonsense://x")

    def test_the_command_drafts_from_a_url(self, bucket, tmp_path):
        put(archive(), bucket, tmp_path)
        result = CliRunner().invoke(cli, ["mapping", f"{bucket}/a.nc"])
        assert "variable: q" in result.output
