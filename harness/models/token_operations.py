"""The operators of the block that FourCastNet and AI-GOMS share: a spectral mixer and an MLP over tokens."""

import math
from typing import NamedTuple

from harness.models.activations import FLOAT32_BYTES
from harness.models.operations import (
    Layer,
    Layers,
    Operation,
    elementwise,
    gelu,
    moved,
    normalised,
    skip,
)


class Plane(NamedTuple):
    """A Fourier transform over `columns` x `rows` of tokens, of which kept_columns x kept_rows modes pass."""

    columns: int
    rows: int
    kept_columns: int
    kept_rows: int
    matrix_for_each_column: bool = False


def token_block(
    count: Layers, plane: Plane, samples: int, width: int, hidden: int, blocks: int, *, fast: bool
) -> tuple[Layer, ...]:
    """One block over all tokens of some samples; `fast` transforms them by an FFT in the place of matrices."""
    rows = samples * plane.columns * plane.rows
    values = rows * width
    modes = plane.kept_columns * plane.kept_rows * samples
    parts, size = 2 * modes * width, 2 * (width // blocks)
    there, back = _fast(plane, samples * width) if fast else _by_matrices(count, plane, samples * width)
    return (
        normalised(rows, width),
        *there,
        moved(parts),
        *(count.real_form(blocks, width // blocks) for _ in range(2)),
        count.mixer(blocks, modes, size),
        elementwise("relu", parts, parts, backward_reads=2 * parts),
        count.mixer(blocks, modes, size),
        elementwise("softshrink", parts, parts, backward_reads=2 * parts),
        moved(parts),
        *back,
        skip(values),
        skip(values),
        normalised(rows, width),
        count.linear(rows, width, hidden),
        gelu(rows * hidden),
        count.linear(rows, hidden, width),
        skip(values),
    )


def _by_matrices(count: Layers, plane: Plane, width: int) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    matrices = plane.kept_columns if plane.matrix_for_each_column else 1
    kept, columns = 2 * plane.kept_columns, plane.columns
    rows, given = 2 * plane.kept_rows, 2 * plane.rows
    there = (
        count.transform(1, kept, columns, plane.rows * width),
        count.transform(plane.kept_columns, rows, given, width, matrices),
    )
    back = (
        count.transform(plane.kept_columns, given, rows, width, matrices),
        count.transform(1, columns, kept, plane.rows * width),
    )
    return there, back


def _fast(plane: Plane, width: int) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """A real FFT of n values takes 2.5 n log2(n) operations, half of the complex one's 5 n log2(n) (Van Loan 1992)."""
    tokens = plane.columns * plane.rows
    values, spectrum = tokens * width, 2 * (plane.columns // 2 + 1) * plane.rows * width
    found = Operation(
        "spectral",
        "fft",
        round(2.5 * values * math.log2(max(tokens, 2))),
        FLOAT32_BYTES * (values + spectrum),
        launches=2,
    )
    layer = Layer((found,), (found,), keeps=False)
    return (layer,), (moved(2 * plane.kept_columns * plane.kept_rows * width), layer)
