"""From what a file in scenarios/data/ says to the source it describes."""

from pathlib import Path

from harness.data.config import ArchiveConfig, RossbyConfig
from harness.data.source import Source
from harness.errors import UserError


def open_source(
    config: RossbyConfig | ArchiveConfig, *, path: Path | None = None, grid: tuple[int, int] | None = None
) -> Source:
    """Open the data that `config` describes.

    `path` is the DATA folder or file of an archive; `grid` is (H, W) of generated data.
    Raises UserError where one of them is needed and not given, and whatever the source raises.
    """
    if isinstance(config, RossbyConfig):
        if grid is None:
            raise UserError("data of kind 'rossby' need a grid: the model's preset gives none")
        from harness.data.rossby import RossbySource

        return RossbySource(config, grid)
    if path is None:
        raise UserError("data of kind 'archive' need DATA=folder (or --data folder)")
    from harness.data.archive import ArchiveSource

    return ArchiveSource(config, path)
