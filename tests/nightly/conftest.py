"""A throw-away repository with two commits of this harness, whose workers are stand-ins."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"), ("DATE", "2026-01-01T00:00:00Z"))
}

JUDGED = (
    "import pathlib, sys; output = pathlib.Path(sys.argv[sys.argv.index('--output') + 1]); output.mkdir(); "
    "(output / 'gate.json').touch()"
)
"""A line of a program in the place of the gate: what one leaves that has judged."""


def git(folder: Path, *words: str) -> str:
    """What git prints."""
    environment = {**os.environ, **IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        ["git", "-C", str(folder), *words], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@dataclass(frozen=True)
class Commits:
    """A repository and its two commits."""

    repository: Path
    baseline: str
    candidate: str


@pytest.fixture(scope="session")
def commits(tmp_path_factory) -> Commits:
    """The harness as it is here, and the same with a line more in a file that nobody imports."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("harness", "collectors", "scenarios"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "baseline")
    first = git(folder, "rev-parse", "HEAD")
    git(folder, "tag", "baseline")
    (folder / "CHANGES").write_text("a change\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "candidate")
    return Commits(folder, first, git(folder, "rev-parse", "HEAD"))
