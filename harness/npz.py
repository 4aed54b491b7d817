"""Arrays of an npz file, whose headers are checked against the sizes of the file before anything is allocated."""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from collectors.regular_files import open_regular

DAMAGE = (
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on the content of a damaged file."""

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
MOST_MEMBERS = 1000
MOST_COMPRESSION = 1100
"""Bytes that one byte may unpack to; DEFLATE reaches 1032."""


def read_arrays(path: Path, names: Iterable[str], most_bytes: int) -> dict[str, NDArray[Any]]:
    """The arrays of these names; others in the file are not read.

    Raises OSError where the file cannot be opened, is no regular file or is larger than `most_bytes`; one of DAMAGE
    where it is no archive of arrays, lacks a name, or where the arrays are larger than `most_bytes` together or not as
    large as their headers say.
    """
    with open_regular(path, most_bytes) as file:
        if file.read(6) == npy.MAGIC_PREFIX:
            raise ValueError("one array, not an archive of several")
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > MOST_MEMBERS:
                raise ValueError(f"{len(archive.infolist())} arrays")
            members = {name: archive.getinfo(f"{name}.npy") for name in names}
            if (unpacked := sum(member.file_size for member in members.values())) > most_bytes:
                raise ValueError(f"unpacks to {unpacked} bytes, of which {most_bytes} are allowed")
            if any(member.file_size > MOST_COMPRESSION * member.compress_size for member in members.values()):
                raise ValueError("sizes that no compression reaches")
            arrays = {}
            for name, member in members.items():
                with archive.open(member) as stored:
                    arrays[name] = _read(stored, member.file_size, name)
            return arrays


def _read(stored: IO[bytes], size: int, name: str) -> NDArray[Any]:
    version = npy.read_magic(stored)
    if version not in HEADERS:
        raise ValueError(f"{name} is of version {version} of the format")
    shape, fortran_order, dtype = HEADERS[version](stored)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects")
    expected = math.prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape) or expected != size - stored.tell():
        raise ValueError(f"the header of {name} says {expected} bytes, {size - stored.tell()} are there")
    content = bytearray(expected)
    if stored.readinto(content) != expected or stored.read(1):  # type: ignore[attr-defined]
        raise ValueError(f"{name} does not end where its header says")
    return np.ndarray(shape, dtype, content, order="F" if fortran_order else "C")
