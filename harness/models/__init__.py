"""The networks, found by entry point in the group crosscast.models.

An entry point names a package that offers `Network` (pydantic hyperparameters), `check_grid`, `parameters` and
`describe`, and has modules `pytorch` and `mindspore`, imported only in a child process, each with `build` and `loss`.
"""

from importlib.metadata import entry_points
from types import ModuleType

from harness.errors import UserError, nearest

GROUP = "crosscast.models"


def architecture(name: str) -> ModuleType:
    """The package of an architecture.

    Raises UserError if no entry point has that name.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise UserError(f"no architecture {name!r} is registered under {GROUP}; {nearest(name, found)}")
    module: ModuleType = found[name].load()
    return module
