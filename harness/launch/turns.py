"""Work on one device takes turns, whoever does it and from whatever folder.

On Linux a turn is a socket in the kernel's abstract name space, which all users and containers of a machine share that
share its network: it has no file that somebody could leave, own, replace or link, and it is gone with its process.
Elsewhere it is a lock in the user's cache folder, and only benches of one user take turns.
"""

import contextlib
import errno
import hashlib
import os
import pwd
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Collection, Iterator

from filelock import FileLock, Timeout

from harness.cache import cache_folder
from harness.errors import UserError

NAMESPACE = "CROSSCAST_TURNS"
"""Variable that keeps turns apart from those of all who do not set it to the same: for tests of benches beside work."""

POLL_S = 0.2
WAITING = 64
LONGEST_NAME = 80
"""Bytes; an address has 107, of which its beginning takes 18."""

Say = Callable[[str], None]

_held: set[str] = set()


@contextlib.contextmanager
def turn(devices: Collection[str], name: str, say: Say) -> Iterator[None]:
    """Have these devices, by the names that frameworks call them, to oneself; wait for whoever has one of them.

    `name` is what the user calls the device. A turn within a turn of this process is part of it. Raises UserError where
    the system has no turns.
    """
    with contextlib.ExitStack() as held:
        for device in sorted({device.lower() for device in devices} - _held):
            held.enter_context(_socket(device, name, say) if sys.platform == "linux" else _file(device, name, say))
            _held.add(device)
            held.callback(_held.discard, device)
        yield


@contextlib.contextmanager
def _socket(device: str, name: str, say: Say) -> Iterator[None]:
    address = _address(device)
    told = False
    with socket.socket(socket.AF_UNIX) as ours:
        while not _taken(ours, address, name):
            with socket.socket(socket.AF_UNIX) as theirs:
                theirs.settimeout(POLL_S)
                with contextlib.suppress(OSError):
                    theirs.connect(address)
                    if not told:
                        told = True
                        say(_waiting(name, _holder(theirs)))
                    theirs.settimeout(None)
                    theirs.recv(1)
            time.sleep(POLL_S / 10)
        try:
            yield
        finally:
            others_wait = bool(select.select([ours], [], [], 0)[0])
    if others_wait:
        time.sleep(2 * POLL_S)


def _address(device: str) -> bytes:
    """A name that is too long for an address of the kernel's stands there as its digest."""
    name = os.fsencode(f"{os.environ.get(NAMESPACE, '')}-{device}")
    if len(name) > LONGEST_NAME:
        name = hashlib.sha256(name).hexdigest().encode()
    return b"\0crosscast-device-" + name


def _taken(ours: socket.socket, address: bytes, name: str) -> bool:
    """Whether nobody else has it; raises UserError where this machine lets nobody have it."""
    try:
        ours.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise UserError(f"no turn can be had on this device ({name}): {error.strerror or error}") from None
    ours.listen(WAITING)
    return True


def _holder(connected: socket.socket) -> str:
    """Who has the device: process and user."""
    pid, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return f"process {pid} of {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"process {pid} of user {uid}"


@contextlib.contextmanager
def _file(device: str, name: str, say: Say) -> Iterator[None]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    lock = FileLock(cache_folder() / f"{device}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(_waiting(name, "of this user"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _waiting(name: str, holder: str) -> str:
    return f"another bench is running on this device ({name}): waiting for its launch to end ({holder})"
