"""A bench on an archive: a store laid out as WeatherBench 2 is, read whole once for all launches."""

import os
import time

import numpy as np
import pytest
import xarray as xr
import zarr

from harness.cache import cache_folder
from harness.data.layout import Piece
from harness.errors import UserError
from harness.launch.survey import matrix_of
from harness.scenario.scenario import Selection
from harness.worker.subject import prepare, require_same_data
from tests.launch.conftest import records

pytestmark = pytest.mark.slow

STEPS, ROWS, COLUMNS = 64, 8, 16
LEVELS = [50, 500, 850, 1000]
SURFACE = [
    "10m_u_component_of_wind",
    "10m_v_component_of_wind",
    "2m_temperature",
    "surface_pressure",
    "mean_sea_level_pressure",
    "total_column_water_vapour",
]
UPPER = ["temperature", "u_component_of_wind", "v_component_of_wind", "geopotential", "relative_humidity"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path):
    """Fields of time, longitude and latitude in this order, south first, a chunk a day; an hour old."""
    path = tmp_path / "weatherbench" / "era5.zarr"
    random = np.random.default_rng(0)
    latitude = np.linspace(-78.75, 78.75, ROWS)

    def field(*levels: int) -> np.ndarray:
        walk = random.normal(size=(STEPS, *levels, COLUMNS, ROWS)).cumsum(axis=0)
        return (280.0 + walk).astype(np.float32)

    xr.Dataset(
        {name: (("time", "longitude", "latitude"), field()) for name in SURFACE}
        | {name: (("time", "level", "longitude", "latitude"), field(len(LEVELS))) for name in UPPER},
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.timedelta64(6, "h") * np.arange(STEPS),
            "level": LEVELS,
            "longitude": np.arange(COLUMNS) * 360.0 / COLUMNS,
            "latitude": latitude,
        },
    ).chunk({"time": 4}).to_zarr(path, zarr_format=2, consolidated=True)
    an_hour_ago_ns = time.time_ns() - 3_600_000_000_000
    for file in path.rglob("*"):
        os.utime(file, ns=(an_hour_ago_ns, an_hour_ago_ns))
    return path


@pytest.fixture
def steps_read(monkeypatch):
    """Grows by the number of steps of each read of a file."""
    read, counts = Piece.read, []

    def count(self, steps, levels):
        counts.append(len(steps))
        return read(self, steps, levels)

    monkeypatch.setattr(Piece, "read", count)
    return counts


def test_a_launch_after_the_first_reads_one_step(write_suite, store, steps_read):
    selection = Selection(suite=str(write_suite()), data=store)
    (cell,) = matrix_of(selection).cells
    variables = len(SURFACE) + len(UPPER)
    assert sum(steps_read) == STEPS * variables
    steps_read.clear()
    first = prepare(cell)
    assert sum(steps_read) == (round(0.7 * STEPS) + 1) * variables
    steps_read.clear()
    second = prepare(matrix_of(selection).cells[0])
    assert sum(steps_read) == variables
    assert second.data_fingerprint == first.data_fingerprint == cell.data_digest
    np.testing.assert_array_equal(second.windows.normalisation.std, first.windows.normalisation.std)


def test_a_launch_on_data_that_were_changed_since_the_bench_read_them_is_refused(write_suite, store):
    """The cell is named after the data that were there before."""
    (cell,) = matrix_of(Selection(suite=str(write_suite()), data=store)).cells
    fields = zarr.open_group(str(store), mode="r+")["2m_temperature"]
    fields[STEPS - 1, 0, 0] += 1.0
    with pytest.raises(UserError, match="they were changed since"):
        prepare(cell)


CHANGED_AFTER_TRAINING = """
import sys

if "harness.worker" in sys.orig_argv:
    import zarr

    from harness.runners import training

    plain = training.train

    def train(*arguments):
        trained = plain(*arguments)
        zarr.open_group({store!r}, mode="r+")["2m_temperature"][0, 0, 0] += 1.0
        return trained

    training.train = train
"""


def test_data_that_change_while_the_only_launch_trains_fail_it(write_suite, store, crosscast, tmp_path):
    """No launch comes after it whose opening would find that out."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/sitecustomize.py").write_text(CHANGED_AFTER_TRAINING.format(store=str(store)))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "beside")}
    crosscast("bench", "--suite", write_suite(idle_s=0), "--data", store.parent, env=environment)
    (record,) = records(tmp_path / "results")
    assert record["status"] == "failed"
    assert "weatherbench: the data were changed while this launch read them" in record["reason"]


def test_files_that_are_written_again_as_they_were_are_the_same_data(write_suite, store):
    (cell,) = matrix_of(Selection(suite=str(write_suite()), data=store)).cells
    subject = prepare(cell)
    chunk = next(path for path in (store / "2m_temperature").iterdir() if path.name.startswith("0"))
    content = chunk.read_bytes()
    require_same_data(cell, subject)
    os.utime(chunk)
    assert subject.windows.source.is_touched()
    require_same_data(cell, subject)
    chunk.unlink()
    with pytest.raises(UserError, match=r"were changed while this launch read them.*of 16 chunks are not in the store"):
        require_same_data(cell, subject)
    chunk.write_bytes(content)
    require_same_data(cell, subject)


def test_bench_from_the_command_line(write_suite, store, crosscast, tmp_path):
    done = crosscast("bench", "--suite", write_suite(), "--data", store.parent)
    assert done.returncode == 0, done.stderr
    (record,) = records(tmp_path / "results")
    assert record["scenario"]["data_name"] == "era5"
    assert record["measurements"]["fingerprints"]["data"] == record["scenario"]["data_digest"]
    scored = {score["variable"] for score in record["measurements"]["skill"]["scores"]}
    assert {"u10", "z500", "z50", "tcwv"} <= scored
    kinds = {path.name.split("-")[0] for path in cache_folder().iterdir()}
    assert kinds == {"scan", "normalisation", "climatology"}
