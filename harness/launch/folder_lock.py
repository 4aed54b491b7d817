"""A lock on a file in a shared folder, on file systems that know locks and on those that do not."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE_S = 30.0
"""What the lock protects takes milliseconds: whoever holds it for so long is stopped or dead."""

POLL_S = 0.05
HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES)


@contextlib.contextmanager
def folder_lock(path: Path, say: Callable[[str], None], patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold a lock, or go on without it after `patience_s`, which is said.

    Where the file system has no `flock`, as Lustre mounted without it, a file that only one process can make stands in
    for it. Raises OSError where the folder cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        problem = _flock(descriptor, patience_s)
        if problem is None:
            yield
            return
    finally:
        os.close(descriptor)
    if problem in HELD_BY_ANOTHER:
        say(f"{path}: held for {patience_s:g} s by a process that is stopped; going on without it")
        yield
        return
    say(f"{path.parent}: its file system has no locks ({os.strerror(problem)}); a file takes their place")
    with _made(path.with_name(f"{path.name}.made"), patience_s):
        yield


def _flock(descriptor: int, patience_s: float) -> int | None:
    """Lock a file; the number of the error where that cannot be had."""
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except OSError as error:
            if error.errno not in HELD_BY_ANOTHER or time.monotonic() > deadline_s:
                return error.errno or errno.ENOLCK
        time.sleep(POLL_S)


@contextlib.contextmanager
def _made(path: Path, patience_s: float) -> Iterator[None]:
    """Make a file that nobody else has made; one that has been there for `patience_s` is its dead maker's."""
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            break
        except FileExistsError:
            if time.monotonic() > deadline_s:
                break
        time.sleep(POLL_S)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
