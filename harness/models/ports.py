"""A network of a lab's own in place of the harness's.

As a program: `ports NAME` prints a JSON object that is empty where the port can be loaded, else with the `reason`.
"""

import json
import sys
from typing import Any

from harness.errors import UserError
from harness.own_code import named, source_digest


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


def refuse_changed(name: str, source: str) -> None:
    """Raise UserError where the file of a port is not, any more, that of SHA-256 `source` (hex)."""
    if source_digest(name) != source:
        raise UserError(f"port {name!r}: its file was changed since the bench read it; run it again")


def main() -> None:
    """Load a port as a launch would."""
    try:
        load_port(sys.argv[1])
    except UserError as error:
        print(json.dumps({"reason": str(error)}))
    else:
        print("{}")


if __name__ == "__main__":
    main()
