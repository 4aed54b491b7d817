"""The fingerprint of an archive: the same for the same data, however they are stored and however many threads read.

It is `xxh3:` and the SHA-256 (hex) of, one after the other,

- names, units, grid and times, as `source.describe_for_digest` gives them,
- the XXH3-128 of every field of the channels, at each step in order, steps without values, too,
- the XXH3-128 of every static field,
- the XXH3-128 of every forcing that comes from files, at each step in order.

A field is hashed as its (H, W) values in float32, little-endian, row by row, with seed 0; each NaN is 0x7FC00000, and
a static field has 0 in its place. The 16 bytes of its XXH3-128 stand with the highest first, as the canonical form has
them.

So the threads that read hash, too. XXH3 tells fields apart that differ by accident, two of them with a chance of 1 in
2^128 to fail; it does not withstand someone who makes data to be taken for others, who could as well write another
fingerprint into a record. Fingerprints were SHA-256 (hex) of all values once, which takes as long as reading them.
"""

import hashlib

import numpy as np
import xxhash
from numpy.typing import NDArray

KIND = "xxh3:"
FIELD_BYTES = 16


class Fingerprint:
    """Takes all that makes a fingerprint, in its order; `str` gives that of what was taken so far."""

    def __init__(self, description: bytes) -> None:
        self._digest = hashlib.sha256(description)

    def add(self, digests: bytes) -> None:
        """Take what `field_digest` gives of the next fields, one after the other."""
        self._digest.update(digests)

    def __str__(self) -> str:
        return KIND + self._digest.hexdigest()


def field_digest(field: NDArray[np.float32]) -> bytes:
    """XXH3-128 of the values of a field (H, W), C-contiguous: `FIELD_BYTES` of them."""
    return xxhash.xxh3_128_digest(field.data)


def derived(fingerprint: str, changes: str) -> str:
    """The fingerprint of data that were made from those of `fingerprint` as `changes` says."""
    return KIND + hashlib.sha256(f"{fingerprint} {changes}".encode()).hexdigest()


def is_of_today(fingerprint: str | None) -> bool:
    """Whether the fingerprint of an archive is of this kind; one of another does not tell whether the data differ."""
    return fingerprint is not None and fingerprint.startswith(KIND)
