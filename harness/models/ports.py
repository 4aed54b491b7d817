"""A network of a lab's own in place of the harness's."""

from typing import Any

from harness.errors import UserError
from harness.own_code import named


def load_port(name: str | None) -> Any:
    """The port `module[:name]`: a module, or an object in it, with `build` and `loss`; None stays None.

    The current folder is on the path. Raises UserError where it cannot be imported or lacks one of them.
    """
    if name is None:
        return None
    try:
        port = named(name)
    except UserError as error:
        raise UserError(f"port {error}") from None
    if missing := [each for each in ("build", "loss") if not callable(getattr(port, each, None))]:
        raise UserError(f"port {name!r}: has no {' and no '.join(missing)}; see harness/models/__init__.py")
    return port
