"""A powercap tree of real files, as the kernel lays it out, whose counters a thread can keep moving."""

from __future__ import annotations

import threading
import time
from pathlib import Path


def add_zone(root: Path, zone: str, name: str, energy_uj: int = 0, wrap_uj: int | None = 262_143_328_850) -> Path:
    folder = root / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    set_energy(folder, energy_uj)
    if wrap_uj is not None:
        (folder / "max_energy_range_uj").write_text(f"{wrap_uj}\n")
    return folder


def set_energy(folder: Path, energy_uj: int) -> None:
    """Replaces the counter in one step, so that a reader sees the old or the new value."""
    partial = folder / "energy_uj.partial"
    partial.write_text(f"{energy_uj}\n")
    partial.replace(folder / "energy_uj")


class LiveCounter(threading.Thread):
    """Advances the counter of a zone at a constant power, wrapping as the hardware does."""

    def __init__(self, folder: Path, power_w: float, wrap_uj: int, start_uj: int = 0) -> None:
        super().__init__(daemon=True)
        self._folder, self._power_w, self._wrap_uj, self._start_uj = folder, power_w, wrap_uj, start_uj
        self._ended = threading.Event()

    def run(self) -> None:
        origin_ns = time.monotonic_ns()
        while not self._ended.wait(0.004):
            moved_uj = round(self._power_w * (time.monotonic_ns() - origin_ns) / 1000)
            set_energy(self._folder, (self._start_uj + moved_uj) % self._wrap_uj)

    def __enter__(self) -> LiveCounter:
        self.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        self.join()
