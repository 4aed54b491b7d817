"""An archive is prepared once and read back as the same data."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from shared import REPOSITORY
from test_archive import archive, mapping

from harness.data import preparing, read_rates
from harness.data.archive import ArchiveSource
from harness.data.matching import match_mapping
from harness.data.opening import open_source
from harness.data.prepared import PreparedSource
from harness.data.preparing import Packing, prepare
from harness.data.windows import Windows
from harness.errors import UserError
from harness.models.domain import InputSpec

FIELDS = {
    "files": ["*.nc", "*.zarr"],
    "missing": "mask",
    "missing_steps": "drop",
    "forcings": ["toa_radiation", {"name": "push", "variable": "force", "units": "1"}],
    "statics": [{"name": "still", "variable": "still", "units": "1"}, "land_sea_mask"],
}
CONFIG = mapping(**FIELDS)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(folder, file_format="zarr", calendar=None, **changes):
    """An archive with gaps, a step without values, forcings and static fields."""
    data = archive(names=("t", "q", "force", "still"), steps=20, **changes)
    data["still"] = data["still"].isel(time=0, drop=True)
    data["q"][:, 1, 2:4] = np.nan
    data["t"][7] = np.nan
    data["t"].attrs["standard_name"] = "air_temperature"
    if calendar is not None:
        numbers = {"units": "hours since 2001-02-27", "calendar": calendar}
        data = data.assign_coords(time=("time", 6 * np.arange(20), numbers))
    folder.mkdir()
    if file_format == "netcdf":
        data.to_netcdf(folder / "all.nc")
    else:
        chunked = data.chunk({"time": 1})
        chunked.to_zarr(folder / "all.zarr", zarr_format=int(file_format[-1:]), consolidated=False)
    return folder


def full(*arguments, **options):
    raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An archive that no test changes."""
    return write(tmp_path_factory.mktemp("archive") / "data", "zarr 2")


PACKINGS = {
    "float32": Packing(),
    "int16": Packing("int16"),
    "float16": Packing("float16", compression="zstd"),
    "normalised": Packing(normalised=True),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory, data):
    """The archive in each way of packing, which no test changes: a folder for each name of PACKINGS."""
    folder = tmp_path_factory.mktemp("stores")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name, packing in PACKINGS.items():
            prepare(CONFIG, data, folder / name, packing)
    return folder


class TestSameData:
    @pytest.mark.parametrize("file_format", ["netcdf", "zarr 2", "zarr 3"])
    def test_all_that_a_source_says_is_the_same(self, tmp_path, file_format):
        folder, store = write(tmp_path / "data", file_format), tmp_path / "store"
        done = prepare(CONFIG, folder, store, Packing())
        assert (done.steps, done.written) == (20, 20)
        source, back = ArchiveSource(CONFIG, folder), open_source(CONFIG, path=store)
        assert isinstance(back, PreparedSource)
        names = ("channels", "units", "forcings", "statics", "channel_info", "fingerprint", "step", "reading")
        for name in names:
            assert getattr(back, name) == getattr(source, name), name
        for name in ("latitude", "longitude", "times", "mask", "valid_steps"):
            np.testing.assert_array_equal(getattr(back, name), getattr(source, name))
        order = [3, 0, 19, 3, 7]
        for read in ("read", "read_forcings"):
            assert getattr(back, read)(order).tobytes() == getattr(source, read)(order).tobytes()
            assert getattr(back, read)([5, 2]).tobytes() == getattr(source, read)([5, 2]).tobytes()
        assert back.read_statics().tobytes() == source.read_statics().tobytes()

    def test_batches_are_the_same_bytes(self, tmp_path, data):
        prepare(CONFIG, data, tmp_path / "store", Packing(compression="none"))
        spec = InputSpec(history=2, forcing_offsets=(0, 1), statics=True)
        batches = [
            list(Windows(source, CONFIG.splits, spec).batches("train", 2, epoch_seed=3, lead=2))
            for source in (ArchiveSource(CONFIG, data), open_source(CONFIG, path=tmp_path / "store"))
        ]
        assert len(batches[0]) > 0
        for one, other in zip(*batches, strict=True):
            assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))

    @pytest.mark.parametrize("calendar", ["noleap", "360_day", "julian", "standard"])
    def test_times_keep_their_calendar(self, tmp_path, calendar):
        folder = write(tmp_path / "data", "netcdf", calendar)
        prepare(CONFIG, folder, tmp_path / "store", Packing())
        source, back = ArchiveSource(CONFIG, folder), open_source(CONFIG, path=tmp_path / "store")
        assert back.times.tolist() == source.times.tolist()
        assert back.times.dtype == source.times.dtype
        assert back.step == source.step

    def test_other_programs_read_it(self, data, stores):
        source = ArchiveSource(CONFIG, data)
        for consolidated in (True, False):
            with xr.open_zarr(stores / "float32", consolidated=consolidated) as found:
                assert found["fields"].dims == ("time", "channel", "latitude", "longitude")
                assert found["channel"].values.tolist() == ["t", "q"]
                np.testing.assert_array_equal(found["time"].values, source.times)
                np.testing.assert_array_equal(found["fields"].sel(channel="q").values, source.read(range(20))[:, 1])
        opened = zarr.open_group(str(stores / "float32"), mode="r")
        assert opened["fields"].chunks == (1, 2, 5, 6)
        np.testing.assert_array_equal(opened["fields"][4], source.read([4])[0])


