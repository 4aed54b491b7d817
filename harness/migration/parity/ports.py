"""A network of a lab's own in place of the harness's."""

import importlib
import sys
from pathlib import Path
from typing import Any

from harness.errors import UserError


def load_port(name: str | None) -> Any:
    """The module `package.module`, or the object `package.module:name`, with `build` and `loss`; None stays None.

    The current folder is on the path. Raises UserError where it cannot be imported or lacks one of them.
    """
    if name is None:
        return None
    module_name, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module_name)
        port = getattr(found, attribute) if attribute else found
    except (ImportError, AttributeError) as error:
        raise UserError(f"port {name!r}: cannot be imported: {error}") from None
    if missing := [each for each in ("build", "loss") if not callable(getattr(port, each, None))]:
        raise UserError(f"port {name!r}: has no {' and no '.join(missing)}; see harness/models/__init__.py")
    return port
