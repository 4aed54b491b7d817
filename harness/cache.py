"""Arrays that take long to compute, kept from run to run in the user's cache folder.

A name stands for everything that its arrays depend on. Several processes may keep the same name at once: each writes
the whole file, and a reader sees one of them.
"""

import io
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.files import write_atomically
from harness.npz import read_arrays

Arrays = dict[str, NDArray[Any]]

MOST_BYTES = 2**34
"""Of a file in the cache."""


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/crosscast, by default ~/.cache/crosscast. Raises UserError for a user without a home folder."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "crosscast"
    try:
        return Path.home() / ".cache" / "crosscast"
    except RuntimeError:
        raise UserError(f"user {os.getuid()} has no home folder here: set HOME or XDG_CACHE_HOME") from None


def recall(name: str, fields: Collection[str]) -> Arrays | None:
    """The arrays kept under a name; None where there are none, or the file is damaged or lacks one of `fields`."""
    try:
        return read_arrays(_path(name), fields, MOST_BYTES)
    except Exception:  # a damaged file may raise almost anything
        return None


def keep(name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to the cache if that is possible."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    try:
        _path(name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_path(name), content.getvalue())
    except (OSError, UserError):
        return


def _path(name: str) -> Path:
    return cache_folder() / f"{name}.npz"
