"""What a Python has: its version, packages and this harness; standard library alone.

`harness.machine.interpreters` imports it, and sends its text to other interpreters, which may be as old as Python 3.6
and need not have the harness.
"""

import hashlib
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

try:
    from importlib import metadata
except ImportError:
    metadata = None  # type: ignore[assignment]

EXTRA = "extra =="


def package(name: str) -> Any:
    """Whether there is a package of this import name, its version and what it requires, without importing it.

    The version is None where the package does not tell it.
    """
    found: Any = {"there": find_spec(name) is not None, "version": None, "requires": []}
    if found["there"] and metadata is not None:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return found
        found["version"], found["requires"] = distribution.version, distribution.requires or []
    return found


def distributions() -> str:
    """SHA-256 of the list of installed packages and versions, of those that cannot be read their places."""
    found: Any = [] if metadata is None else metadata.distributions()
    listed = set()
    for one in found:
        try:
            listed.add("{}=={}".format(*name_and_version(one)))
        except ValueError:  # no UTF-8
            listed.add(str(one.locate_file("")))
    return hashlib.sha256("\n".join(sorted(listed)).encode()).hexdigest()


def name_and_version(distribution: Any) -> Any:
    """Those of an installed package, None where it lacks one. Raises ValueError where they are no UTF-8.

    `distribution.metadata` parses the whole description of a package for two lines of its head.
    """
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = text.partition("\n\n")[0]
    told = [re.findall(f"^{field}: *(.+?) *$", head, re.MULTILINE) for field in ("Name", "Version")]
    if all(len(values) == 1 for values in told):
        return [values[0] for values in told]
    return [distribution.metadata.get(field) for field in ("Name", "Version")]


def sources(root: Path) -> str:
    """SHA-256 of the modules of the harness below a folder."""
    told = hashlib.sha256()
    for path in sorted(path for top in ("harness", "collectors") for path in (root / top).rglob("*.py")):
        content = path.read_bytes()
        told.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        told.update(content)
    return told.hexdigest()


def harness() -> Any:
    """The sources of the harness that is installed, and the versions of what it requires; None where there is none.

    `requires` has requirements as the harness states them, each with the version that is there, or None.
    """
    spec = find_spec("harness")
    if spec is None or spec.origin is None or metadata is None:
        return None
    try:
        needs = metadata.distribution("crosscast").requires or []
    except metadata.PackageNotFoundError:
        return None
    requires = {need: _version(need) for need in needs if EXTRA not in need}
    return {"sources": sources(Path(spec.origin).parents[1]), "requires": requires}


def _version(requirement: str) -> Any:
    name = "".join(letter if letter.isalnum() or letter in "-_." else " " for letter in requirement).split()[0]
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if entry]
    print(
        json.dumps(
            {
                "python": sys.version.split()[0],
                "packages": {name: package(name) for name in sys.argv[1:]},
                "distributions": distributions(),
                "harness": harness(),
            }
        )
    )
