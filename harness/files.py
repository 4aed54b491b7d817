"""Files written whole or not at all; what is no regular file is written through, never replaced."""

import contextlib
import errno
import os
import secrets
import stat
import sys
from pathlib import Path

from harness.errors import UserError

STANDARD_OUTPUTS = (1, 2)
NO_FOLDER = (errno.ENOENT, errno.ENOTDIR)


def refuse_unnameable(path: object) -> None:
    """Raise UserError where a path or URL, or what the path leads to, is not UTF-8, as no record could name it."""
    for name in (path, path.resolve()) if isinstance(path, Path) else (path,):
        try:
            str(name).encode()
        except UnicodeEncodeError:
            whose = "its" if name is path else f"leads to {name}, whose"
            raise UserError(f"{path}: {whose} name is not UTF-8: rename it, or the folder that it lies in") from None


def prefix_beside(name: str) -> str:
    """What the name of a hidden file begins with that lies beside another of this name; short enough for any ending."""
    return f".{os.fsencode(name)[:64].decode(sys.getfilesystemencoding(), 'ignore')}."


def made_beside(path: Path) -> tuple[int, Path]:
    """A descriptor of a new, empty file beside another, and its name; with the rights that the user's umask leaves."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        name = path.with_name(prefix_beside(path.name) + secrets.token_hex(4))
        with contextlib.suppress(FileExistsError):
            return os.open(name, flags, 0o666), name


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or all of the new, never a part.

    A link stays one: what it points to is written. A pipe, a terminal, os.devnull or the file that this process prints
    to is written into; a folder, a disk or a socket is refused. Raises UserError where the folder cannot be written or
    the disk is full; nothing is left behind then.
    """
    encoded = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        stream = _open_stream(path)
        if stream is not None:
            _write_all(stream, encoded)
        else:
            _replace(Path(os.path.realpath(path)), encoded)
    except OSError as error:
        reason = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
        advice = "make its folder first, or" if error.errno in NO_FOLDER else "free space or"
        raise UserError(f"{path}: cannot be written: {reason}; {advice} name another place") from None


def _open_stream(path: Path) -> int | None:
    """A descriptor to write into where `path` is no regular file of its own; None where it is one or there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    for descriptor in STANDARD_OUTPUTS:
        with contextlib.suppress(OSError):
            if os.path.samestat(status, os.fstat(descriptor)):
                return os.dup(descriptor)
    if stat.S_ISREG(status.st_mode):
        return None
    if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        os.set_blocking(descriptor, True)
        return descriptor
    raise OSError(errno.EINVAL, "it is a folder, a disk or a socket and no file")


def _write_all(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _replace(path: Path, content: bytes) -> None:
    descriptor, temporary = made_beside(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
