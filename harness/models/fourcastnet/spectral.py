"""The truncated two-dimensional real Fourier transform as four matrices, in NumPy.

A token grid of h rows and w columns, R kept rows and K kept columns of its `rfft2(norm="ortho")`. Real and imaginary
parts are rows of real matrices, so that a framework needs nothing but matrix products:

    columns  (2K, w)   fields to (K, real | imaginary) of every row
    rows     (2R, 2h)  (real | imaginary, h) to (real | imaginary, R), for each of the K columns
    unrows   (2h, 2R)  back
    uncolumns (w, 2K)  back to real fields; as in `irfft`, imaginary parts of the zeroth and Nyquist column drop out
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


REAL_FORM = np.array([[1, 0], [0, 1], [0, -1], [1, 0]], dtype=np.float32)
"""Times (real, imaginary) of a complex matrix w: the parts wr, wi, -wi, wr of the real [[wr, wi], [-wi, wr]]."""


class TransformMatrices(NamedTuple):
    """Float32 matrices, computed in float64."""

    columns: Matrix
    rows: Matrix
    unrows: Matrix
    uncolumns: Matrix


def transform_matrices(token_grid: tuple[int, int], kept_rows: range, kept_columns: range) -> TransformMatrices:
    """The matrices of the transform that keeps these rows and columns of the spectrum, and of its inverse."""
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
    return TransformMatrices(*(np.ascontiguousarray(m, dtype=np.float32) for m in (columns, rows, rows.T, uncolumns)))
