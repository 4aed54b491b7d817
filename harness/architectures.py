"""The registry of architectures: packages found by entry point. harness.models says what such a package offers."""

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from harness.contract import under_contract
from harness.errors import UserError, nearest, one_line

GROUP = "crosscast.models"

REQUIRED = (
    "Network",
    "check_grid",
    "input_spec",
    "parameters",
    "describe",
    "loss_weights",
    "training_extras",
)
"""What every package offers."""


def architecture_names() -> list[str]:
    """Names of all that are registered, sorted."""
    return sorted(_registered(tuple(sys.path)))


def architecture(name: str) -> ModuleType:
    """The package of an architecture; functions of one that is not the harness's own raise UserError where they fail.

    Raises UserError if no entry point has that name, and where its package cannot be imported or lacks what every one
    offers.
    """
    found = _registered(tuple(sys.path))
    if name not in found:
        raise UserError(
            f"no architecture {name!r} is registered under {GROUP}: is its package installed (pip install -e FOLDER)? "
            f"{nearest(name, found)}"
        )
    try:
        module: ModuleType = found[name].load()
    except Exception as error:
        raise UserError(f"architecture {name!r}: {found[name].value} cannot be imported: {one_line(error)}") from None
    if missing := [each for each in REQUIRED if not hasattr(module, each)]:
        raise UserError(
            f"architecture {name!r}: {found[name].value} lacks {', '.join(missing)}; harness/models/__init__.py says "
            "what a model's package offers"
        )
    return module if found[name].module.startswith("harness.") else under_contract(name, module)


@lru_cache
def _registered(places: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """Entry points by name; looked for once on each `sys.path`."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}
