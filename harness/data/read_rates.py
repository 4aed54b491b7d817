"""How fast an archive and what was prepared from it are read, beside a plain file with the same values."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from harness.data.source import Source

_BYTES = 2**28
_ROUNDS = 3


@dataclass(frozen=True)
class Rates:
    """Reading the same steps from the archive, the store and a plain file, page cache warm; GB/s of float32 values."""

    archive_gb_s: float
    prepared_gb_s: float
    plain_gb_s: float


def read_rates(archive: Source, prepared: Source, folder: Path) -> Rates:
    """Medians of three rounds; in each all three read the same steps, at most 256 MiB of them, one after the other.

    The plain file is a temporary one in `folder`, read into one buffer by one thread.
    """
    count = max(1, min(len(archive.times), _BYTES // (4 * archive.mask.size)))
    steps = np.linspace(0, len(archive.times) - 1, count).astype(np.int64)
    buffer = np.empty(archive.mask.shape, dtype=np.float32)
    with tempfile.TemporaryFile(dir=folder) as file:
        for step in steps:
            file.write(prepared.read([step]).tobytes())

        def plain() -> None:
            file.seek(0)
            for _ in steps:
                file.readinto(buffer.data)

        readers: tuple[Callable[[], None], ...] = (
            partial(_read_all, archive, steps.tolist()),
            partial(_read_all, prepared, steps.tolist()),
            plain,
        )
        taken_s: tuple[list[float], ...] = ([], [], [])
        for _ in range(_ROUNDS):
            for times, reader in zip(taken_s, readers, strict=True):
                begun_s = perf_counter()
                reader()
                times.append(perf_counter() - begun_s)
    return Rates(*(4 * count * archive.mask.size / 1e9 / median(times) for times in taken_s))


def _read_all(source: Source, steps: list[int]) -> None:
    for step in steps:
        source.read([step])
