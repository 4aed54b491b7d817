"""A lock on a file in a shared folder, on file systems that know locks and on those that do not."""

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import UserError

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
    with _flock(path, patience_s) as problem:
        if problem is None:
            yield
            return
    if problem in HELD_BY_ANOTHER:
        say(f"{path}: held for {patience_s:g} s by a process that is stopped; going on without it")
        yield
        return
    say(f"{path.parent}: its file system has no locks ({os.strerror(problem)}); a file takes their place")
    with _made(_stand_in(path), patience_s):
        yield


@contextlib.contextmanager
def sole_lock(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock for work of any length, which nobody else does meanwhile.

    Where the file system has no `flock`, a file stands in for it, which stays where its maker is killed. Raises
    UserError that says `busy`, and which file to remove, where another process has the lock or has left that file;
    OSError where the folder cannot be written.
    """
    with _flock(path, 0.0) as problem:
        if problem is None:
            yield
            return
    if problem in HELD_BY_ANOTHER:
        raise UserError(busy)
    file = _stand_in(path)
    try:
        _make(file)
    except FileExistsError:
        raise UserError(f"{busy}; if none is, remove {file}, which says who made it") from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _flock(path: Path, patience_s: float) -> Iterator[int | None]:
    """Make a file and lock it; the number of the error where that cannot be had."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        yield _locked(descriptor, patience_s)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, patience_s: float) -> int | None:
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
            _make(path)
            break
        except FileExistsError:
            if time.monotonic() > deadline_s:
                break
        time.sleep(POLL_S)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _stand_in(path: Path) -> Path:
    return path.with_name(f"{path.name}.made")


def _make(path: Path) -> None:
    """Make a file that says by whom it was made; raises FileExistsError where there is one."""
    with path.open("x") as file:
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