class TestPacked:
    @pytest.mark.parametrize(
        ("packing", "tolerance"),
        [
            ("int16", lambda low, high, std: 0.51 * (high - low) / 65534),
            ("float16", lambda low, high, std: std * 4 * 2.0**-11),
            ("normalised", lambda low, high, std: std * 4 * 2.0**-23),
        ],
    )
    def test_values_are_off_by_no_more_than_the_rounding(self, data, stores, packing, tolerance):
        source, back = ArchiveSource(CONFIG, data), open_source(CONFIG, path=stores / packing)
        steps = np.flatnonzero(source.valid_steps)
        expected, found = source.read(steps), back.read(steps)
        for channel in range(2):
            values = expected[:, channel]
            allowed = tolerance(np.nanmin(values), np.nanmax(values), np.nanstd(values))
            assert 0 < np.nanmax(np.abs(found[:, channel] - values)) <= allowed
        np.testing.assert_array_equal(np.isnan(back.read(range(20))), np.isnan(source.read(range(20))))
        assert back.fingerprint != source.fingerprint
        assert any("rounded" in remark for remark in back.reading.remarks)

    def test_scale_and_offset_are_there_for_others(self, data, stores):
        with xr.open_zarr(stores / "int16", consolidated=True, mask_and_scale=False) as found:
            assert found["fields"].dtype == np.int16
            by_hand = found["fields"].sel(channel="t") * found["scale"].sel(channel="t") + found["offset"].sel(
                channel="t"
            )
            expected = ArchiveSource(CONFIG, data).read([2])[0, 0]
            np.testing.assert_allclose(by_hand[2], expected, atol=1e-4)

    def test_another_store_in_the_place_of_an_open_one_is_noticed(self, tmp_path, stores):
        store = tmp_path / "store"
        shutil.copytree(stores / "float32", store)
        source = open_source(CONFIG, path=store)
        assert not source.is_touched()
        shutil.rmtree(store)
        shutil.copytree(stores / "int16", store)
        assert source.is_touched()

    def test_each_way_of_packing_is_other_data(self, stores):
        found = {open_source(CONFIG, path=stores / name).fingerprint for name in PACKINGS}
        assert len(found) == 4
        assert all(each.startswith("xxh3:") for each in found)

    @pytest.mark.parametrize("packing", ["float16", "normalised"])
    def test_other_scales_are_other_data(self, tmp_path, data, stores, packing):
        """The training steps of other splits have another mean and deviation."""
        longer = mapping(**FIELDS, splits={"train": 0.8, "validation": 0.1, "test": 0.1})
        for name, config in (("other", longer), ("again", CONFIG)):
            prepare(config, data, tmp_path / name, PACKINGS[packing])
        first, again = (open_source(CONFIG, path=path) for path in (stores / packing, tmp_path / "again"))
        other = open_source(longer, path=tmp_path / "other")
        assert first.read([3]).tobytes() != other.read([3]).tobytes()
        assert first.fingerprint != other.fingerprint
        assert first.fingerprint == again.fingerprint

    @pytest.mark.parametrize("stored", ["float16", "int16"])
    def test_what_is_scaled_is_not_normalised_again(self, tmp_path, data, stored):
        with pytest.raises(UserError, match=f"{stored} is scaled by .* already: leave out --normalised"):
            prepare(CONFIG, data, tmp_path / "store", Packing(stored, normalised=True))


