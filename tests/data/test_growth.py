"""Memory does not grow with the length of an archive, but for a few numbers a step."""

import os
import tracemalloc
from functools import partial

import numpy as np
import pytest
import xarray as xr
from started import called_alone
from test_archive import mapping

from harness.data import archive as archives
from harness.data import normalisation
from harness.data.archive import ArchiveSource
from harness.data.config import Splits
from harness.data.scanning import scan_steps
from harness.data.source import stream
from harness.data.windows import Windows

SHORT, LONG, POINTS = 1_000, 12_000, (8, 32)
STEP_BYTES = 4 * POINTS[0] * POINTS[1]


def write(folder, steps):
    folder.mkdir()
    coordinates = {
        "time": np.datetime64("1980-01-01", "ns") + np.timedelta64(6, "h") * np.arange(steps),
        "latitude": np.linspace(70, -70, POINTS[0]),
        "longitude": np.arange(POINTS[1]) * 360 / POINTS[1],
    }
    values = np.random.default_rng(0).normal(280, 20, size=(steps, *POINTS)).astype(np.float32)
    xr.Dataset({"t": (tuple(coordinates), values, {"units": "K"})}, coords=coordinates).to_netcdf(folder / "t.nc")
    return folder


def peak_bytes(work):
    tracemalloc.start()
    try:
        kept = work()
        return tracemalloc.get_traced_memory()[1], kept
    finally:
        tracemalloc.stop()


def peaks_of_opening_and_an_epoch(folder):
    """Bytes of opening, of what batches share and of the tasks of an epoch, of `SHORT` and `LONG` archives."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    archives.scan_steps = partial(scan_steps, block_bytes=100 * STEP_BYTES)
    normalisation.stream = partial(stream, block_bytes=100 * STEP_BYTES)
    config = mapping(channels=[{"name": "t", "variable": "t", "units": "K"}])
    opened, shared, epoch = {}, {}, {}
    ArchiveSource(config, write(folder / "first", 200))
    for steps in (SHORT, LONG):
        opened[steps], source = peak_bytes(partial(ArchiveSource, config, write(folder / f"{steps}", steps)))
        windows = Windows(source, Splits(train=0.8, validation=0.1, test=0.1))
        shared[steps], _ = peak_bytes(windows._prepare)
        epoch[steps], tasks = peak_bytes(partial(windows.batch_tasks, "train", 1, epoch_seed=0))
        assert len(tasks) == round(0.8 * steps) - 1
    return opened, shared, epoch


def test_opening_and_an_epoch_of_twelve_times_as_many_steps(tmp_path):
    opened, shared, epoch = called_alone(peaks_of_opening_and_an_epoch, tmp_path)
    for peaks in (opened, shared):
        assert (peaks[LONG] - peaks[SHORT]) / (LONG - SHORT) < STEP_BYTES / 4
    assert (epoch[LONG] - epoch[SHORT]) / (LONG - SHORT) < 80


@pytest.mark.parametrize("part", [slice(2, None), slice(None, 3), slice(None)])
def test_tasks_are_those_of_their_numbers(tmp_path, monkeypatch, part):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = mapping(channels=[{"name": "t", "variable": "t", "units": "K"}])
    windows = Windows(ArchiveSource(config, write(tmp_path / "a", 20)), Splits(train=0.5, validation=0.2, test=0.3))
    tasks = windows.batch_tasks("train", 2, epoch_seed=3)
    wanted = list(windows.batches("train", 2, epoch_seed=3))[part]
    assert [task().inputs.tobytes() for task in tasks[part]] == [batch.inputs.tobytes() for batch in wanted]
