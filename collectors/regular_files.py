"""Reading files that others may have made: never a pipe, a socket or a device, and never more than was allowed for.

A folder of results is copied between machines, and what bears the name of a record there may be anything. Opening a
FIFO waits without end, opening some devices does something, and `/dev/zero` never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def open_regular(path: Path, most_bytes: int) -> BinaryIO:
    """Open a regular file of at most `most_bytes`, or a link to one, for reading.

    Raises OSError, with the reason as its `strerror`, where it cannot be opened, is larger, or is of another kind.
    """
    descriptor, _ = _open(path, most_bytes)
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The content that a file had when it was opened; raises what `open_regular` raises.

    Files of /proc, which give no size and may have no end, are empty here.
    """
    descriptor, size = _open(path, most_bytes)
    try:
        content = os.read(descriptor, size)
        while len(content) < size and (more := os.read(descriptor, size - len(content))):
            content += more
        return content
    finally:
        os.close(descriptor)


def _open(path: Path, most_bytes: int) -> tuple[int, int]:
    """The descriptor of a regular file and its size in bytes."""
    name = str(path)
    if "\0" in name:
        raise OSError(errno.EINVAL, "a NUL in the name", name)
    _check(path.stat(), path, most_bytes)
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        _check(status, path, most_bytes)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status.st_size


def kind_of(path: Path) -> str | None:
    """What stands there that is neither a regular file nor a folder, such as "a FIFO"; None for these and for nothing.

    Raises nothing.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISDIR(mode) else _kind(mode)


def _check(status: os.stat_result, path: Path, most_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _kind(status.st_mode)
        raise OSError(errno.EINVAL, f"{kind}, not a regular file", str(path))
    if status.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"{_size(status.st_size)}, but at most {_size(most_bytes)} are read here", str(path))


def _kind(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return next((name for is_kind, name in KINDS if is_kind(mode)), "a special file")


def _size(size: int) -> str:
    return next((f"{size / unit:.4g} {name}" for unit, name in UNITS if size >= unit), f"{size} bytes")
