"""Which code a network runs in a framework, as a digest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

from harness.own_code import source_of
from harness.scenario.schema import FrameworkName

MODELS = Path(__file__).parent
FRAMEWORKS = MODELS.parent / "frameworks"
FRAMEWORK_NAMES = get_args(FrameworkName)


def sources_digest(package: ModuleType, framework: str, port: str | None = None) -> str:
    """SHA-256 (hex) of the sources of an architecture in a framework, of the layers and of the framework's room.

    `port`, as `module[:name]`, stands in for the architecture's own; the source of its module then counts too.
    """
    digest = hashlib.sha256()
    for path in _files(package, framework, port):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files(package: ModuleType, framework: str, port: str | None) -> Iterator[Path]:
    others = {f"{name}.py" for name in FRAMEWORK_NAMES if name != framework}
    for folder in (*map(Path, package.__path__), MODELS):
        yield from (path for path in sorted(folder.rglob("*.py")) if path.name not in others and _shared(path, folder))
    yield FRAMEWORKS / "policy.py"
    yield from sorted((FRAMEWORKS / framework).rglob("*.py"))
    if port and (path := source_of(port)):
        yield path


def _shared(path: Path, folder: Path) -> bool:
    """Whether a file of harness/models belongs to all architectures: it lies at the top or among the layers."""
    return folder != MODELS or path.parent == MODELS or not (path.parent / "config.py").exists()
