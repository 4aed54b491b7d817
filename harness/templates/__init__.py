"""First files of a chip, claims, data, a site, a suite, a model or a power sensor of one's own, for `crosscast new`.

Each is right as it is and says with each field what to put there. In `files/` NAME stands for the name that a user
gives.
"""

import keyword
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harness.errors import UserError
from harness.files import write_atomically
from harness.scenario.names import MOST_CHARACTERS

Kind = Literal["chip", "claims", "data", "model", "sensor", "site", "suite"]

PACKAGES: frozenset[Kind] = frozenset({"model", "sensor"})
"""Kinds that are code, in a folder to be installed."""

FILES = Path(__file__).parent / "files"
SUFFIX = ".txt"
PLACEHOLDER = "NAME"


def write(kind: Kind, name: str, folder: Path) -> tuple[Path, ...]:
    """Write the files of a kind into a folder, which is made; what is code gets a folder of its own there.

    Raises UserError, and writes nothing, where the name is none of Python's names, is longer than names may be, or a
    file is there already, and for code where Python has a package of that name, in whose place the new one would
    stand or which would stand in its.
    """
    if len(name) > MOST_CHARACTERS:
        raise UserError(
            f"{name[:20]!r}... cannot be a name here: it has {len(name)} characters, more than {MOST_CHARACTERS}"
        )
    if not (name.isidentifier() and name.isascii() and name == name.lower()):
        raise UserError(f"{name!r} cannot be a name here: use lower-case letters, digits and underscores")
    if keyword.iskeyword(name):
        raise UserError(f"{name!r} cannot be a name here: it is a word of Python's own; choose another")
    if kind in PACKAGES and find_spec(name) is not None:
        raise UserError(f"{name!r} is a package of this Python already: choose another name for the {kind}")
    if kind in PACKAGES:
        sources = sorted((FILES / kind).rglob(f"*{SUFFIX}"))
        targets = [folder / name / _named(path.relative_to(FILES / kind), name) for path in sources]
    else:
        sources, targets = [FILES / f"{kind}.yaml{SUFFIX}"], [folder / f"{name}.yaml"]
    for target in targets:
        if target.exists():
            raise UserError(f"{target} is there already: choose another name or folder")
    try:
        for source, target in zip(sources, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, source.read_text(encoding="utf-8").replace(PLACEHOLDER, name))
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return tuple(targets)


def _named(path: Path, name: str) -> Path:
    return Path(str(path).removesuffix(SUFFIX).replace(PLACEHOLDER, name))
