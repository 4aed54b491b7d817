"""Ready batches a second at 0.25 degrees, 14 channels, over a plain read of the same bytes, in pairs within one run.

One chunk of Blosc (LZ4, shuffled) a variable and time, as WeatherBench 2 has them, with all levels of a variable in
one, and the store that `crosscast prepare` makes; all in the page cache. Then the scan of an archive and the passes
over its training steps, over reading it, and the part of an epoch that waits for data. The bounds are wide: a machine
that others use must not break them.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numcodecs
import numpy as np
import pytest
import xarray as xr

from harness.data.archive import ArchiveSource
from harness.data.config import ArchiveConfig, Splits
from harness.data.normalisation import change_deviation, training_normalisation
from harness.data.opening import open_source
from harness.data.preparing import Packing, prepare
from harness.data.source import stream
from harness.data.windows import Windows
from harness.runners.prefetch import prefetched
from harness.scenario.execution import Loading

LEAST_OVER_PLAIN_FILE = {"archive": 0.2, "levels": 0.15, "lz4": 0.2, "none": 0.25}
"""The speed of ready batches in all cores over that of one core that reads a plain file into a buffer."""

LEAST_OVER_READING = {"scan": 0.5, "normalisation": 0.2, "change": 0.15}
"""The speed of passes over an archive in all cores over that of reading it in all cores, each block into new memory."""

STEPS, ROWS, COLUMNS, ROUNDS, BATCHES = 10, 720, 1440, 5, 4
NAMES = tuple(f"v{number}" for number in range(14))
CONFIG = ArchiveConfig(
    kind="archive",
    files="*.zarr",
    channels=tuple({"name": name, "variable": name, "units": "1"} for name in NAMES),
    splits={"train": 0.7, "validation": 0.1, "test": 0.2},
)


LEVELS = (50.0, 200.0, 500.0, 850.0, 1000.0)
OF_LEVELS = ArchiveConfig(
    kind="archive",
    files="*.zarr",
    dimensions={"level": "level"},
    channels=tuple(
        {"name": f"v{number}", "variable": f"v{number}", "units": "1", "levels": [50.0, 500.0]} for number in range(7)
    ),
    splits={"train": 0.7, "validation": 0.1, "test": 0.2},
)


def write(folder: Path, *, levels: int = 0) -> None:
    """Variables of waves with noise, of which 16 bits say something, as those of ERA5; 14, or 7 with levels."""
    random = np.random.default_rng(0)
    time = {"time": np.datetime64("2001-01-01", "ns") + np.timedelta64(6, "h") * np.arange(STEPS)}
    place = {"latitude": np.linspace(89.875, -89.875, ROWS), "longitude": np.arange(COLUMNS) * 0.25}
    level = {"level": ("level", list(LEVELS), {"units": "hPa"})} if levels else {}
    waves = np.sin(np.linspace(0, 9, ROWS))[:, None] * np.cos(np.linspace(0, 20, COLUMNS))
    some = np.round((280 + 30 * waves + random.normal(scale=0.5, size=waves.shape)) * 512) / 512
    dimensions = ("time", *level, "latitude", "longitude")
    codec = numcodecs.Blosc("lz4", clevel=5, shuffle=1)
    for name in NAMES[:7] if levels else NAMES:
        values = np.empty((STEPS, *([levels] * bool(levels)), ROWS, COLUMNS), dtype=np.float32)
        for field in values.reshape(-1, ROWS, COLUMNS):
            field[...] = np.roll(some, random.integers(some.size))
        data = xr.Dataset({name: (dimensions, values)}, coords={**time, **level, **place})
        data.chunk({"time": 1}).to_zarr(
            folder / "all.zarr",
            mode="a",
            zarr_format=2,
            consolidated=False,
            encoding={name: {"compressors": codec}},
        )


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Both layouts and the prepared stores, opened."""
    folder = tmp_path_factory.mktemp("archives")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name in ("archive", "levels"):
            (folder / name).mkdir()
        write(folder / "archive")
        write(folder / "levels", levels=len(LEVELS))
        opened = {
            "archive": ArchiveSource(CONFIG, folder / "archive"),
            "levels": ArchiveSource(OF_LEVELS, folder / "levels"),
        }
        for compression in ("lz4", "none"):
            prepare(CONFIG, folder / "archive", folder / compression, Packing(compression=compression))
            opened[compression] = open_source(CONFIG, path=folder / compression)
        yield opened


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
def test_ready_batches_over_a_plain_read(benchmark, tmp_path, sources, loading):
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
    for name, least in LEAST_OVER_PLAIN_FILE.items():
        assert benchmark.extra_info[name]["speed_over_plain_file"] > least


@pytest.mark.parametrize("name", ["archive", "levels"])
def test_passes_over_reading_the_same_archive(benchmark, sources, name):
    source = sources[name]
    steps = np.arange(STEPS)
    field = source.read([0])

    def read() -> None:
        for _ in stream(source, steps):
            pass

    passes = {
        "reading": read,
        "scan": lambda: source._scan(lambda fraction: None),
        "normalisation": lambda: training_normalisation(source, steps),
        "change": lambda: change_deviation(source, steps),
    }

    def compare() -> dict[str, list[float]]:
        taken_s: dict[str, list[float]] = {name: [] for name in passes}
        for _ in range(ROUNDS):
            for name, make in passes.items():
                begun_s = perf_counter()
                make()
                taken_s[name].append(perf_counter() - begun_s)
        return taken_s

    taken_s = benchmark.pedantic(compare, rounds=1)
    gigabytes = STEPS * field.nbytes / 1e9

    def speed_over(name: str, other: str) -> float:
        return median(there_s / s for there_s, s in zip(taken_s[other], taken_s[name], strict=True))

    for each, times in taken_s.items():
        over_reading = speed_over(each, "reading")
        benchmark.extra_info[each] = {"gb_s": gigabytes / median(times), "speed_over_reading": over_reading}
        assert over_reading > LEAST_OVER_READING.get(each, 0)


def test_part_of_an_epoch_that_waits_for_data(benchmark, sources):
    """Steps of 0.3 s on a device, that is, which leave the processor alone."""

    def epoch(source) -> float:
        windows = Windows(source, CONFIG.splits)
        tasks = [task for seed in range(4) for task in windows.batch_tasks("train", 1, epoch_seed=seed)]
        waited_s = 0.0
        begun_s = asked_s = perf_counter()
        with prefetched(tasks, Loading(prefetch=2, workers=2)) as batches:
            for _ in batches:
                waited_s += perf_counter() - asked_s
                sleep(0.3)
                asked_s = perf_counter()
        return waited_s / (perf_counter() - begun_s)

    parts = benchmark.pedantic(lambda: {name: epoch(sources[name]) for name in ("archive", "lz4")}, rounds=1)
    benchmark.extra_info |= {f"waiting_part_{name}": part for name, part in parts.items()}
    assert max(parts.values()) < 0.2
