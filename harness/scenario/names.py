"""What a suite, model, preset, chip or data set may be called, as its name becomes part of names of folders and files.

Benches ask before they launch, tables before they write, so that neither leaves the folder of results.
"""

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

MOST_CHARACTERS = 60
MOST_BYTES_OF_A_FOLDER = 255
"""What ext4, XFS, NFS, Lustre and APFS take as the name of one folder."""

MOST_BYTES_OF_A_PATH = 4095
"""What Linux takes as a path."""

BASELINE_MOVES = "baseline.yaml"
"""The moves of the baseline of nights, in the folder where commands are given or in the repository."""

PAGE = "report.html"
"""The page of a folder of results."""

RESERVED_SUITES = frozenset(
    {"parity", "calibration", "claims", "doctor", "published", "submissions", PAGE, "readme.md"}
)
"""Folders and files of results that hold something else, in lower case."""

SEPARATORS = "/\\"


@lru_cache(maxsize=2**10)
def name_problem(name: str) -> str | None:
    """What is wrong with a name, as the end of a sentence; None for a good one."""
    if not name or name != name.strip():
        return "is empty or begins or ends with a space"
    if name.startswith((".", "-")):
        return f"begins with {name[0]!r}"
    if len(name) > MOST_CHARACTERS:
        return f"has {len(name)} characters, more than {MOST_CHARACTERS}"
    for character in name:
        if character in SEPARATORS:
            return f"holds {character!r}, which separates folders"
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"):
            return f"holds {character!r}, which does not show or is no character"
    return None


def suite_problem(name: str) -> str | None:
    """The same for the name of a suite, which is a folder of results of its own."""
    if name.lower() in RESERVED_SUITES:
        return "is kept for something else in the folder of results"
    return name_problem(name)


def folder_problem(name: str) -> str | None:
    """What is wrong with the name of a folder put together from good names."""
    size = len(os.fsencode(name))
    if size <= MOST_BYTES_OF_A_FOLDER:
        return None
    return f"takes {size} bytes, more than the {MOST_BYTES_OF_A_FOLDER} of a file system"


def path_problem(path: str) -> str | None:
    """What is wrong with the length of a path, as a sentence; None for one that a file system takes."""
    size = len(os.fsencode(path))
    if size > MOST_BYTES_OF_A_PATH:
        return f"it takes {size} bytes, more than the {MOST_BYTES_OF_A_PATH} of a file system"
    wrong = ((name, folder_problem(name)) for name in path.split("/"))
    return next((f"the name {name[:20]!r}... in it {problem}" for name, problem in wrong if problem), None)


def named_problems(names: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each pair of a kind and a bad name of that kind."""
    found = []
    for kind, name in dict.fromkeys(names):
        problem = suite_problem(name) if kind == "suite" else name_problem(name)
        if problem:
            found.append(f"the {kind} name {name!r} {problem}: rename it")
    return found
