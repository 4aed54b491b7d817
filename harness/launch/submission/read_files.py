"""The files that launches of a block read where they lie, as no submission copies them, and what state they are in."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.data.config import ArchiveConfig
from harness.errors import UserError
from harness.scenario import catalogue
from harness.scenario.folders import Kind
from harness.scenario.scenario import Selection
from harness.scenario.schema import SuiteConfig

ARRAY_METADATA = ("zarr.json", ".zarray", ".zattrs")


def state_of_files(suite: SuiteConfig, selection: Selection) -> dict[str, str]:
    """A digest (hex) of each file or folder that the launches of a suite read, by name; none of those not seen here.

    YAML files count by their content, weights and data by sizes and times of change. Of a Zarr store that is asked of
    its folders and metadata: a chunk that is rewritten in place is not noticed. Data at a URL are left out. Raises
    UserError where there is no model or mapping of a name.
    """
    found = {}
    for entry in suite.models:
        mapping = selection.mapping or entry.data or suite.data
        named: tuple[tuple[Kind, str], ...] = (("models", entry.model), ("data", mapping))
        for kind, name in named:
            label = name if name.endswith((".yaml", ".yml")) else f"scenarios/{kind}/{name}.yaml"
            with contextlib.suppress(OSError):
                found[label] = hashlib.sha256(catalogue.path_of(kind, name).read_bytes()).hexdigest()
    with contextlib.suppress(OSError):
        if selection.weights is not None:
            found[str(selection.weights)] = _state([selection.weights])
    with contextlib.suppress(OSError, UserError):
        if selection.data is not None and "://" not in str(selection.data):
            found[str(selection.data)] = _state(_of_archive(Path(selection.data), selection.mapping))
    return found


def _state(files: Iterable[Path]) -> str:
    """Raises OSError where one is not there."""
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="backslashreplace"))
    return digest.hexdigest()


def _of_archive(data: Path, mapping: str | None) -> Iterator[Path]:
    """The files of an archive, and of a Zarr store what its chunks lie in.

    Without a mapping they are those that any of scenarios/data could read. Raises UserError where there are none.
    """
    from harness.data.files import find_files, is_zarr

    configs = [catalogue.data(name) for name in (catalogue.names("data") if mapping is None else [mapping])]
    patterns = [pattern for config in configs if isinstance(config, ArchiveConfig) for pattern in config.files]
    for place in find_files(data, patterns):
        assert isinstance(place, Path)
        yield place
        for entry in sorted(place.iterdir()) if is_zarr(place) else ():
            yield entry
            yield from (entry / name for name in ARRAY_METADATA if (entry / name).is_file())
