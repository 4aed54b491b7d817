"""Real data files that live outside the repository: $CROSSCAST_SHARED, or shared/ beside the checkout."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def shared_path(name: str) -> Path:
    """A file or folder under shared/; the calling test is skipped where it is absent."""
    folder = Path(os.environ.get("CROSSCAST_SHARED", REPOSITORY.parent / "shared"))
    path = folder / name
    if not path.exists():
        pytest.skip(f"no {name} in {folder} (set CROSSCAST_SHARED)")
    return path
