"""Raw series of old nights are removed; records, and what was judged by them, stay for ever."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.results.record import FILE_NAME

KEPT = frozenset({FILE_NAME})


def prune(nights: Sequence[Path], keep: int) -> int:
    """Remove what lies beside the records of all nights but the newest `keep`; their folders are given oldest first.

    Returns how many launches were pruned.
    """
    pruned = 0
    for night in nights[: max(0, len(nights) - keep)]:
        for record in night.glob(f"*/*/*/*/{FILE_NAME}"):
            raw = [path for path in record.parent.iterdir() if path.name not in KEPT]
            for path in raw:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            pruned += bool(raw)
    return pruned
