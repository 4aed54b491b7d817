"""Ready batches a second at 0.25 degrees, 14 channels, over a plain read of the same bytes, in pairs within one run.

One chunk a variable and time, as WeatherBench 2 has them, and the store that `crosscast prepare` makes of it; both in
the page cache.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pytest
import xarray as xr

from harness.data.archive import ArchiveSource
from harness.data.config import ArchiveConfig, Splits
from harness.data.opening import open_source
from harness.data.preparing import Packing, prepare
from harness.data.windows import Windows
from harness.runners.prefetch import prefetched
from harness.scenario.execution import Loading

STEPS, ROWS, COLUMNS, ROUNDS, BATCHES = 10, 720, 1440, 5, 4
NAMES = tuple(f"v{number}" for number in range(14))
CONFIG = ArchiveConfig(
    kind="archive",
    files="*.zarr",
    channels=tuple({"name": name, "variable": name, "units": "1"} for name in NAMES),
    splits={"train": 0.7, "validation": 0.1, "test": 0.2},
)


def write(folder: Path) -> None:
    """14 variables of waves with noise, of which 16 bits say something, as those of ERA5."""
    random = np.random.default_rng(0)
    coordinates = {
        "time": np.datetime64("2001-01-01", "ns") + np.timedelta64(6, "h") * np.arange(STEPS),
        "latitude": np.linspace(89.875, -89.875, ROWS),
        "longitude": np.arange(COLUMNS) * 0.25,
    }
    waves = np.sin(np.linspace(0, 9, ROWS))[:, None] * np.cos(np.linspace(0, 20, COLUMNS))
    for name in NAMES:
        values = 280 + 30 * waves + random.normal(scale=0.5, size=(STEPS, ROWS, COLUMNS))
        rounded = (np.round(values * 512) / 512).astype(np.float32)
        data = xr.Dataset({name: (tuple(coordinates), rounded)}, coords=coordinates)
        data.chunk({"time": 1}).to_zarr(folder / "all.zarr", mode="a", zarr_format=2, consolidated=False)


def reader(source, loading: Loading) -> Callable[[], float]:
    """What makes some batches and gives the seconds that one took."""
    windows = Windows(source, Splits(train=0.7, validation=0.1, test=0.2))

    def read() -> float:
        tasks = windows.batch_tasks("train", 1, epoch_seed=0)
        with prefetched(tasks, loading) as batches:
            begun_s = perf_counter()
            for _ in islice(batches, BATCHES):
                pass
            return (perf_counter() - begun_s) / BATCHES

    return read


@pytest.mark.parametrize("loading", [Loading(), Loading(prefetch=2, workers=2)], ids=["plain", "prefetch"])
def test_ready_batches_over_a_plain_read(benchmark, tmp_path, monkeypatch, loading):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    write(tmp_path / "data")
    sources = {"archive": ArchiveSource(CONFIG, tmp_path / "data")}
    for compression in ("lz4", "none"):
        prepare(CONFIG, tmp_path / "data", tmp_path / compression, Packing(compression=compression))
        sources[compression] = open_source(CONFIG, path=tmp_path / compression)
    batch_bytes = 2 * 4 * len(NAMES) * ROWS * COLUMNS
    content = np.empty(batch_bytes, dtype=np.uint8)
    content.tofile(tmp_path / "plain")

    def plain() -> float:
        begun_s = perf_counter()
        with (tmp_path / "plain").open("rb", buffering=0) as file:
            file.readinto(content.data)
        return perf_counter() - begun_s

    readers = {name: reader(source, loading) for name, source in sources.items()} | {"file": plain}

    def compare() -> dict[str, list[float]]:
        taken_s: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(ROUNDS):
            for name, read in readers.items():
                taken_s[name].append(read())
        return taken_s

    taken_s = benchmark.pedantic(compare, rounds=1)
    for name, times in taken_s.items():
        ratio = median(file_s / s for file_s, s in zip(taken_s["file"], times, strict=True))
        best = batch_bytes / 1e9 / min(times)
        benchmark.extra_info[name] = {"speed_over_plain_file": ratio, "best_gb_s": best}
