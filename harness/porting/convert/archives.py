"""Zip archives that weights come in: bounded before anything is unpacked, and held to their own checksums."""

import zipfile
import zlib
from pathlib import Path

from harness.errors import UserError

MOST_TIMES_LARGER = 100
"""Weights hardly shrink; what unpacks to more than this many times its file is no file of weights."""
ALWAYS_ALLOWED_BYTES = 64 * 1024**2


def check_archive(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The members of a zip archive by name, after every one has been compared with its checksum.

    Raises UserError where the archive is damaged, names a member twice or would unpack to far more than its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_bomb(path, members)
            wrong = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: not a whole zip archive ({error}); copy it again") from None
    if wrong is not None:
        raise UserError(
            f"{path}: the archive's own checksum of {wrong!r} does not match: the file is damaged; copy it again "
            "(or save it again, if it was written with checksums turned off)"
        )
    by_name = {member.filename: member for member in members}
    if len(by_name) < len(members):
        raise UserError(f"{path}: the archive holds two members of one name; save it again")
    return by_name


def _refuse_bomb(path: Path, members: list[zipfile.ZipInfo]) -> None:
    size, unpacked = path.stat().st_size, sum(member.file_size for member in members)
    if unpacked > max(ALWAYS_ALLOWED_BYTES, MOST_TIMES_LARGER * size):
        raise UserError(
            f"{path}: {size / 1024**2:.3g} MiB that would unpack to {unpacked / 1024**2:.3g} MiB: "
            "no file of weights; it is not unpacked"
        )
