"""The scan of an archive, kept in the user's cache folder for as long as its files stay as they are.

A file stays as it is while its path, its size and its modification time (ns) do. Of a Zarr store that is asked of every
file of the arrays that are read and of those beside them: a chunk is rewritten in place, which neither the metadata nor
the time of the folder tells. The status of a file costs microseconds, reading it milliseconds.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from harness.cache import keep, recall
from harness.data.checks import Scan
from harness.data.config import ArchiveConfig
from harness.data.files import is_zarr, unreadable
from harness.data.locations import Location, below, status
from harness.data.value_ranges import Extremes
from harness.data.variables import Variable

VERSION = 5
"""Part of the name of a kept scan; raise it when the same files and mapping give another mask or fingerprint."""

SETTLED_NS = 2_000_000_000
"""A file that was changed later than this before it was opened may change again without another time to show for it."""

_DECODERS = ("numpy", "xarray", "netCDF4", "zarr", "cftime")
_WITHOUT_EFFECT = {"description", "model_overrides", "splits"}


@dataclass(frozen=True)
class Stamp:
    """State of all files that an archive is read from: a SHA-256 (hex) and the latest modification time."""

    digest: str
    newest_ns: int


def kept_scan(
    config: ArchiveConfig, variables: Sequence[Variable], stamp: Stamp, opened_ns: int, scan: Callable[[], Scan]
) -> Scan:
    """What `scan` finds, from the cache if the files of `variables`, of this stamp, are those that it was kept for.

    It is kept if no file changed meanwhile, nor shortly before the archive was opened at `opened_ns` of the clock.
    """
    name = _name(config, stamp)
    columns = len(variables[0].pieces[0].longitude)
    extremes = [field.name for field in fields(Extremes)]
    kept = recall(name, ("mask", "valid_steps", "fingerprint", *extremes))
    if kept is not None:
        mask = np.unpackbits(kept["mask"], axis=-1, count=columns).astype(bool)
        known = Extremes(**{each: kept[each] for each in extremes})
        return Scan(mask, kept["valid_steps"], str(kept["fingerprint"]), known)
    found = scan()
    if stamp.newest_ns + SETTLED_NS < opened_ns and read_stamp(variables) == stamp:
        mask = np.packbits(found.mask, axis=-1)
        fingerprint = np.array(found.fingerprint)
        found_steps = {"mask": mask, "valid_steps": found.valid_steps, "fingerprint": fingerprint}
        keep(name, found_steps | vars(found.extremes))
    return found


def read_stamp(variables: Sequence[Variable]) -> Stamp:
    """The state of the files of `variables` now."""
    read: dict[Location, set[str]] = {}
    for variable in variables:
        for piece in variable.pieces:
            arrays = {str(array.name) for array in piece.arrays} | {str(name) for name in piece.arrays[0].coords}
            read.setdefault(piece.path.resolve(), set()).update(arrays)
    digest, newest_ns = hashlib.sha256(), 0
    for path in sorted(read):
        try:
            for file in _files(path, read[path]):
                now = status(file)
                digest.update(os.fsencode(f"{file}\0{now.size}\0{now.identity}\0{now.changed_ns}\0"))
                unknown = now.changed_ns < 0 and not now.identity
                newest_ns = max(newest_ns, time.time_ns() if unknown else now.changed_ns)
        except OSError as error:
            raise unreadable(path, error) from error
    return Stamp(digest.hexdigest(), newest_ns)


def _files(path: Location, arrays: set[str]) -> Iterator[Location]:
    """`path` itself, or of a Zarr store the files at its top and all those of some arrays, in order."""
    if not is_zarr(path):
        yield path
        return
    yield from sorted(entry for entry in path.iterdir() if entry.is_file())
    for array in sorted(arrays):
        yield from below(path / array)


def _name(config: ArchiveConfig, stamp: Stamp) -> str:
    decoders = [f"{package} {_version(package)}" for package in _DECODERS]
    said = config.model_dump_json(exclude=_WITHOUT_EFFECT)
    key = hashlib.sha256(json.dumps([VERSION, decoders, said, stamp.digest]).encode())
    return f"scan-{key.hexdigest()[:32]}"


def _version(package: str) -> str:
    """Zarr is not everywhere."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