class TestPlaces:
    @pytest.mark.parametrize("out", [".", "absent/..", "../full"])
    def test_a_folder_that_holds_something_is_refused_by_any_name(self, tmp_path, data, monkeypatch, out):
        (tmp_path / "full").mkdir()
        (tmp_path / "full/mine.txt").write_text("mine")
        monkeypatch.chdir(tmp_path / "full")
        with pytest.raises(UserError, match="full: exists and is no prepared store"):
            prepare(CONFIG, data, Path(out), Packing())

    def test_the_folder_of_the_command_is_not_replaced(self, tmp_path, data, monkeypatch):
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        with pytest.raises(UserError, match="empty: is the folder that this command runs in"):
            prepare(CONFIG, data, Path(), Packing())
        assert list((tmp_path / "empty").iterdir()) == []

    def test_inside_a_store_the_same_command_finds_it(self, tmp_path, data, stores, monkeypatch):
        monkeypatch.chdir(shutil.copytree(stores / "float32", tmp_path / "store"))
        assert prepare(CONFIG, data, Path(), Packing()).written == 0

    def test_parts_of_dead_processes_are_removed_and_those_of_others_left(self, tmp_path, data):
        with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
            child.wait()
        names = {
            "dead": f".store.{child.pid}.part",
            "alive": ".store.1.part",
            "other": f".other.{child.pid}.part",
            "no number": ".store.mine.part",
        }
        for name in names.values():
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").write_text("")
        prepare(CONFIG, data, tmp_path / "store", Packing())
        assert {kind for kind, name in names.items() if (tmp_path / name).exists()} == set(names) - {"dead"}


class TestResuming:
    def test_a_killed_preparation_goes_on_where_it_stopped(self, tmp_path, data, monkeypatch):
        """Killed by SIGKILL while chunks are written, in a process of its own."""
        store = tmp_path / "store"
        code = f"""
import os, signal, sys
sys.path[:0] = [{str(REPOSITORY)!r}, {str(Path(__file__).parent)!r}, {str(REPOSITORY / "tests")!r}]
from pathlib import Path
from harness.data import preparing, read_rates
from test_prepare import CONFIG
write, count = preparing._write_chunk, 0
def counted(path, values, codec):
    global count
    count += 1
    if count > 13:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, values, codec)
preparing._write_chunk = counted
preparing.prepare(CONFIG, Path({str(data)!r}), Path({str(store)!r}), preparing.Packing())
"""
        assert subprocess.run([sys.executable, "-c", code], timeout=200).returncode == -9
        with pytest.raises(UserError, match="was not finished; run the same"):
            open_source(CONFIG, path=store)
        kept = {path: path.stat().st_mtime_ns for path in (store / "fields").glob("*.0.0.0")}
        assert len(kept) == 6
        done = prepare(CONFIG, data, store, Packing())
        assert done.written == 14
        assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
        assert open_source(CONFIG, path=store).read(range(20)).tobytes() == (
            ArchiveSource(CONFIG, data).read(range(20)).tobytes()
        )
        assert prepare(CONFIG, data, store, Packing()).written == 0

    @pytest.mark.parametrize("kind", ["file", "folder", "zarr", "mapping", "archive", "packing"])
    def test_anything_else_is_refused_and_left_as_it_is(self, tmp_path, data, stores, kind):
        store, config, packing, said = tmp_path / "store", CONFIG, Packing(), "exists and is no prepared store"
        if kind == "file":
            store.write_text("mine")
        elif kind == "folder":
            store.mkdir()
            (store / "mine.txt").write_text("mine")
        elif kind == "zarr":
            archive().to_zarr(store, zarr_format=2, consolidated=False)
        else:
            shutil.copytree(stores / "float32", store)
            if kind == "mapping":
                config, said = mapping(**{**FIELDS, "statics": []}), "another"
            elif kind == "archive":
                data, said = write(tmp_path / "other", "zarr 2", rows=4), "another archive"
            else:
                packing, said = Packing("int16"), "another 'stored'"
        before = {path: path.read_bytes() for path in [store, *store.rglob("*")] if path.is_file()}
        with pytest.raises(UserError, match=said):
            prepare(config, data, store, packing)
        assert {path: path.read_bytes() for path in [store, *store.rglob("*")] if path.is_file()} == before

    def test_an_archive_that_changes_meanwhile_makes_no_finished_store(self, tmp_path):
        folder = write(tmp_path / "data", "zarr 2")

        def change(fraction: float) -> None:
            zarr.open_group(str(folder / "all.zarr"), mode="r+")["t"][19] = 250.0

        with pytest.raises(UserError, match=r"data: was changed while it was prepared, so that .*store holds"):
            prepare(CONFIG, folder, tmp_path / "store", Packing(), change)
        with pytest.raises(UserError, match="was not finished"):
            open_source(CONFIG, path=tmp_path / "store")
        with pytest.raises(UserError, match="another archive, or one that was changed since"):
            prepare(CONFIG, folder, tmp_path / "store", Packing())

    def test_nothing_is_left_where_writing_fails(self, tmp_path, data, monkeypatch):
        monkeypatch.setattr(preparing, "_large_array", full)
        with pytest.raises(UserError, match="store: cannot be written: No space left on device"):
            prepare(CONFIG, data, tmp_path / "store", Packing())
        assert {path.name for path in tmp_path.iterdir()} <= {"cache", "data"}

    def test_a_store_without_its_scales_is_refused_before_anything_is_written(self, tmp_path, data, stores):
        store, packing = shutil.copytree(stores / "int16", tmp_path / "store"), PACKINGS["int16"]
        shutil.rmtree(store / "scale")
        (store / "fields/4.0.0.0").unlink()
        with pytest.raises(UserError, match=r"store: cannot be read \(.*\); remove it and prepare the archive again"):
            prepare(CONFIG, data, store, packing)
        assert not (store / "fields/4.0.0.0").exists()

    def test_metadata_are_put_together_wherever_that_is_missing(self, tmp_path, data, stores):
        """As after an ending between the last two steps."""
        shutil.copytree(stores / "float32", tmp_path / "store")
        (tmp_path / "store/.zmetadata").unlink()
        prepare(CONFIG, data, tmp_path / "store", Packing())
        with xr.open_zarr(tmp_path / "store", consolidated=True) as found:
            assert found["fields"].shape == (20, 2, 5, 6)

    def test_a_full_disk_at_the_end_is_one_line(self, tmp_path, data, monkeypatch):
        with monkeypatch.context() as patched:
            patched.setattr(zarr, "consolidate_metadata", full)
            with pytest.raises(UserError, match="store: cannot be written: No space left on device"):
                prepare(CONFIG, data, tmp_path / "store", Packing())
        assert prepare(CONFIG, data, tmp_path / "store", Packing()).written == 0
        assert (tmp_path / "store/.zmetadata").is_file()

    def test_rates_that_cannot_be_measured_cost_nothing_else(self, tmp_path, data, monkeypatch):
        monkeypatch.setattr(read_rates.tempfile, "TemporaryFile", full)
        done = prepare(CONFIG, data, tmp_path / "store", Packing())
        assert (done.rates, done.steps) == (None, 20)
        assert done.unmeasured.endswith(f"{tmp_path}: No space left on device")


