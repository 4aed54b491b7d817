"""Real Fourier transforms as matrices, in NumPy, so that a framework needs nothing but matrix products.

Every transform runs over tokens on a plane of w columns, then h rows, and gives K x R modes. Real and imaginary parts
are rows of real matrices:

    columns  (2K, w)   fields to (K, real | imaginary) of every row
    rows     (2R, 2h)  (real | imaginary, h) to (real | imaginary, R), the same for all K columns or one for each
    unrows   (2h, 2R)  back
    uncolumns (w, 2K)  back to real fields
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


REAL_FORM = np.array([[1, 0], [0, 1], [0, -1], [1, 0]], dtype=np.float32)
"""Times (real, imaginary) of a complex matrix w: the parts wr, wi, -wi, wr of the real [[wr, wi], [-wi, wr]]."""


class TransformMatrices(NamedTuple):
    """Float32 matrices, computed in float64; rows and unrows of a sequence have a leading axis of K."""

    columns: Matrix
    rows: Matrix
    unrows: Matrix
    uncolumns: Matrix


def plane_matrices(token_grid: tuple[int, int], kept_rows: range, kept_columns: range) -> TransformMatrices:
    """`rfft2(norm="ortho")` on a grid of h rows and w columns, its kept rows and columns, and the inverse.

    As in `irfft`, imaginary parts of the zeroth and Nyquist column drop out.
    """
    h, w = token_grid
    along_w = 2 * np.pi * np.outer(kept_columns, np.arange(w)) / w
    along_h = 2 * np.pi * np.outer(kept_rows, np.arange(h)) / h
    cos_w, sin_w = np.cos(along_w) / np.sqrt(w), np.sin(along_w) / np.sqrt(w)
    cos_h, sin_h = np.cos(along_h) / np.sqrt(h), np.sin(along_h) / np.sqrt(h)

    modes = np.asarray(kept_columns)
    own_conjugate = (modes == 0) | (2 * modes == w)
    multiplicity = np.where(own_conjugate, 1.0, 2.0)[:, None]

    columns = np.stack([cos_w, -sin_w], axis=1).reshape(2 * len(modes), w)
    uncolumns = np.stack([multiplicity * cos_w, -multiplicity * sin_w], axis=1).reshape(2 * len(modes), w).T
    rows = np.block([[cos_h, sin_h], [-sin_h, cos_h]])
    return _float32(columns, rows, rows.T, uncolumns)


def factors(length: int) -> tuple[int, int]:
    """Columns w and rows h of the plane on which a sequence is transformed with the fewest products.

    A value takes 2 w products in the first stage, where the input is real, and 4 h in the second.
    """
    pairs = [(length // h, h) for h in range(1, length + 1) if length % h == 0]
    return min(pairs, key=lambda pair: 2 * pair[0] + (4 * pair[1] if pair[1] > 1 else 0))


def sequence_matrices(w: int, h: int) -> TransformMatrices:
    """`rfft(norm="ortho")` along a sequence of n = w h tokens in two stages, and the inverse.

    Token h c + r lies in column c and row r of the plane. Column k and row j of the result hold mode f = k + w j for
    k <= w // 2, as the conjugate of mode n - f where f is above n / 2. The modes of column 0, and of column w / 2, come
    twice, as f and n - f, and count half in the inverse.
    """
    length = w * h
    column = np.arange(w // 2 + 1)
    along_w = 2 * np.pi * np.outer(column, np.arange(w)) / w
    mode = column[:, None] + w * np.arange(h)
    along_h = 2 * np.pi * (mode[:, :, None] * np.arange(h) % length) / length
    cos_h, sin_h = np.cos(along_h) / np.sqrt(h), np.sin(along_h) / np.sqrt(h)
    sign = np.where(2 * mode > length, -1.0, 1.0)[:, :, None]
    own_conjugate = 2 * mode % length == 0
    twice = ((column == 0) | (2 * column == w))[:, None]
    multiplicity = np.where(own_conjugate | twice, 1.0, 2.0)

    columns = np.stack([np.cos(along_w), -np.sin(along_w)], axis=1).reshape(2 * len(column), w) / np.sqrt(w)
    rows = np.block([[cos_h, sin_h], [-sign * sin_h, sign * cos_h]])
    unrows = (rows * np.concatenate([multiplicity, multiplicity], axis=1)[:, :, None]).transpose(0, 2, 1)
    return _float32(columns, rows, unrows, columns.T)


def _float32(*matrices: NDArray[np.float64]) -> TransformMatrices:
    return TransformMatrices(*(np.ascontiguousarray(matrix, dtype=np.float32) for matrix in matrices))
