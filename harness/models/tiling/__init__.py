"""MLPs over many rows, run a tile of rows at a time: how large a tile is, without the framework that runs it."""

from harness.models.activations import FLOAT32_BYTES

TILE_BYTES = 3 * 2**19
"""Of one array of a tile, at least: half of what it is at most."""


def takes_tiles(rows: int, width: int) -> bool:
    """Whether so many rows of so many values are more than one tile."""
    return FLOAT32_BYTES * rows * width > TILE_BYTES


def tile_rows(count: int, width: int) -> int:
    """How many of so many rows of so many values are a tile: all are in about equal ones."""
    return -(-count // max(1, FLOAT32_BYTES * count * width // TILE_BYTES))