class TestReadingBack:
    @pytest.fixture
    def store(self, tmp_path, stores):
        return shutil.copytree(stores / "float32", tmp_path / "store")

    def test_another_mapping_is_refused_with_what_differs(self, store):
        with pytest.raises(UserError, match="another mapping, which differs in 'statics'"):
            open_source(mapping(**{**FIELDS, "statics": []}), path=store)

    def test_splits_may_differ(self, store):
        config = mapping(**FIELDS, splits={"train": 0.5, "validation": 0.25, "test": 0.25})
        assert open_source(config, path=store).fingerprint == open_source(CONFIG, path=store).fingerprint

    def test_its_mapping_is_found(self, store):
        others = {"other": mapping(), "own": CONFIG}
        assert match_mapping(store, others) == "own"
        with pytest.raises(UserError, match="not in scenarios/data: name it with MAPPING="):
            match_mapping(store, {"other": mapping()})

    @pytest.mark.parametrize(
        "damage", ["chunk cut", "chunk lost", "grid lost", "mask lost", "mark of later", "mark of older"]
    )
    def test_damage_is_one_line(self, store, damage):
        if damage == "chunk cut":
            chunk = store / "fields/4.0.0.0"
            chunk.write_bytes(chunk.read_bytes()[:-3])
        elif damage == "chunk lost":
            (store / "fields/4.0.0.0").unlink()
        elif damage == "grid lost":
            (store / "latitude/.zarray").unlink()
        elif damage == "mask lost":
            (store / "mask/0.0.0").unlink()
        else:
            said = json.loads((store / ".zattrs").read_text())
            said["crosscast_prepared"]["version"] = {"mark of later": 3, "mark of older": 1}[damage]
            (store / ".zattrs").write_text(json.dumps(said))
        with pytest.raises(UserError, match="remove it and prepare the archive again") as error:
            open_source(CONFIG, path=store).read([3, 4])
        assert "\n" not in str(error.value)
        assert str(store) in str(error.value)
        assert ("prepared by an older Crosscast, whose fingerprint" in str(error.value)) == (damage == "mark of older")
