"""Where the files of scenarios/ are, and those of folders of a lab's own."""

import os
from pathlib import Path
from typing import Literal

from harness.errors import UserError

ROOT = Path(__file__).resolve().parents[2] / "scenarios"

OWN = "CROSSCAST_SCENARIOS"
"""The environment variable that names folders like scenarios/, with colons between them, whose files are found too."""

Kind = Literal["chips", "models", "suites", "data", "claims", "weights", "sites"]


def files_of(kind: Kind) -> dict[str, Path]:
    """The files of a kind by their names, in order.

    Raises UserError where a folder that OWN names is none, and where two folders have a file of the same name.
    """
    found: dict[str, Path] = {}
    for folder in (ROOT, *_own_folders()):
        for path in (folder / kind).glob("*.yaml"):
            if path.stem in found:
                raise UserError(f"{kind} {path.stem!r} is both {found[path.stem]} and {path}: rename one of them")
            found[path.stem] = path
    return dict(sorted(found.items()))


def _own_folders() -> list[Path]:
    folders = [Path(part) for part in os.environ.get(OWN, "").split(os.pathsep) if part]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{OWN}: {folder} is no folder")
    return folders
