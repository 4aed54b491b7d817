"""The registry of architectures: packages found by entry point. harness.models says what such a package offers."""

from importlib.metadata import entry_points
from types import ModuleType

from harness.errors import UserError, nearest

GROUP = "crosscast.models"


def architecture_names() -> list[str]:
    """Names of all that are registered, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def architecture(name: str) -> ModuleType:
    """The package of an architecture.

    Raises UserError if no entry point has that name.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise UserError(f"no architecture {name!r} is registered under {GROUP}; {nearest(name, found)}")
    module: ModuleType = found[name].load()
    return module
