"""Asking git about a repository; whatever keeps it from answering is no answer."""

import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from collectors import children

LIMIT_S = 20.0
COMMIT = re.compile("[0-9a-f]{40,64}")
OF_A_CALLER = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE"),
)
"""Variables with which git calls its hooks, and what `git rebase --exec` runs: they name a repository, whatever folder
git is asked in."""


def environment() -> dict[str, str]:
    """That of git when it is asked of a folder: of the repository there and no other, and nobody for a password."""
    here = {name: value for name, value in os.environ.items() if name not in OF_A_CALLER}
    return {**here, "GIT_TERMINAL_PROMPT": "0"}


def ask(folder: Path, *words: str, given: str = "", settings: Mapping[str, str] = {}) -> str | None:
    """What `git -C folder words` prints, with `given` as its standard input and `settings` in its environment.

    None where git is not there, refuses or takes longer than LIMIT_S. It asks nobody for a password, and leaves the
    index of the repository as it is.
    """
    try:
        child = children.start(
            ["git", "-C", str(folder), *words],
            env={**environment(), "GIT_OPTIONAL_LOCKS": "0", **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError):
        return None
    try:
        told, _ = child.communicate(given.encode(), timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return None
    finally:
        child.end()
    return str(told, errors="replace") if child.returncode == 0 else None


def ask_in_trust(folder: Path, *words: str) -> str | None:
    """As `ask`, of a repository that may be somebody else's, as a user's checkout is to root in a container.

    git refuses to read those unless a file of settings names them, which no option of any version does alike. Only for
    a checkout whose code runs here anyway.
    """
    told = ask(folder, *words)
    if told is not None or folder.stat().st_uid == os.geteuid():
        return told
    with suppress(OSError), TemporaryDirectory(prefix="crosscast-git-") as settings:
        Path(settings, "git").mkdir()
        Path(settings, "git", "config").write_text("[safe]\n\tdirectory = *\n")
        return ask(folder, *words, settings={"XDG_CONFIG_HOME": settings})
    return None


def checked_out(folder: Path) -> str | None:
    """The commit that is checked out in a folder, as the files of git have it; None where they do not tell.

    For where git cannot be asked, as in an image without it.
    """
    try:
        place = common = folder / ".git"
        if place.is_file():
            place = common = folder / place.read_text().removeprefix("gitdir:").strip()
        if (place / "commondir").is_file():
            common = place / (place / "commondir").read_text().strip()
        told = (place / "HEAD").read_text().strip()
        if told.startswith("ref:"):
            told = _commit_of_reference(common, told.removeprefix("ref:").strip())
    except (OSError, ValueError):
        return None
    return told if COMMIT.fullmatch(told) else None


def _commit_of_reference(common: Path, name: str) -> str:
    """What a branch stands for: a file of its own, or a line of those that were packed; nothing where it is in neither.

    Raises OSError and ValueError.
    """
    if (common / name).is_file():
        return (common / name).read_text().strip()
    lines = (line.split(" ", 1) for line in (common / "packed-refs").read_text().splitlines() if " " in line)
    return next((commit for commit, packed in lines if packed == name), "")
