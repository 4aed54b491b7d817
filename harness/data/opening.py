"""From what a file in scenarios/data/ says to the source it describes."""

from functools import lru_cache
from pathlib import Path

from harness.data.config import ArchiveConfig, GeneratedConfig
from harness.data.locations import Location
from harness.data.source import Progress, Source, unwatched
from harness.errors import UserError
from harness.files import refuse_unnameable


def open_source(
    config: GeneratedConfig | ArchiveConfig,
    *,
    path: Location | None = None,
    grid: tuple[int, int] | None = None,
    progress: Progress = unwatched,
) -> Source:
    """Open the data that `config` describes; of an archive, the files or the store that was prepared from them.

    `path` is the DATA folder or file of an archive, and `progress` is told how far it has been read, if it must be read
    whole; `grid` is (H, W) of generated data.
    Raises UserError where one of them is needed and not given, and whatever the source raises.
    """
    if isinstance(config, ArchiveConfig):
        if path is None:
            raise UserError("data of kind 'archive' need DATA=folder (or --data folder)")
        from harness.data.archive import ArchiveSource
        from harness.data.prepared import PreparedSource, description_of

        prepared = description_of(path)
        if prepared is not None and isinstance(path, Path):
            refuse_unnameable(path)
            return PreparedSource(config, path, prepared)
        return ArchiveSource(config, path, progress)
    if grid is None:
        raise UserError(f"data of kind {config.kind!r} need a grid: the model's preset gives none")
    return _generated(config, grid)


@lru_cache(maxsize=8)
def _generated(config: GeneratedConfig, grid: tuple[int, int]) -> Source:
    if config.kind == "ocean":
        from harness.data.ocean import OceanSource

        return OceanSource(config, grid)
    from harness.data.rossby import RossbySource

    return RossbySource(config, grid)
