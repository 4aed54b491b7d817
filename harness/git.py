"""Asking git about a repository; whatever keeps it from answering is no answer."""

import os
import subprocess
from pathlib import Path

from collectors import children

LIMIT_S = 20.0


def ask(folder: Path, *words: str, given: str = "") -> str | None:
    """What `git -C folder words` prints, with `given` as its standard input.

    None where git is not there, refuses or takes longer than LIMIT_S. It asks nobody for a password.
    """
    try:
        child = children.start(
            ["git", "-C", str(folder), *words],
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
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
