"""What the npz files beside a record share: how they are written, read and refused."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.files import write_atomically
from harness.npz import DAMAGE, read_arrays
from harness.results.checks import MOST_LEAD_H

Arrays = Mapping[str, NDArray[Any]]
T = TypeVar("T")

TEXT, INTEGER, NUMBER = "U", "iu", "iuf"
"""Kinds of arrays, as NumPy's `dtype.kind` has them."""

MOST_DEGREES = 1e4
MOST_POINTS = 10**6
MOST_SAMPLES = 10**9


def save(path: Path, content: object) -> None:
    """Write the fields of a dataclass; raises what `write_atomically` raises."""
    file = BytesIO()
    np.savez_compressed(file, **vars(content))
    write_atomically(path, file.getvalue())


def load(path: Path, kind: type[T], make: Callable[[Arrays], T], most_bytes: int) -> T:
    """What `make` makes of the arrays that have the names of the fields of a dataclass.

    Raises UserError where the file cannot be read, and where `make` raises one of DAMAGE.
    """
    try:
        return make(read_arrays(path, [field.name for field in fields(kind)], most_bytes))  # type: ignore[arg-type]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise UserError(f"{path}: damaged: {error}; remove it or run that launch again") from None


def check_kinds(content: Arrays, expected: Mapping[str, tuple[str, int]]) -> None:
    """Raise ValueError where an array is not of the kind and the number of dimensions that are expected of its name."""
    for name, (kind, dimensions) in expected.items():
        array = content[name]
        if array.dtype.kind not in kind:
            raise ValueError(f"{name} holds {array.dtype}")
        if array.ndim != dimensions:
            raise ValueError(f"{name} has {array.ndim} dimensions, expected {dimensions}")


def check_shapes(content: object, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError where a field has another shape, or one without an element."""
    for name, shape in expected.items():
        found = np.shape(getattr(content, name))
        if found != shape or 0 in shape:
            raise ValueError(f"{name} has the shape {found}, expected {shape} and no 0")


def check_grid(latitude: NDArray[np.float64], longitude: NDArray[np.float64], stride: int) -> None:
    """Raise ValueError where coordinates in degrees are not finite and different, or `stride` is no number of rows."""
    for name, values in (("latitude", latitude), ("longitude", longitude)):
        if not (np.abs(values) <= MOST_DEGREES).all() or len(set(values)) < len(values):
            raise ValueError(f"{name} is not all finite and different, at most {MOST_DEGREES:g} degrees")
    if not 1 <= stride <= MOST_POINTS:
        raise ValueError("stride is no number of rows and columns")


def check_leads(lead_h: NDArray[np.float64], samples: NDArray[np.int64]) -> None:
    """Raise ValueError where lead times in hours do not rise or are too long, or numbers of samples are none."""
    if not ((lead_h >= 0) & (lead_h <= MOST_LEAD_H)).all() or (np.diff(lead_h) <= 0).any():
        raise ValueError(f"lead_h does not rise from 0 or more to at most {MOST_LEAD_H:g} h")
    if not ((samples >= 1) & (samples <= MOST_SAMPLES)).all():
        raise ValueError("samples is no number of samples")
