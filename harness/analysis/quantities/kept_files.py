"""What launches kept in files beside their records, for all launches of a cell."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.analysis.cells import Cell

Kept = TypeVar("Kept")

MOST_LAUNCHES = 32
"""Of a cell, whose files are read."""


def kept_by(
    cell: Cell, name: str, load: Callable[[Path], Kept], alike: Callable[[Kept, Kept], bool]
) -> dict[int, Kept]:
    """The files of this name that are `alike` the first one, by launch; raises what `load` raises."""
    paths = {record.launch: record.beside(name) for record in cell.launches[:MOST_LAUNCHES]}
    found = {launch: load(path) for launch, path in paths.items() if path is not None}
    return {launch: each for launch, each in found.items() if alike(each, next(iter(found.values())))}
