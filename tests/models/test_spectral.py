import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.models.fourcastnet import Network, check_grid
from harness.models.operators.spectral import factors, plane_matrices, sequence_matrices

SIDE = st.integers(min_value=1, max_value=24)
ROUNDING = 5e-6
"""The matrices are float32 with up to 24 x 24 terms in a sum; the inputs are of order 1."""


@st.composite
def kept(draw):
    """A token grid and any rows and leading columns of its half spectrum."""
    h, w = draw(SIDE), draw(SIDE)
    first = draw(st.integers(0, h - 1))
    return (h, w), range(first, draw(st.integers(first + 1, h))), range(draw(st.integers(1, w // 2 + 1)))


def analyse(matrices, x, modes):
    h = len(x)
    along_columns = (matrices.columns @ x.T).reshape(modes, 2 * h)
    parts = (along_columns @ matrices.rows.T).reshape(modes, 2, -1)
    return (parts[:, 0] + 1j * parts[:, 1]).T


def synthesise(matrices, spectrum):
    parts = np.stack([spectrum.T.real, spectrum.T.imag], axis=1).reshape(spectrum.shape[1], -1)
    along_rows = parts @ matrices.unrows.T
    return (matrices.uncolumns @ along_rows.reshape(2 * spectrum.shape[1], -1)).T


@given(kept(), st.integers(0, 99))
def test_the_kept_part_is_that_of_rfft2(kept, seed):
    token_grid, rows, columns = kept
    x = np.random.default_rng(seed).standard_normal(token_grid)
    expected = np.fft.rfft2(x, norm="ortho")[rows.start : rows.stop, : len(columns)]
    np.testing.assert_allclose(analyse(plane_matrices(*kept), x, len(columns)), expected, atol=ROUNDING)


@given(kept(), st.integers(0, 99))
def test_the_inverse_is_irfft2_with_zeros_elsewhere(kept, seed):
    (h, w), rows, columns = kept
    random = np.random.default_rng(seed)
    spectrum = random.standard_normal((len(rows), len(columns))) + 1j * random.standard_normal(
        (len(rows), len(columns))
    )
    full = np.zeros((h, w // 2 + 1), dtype=complex)
    full[rows.start : rows.stop, : len(columns)] = spectrum
    expected = np.fft.irfft2(full, s=(h, w), norm="ortho")
    np.testing.assert_allclose(synthesise(plane_matrices(*kept), spectrum), expected, atol=ROUNDING)


@pytest.mark.parametrize(
    ("grid", "patch", "fraction", "rows", "columns"),
    [
        ((720, 1440), 8, 1.0, range(90), range(46)),
        ((33, 36), 3, 1.0, range(11), range(6)),
        ((64, 24), 2, 1.0, range(32), range(7)),
        ((20, 24), 2, 0.5, range(3, 9), range(3)),
        ((14, 18), 2, 0.5, range(2, 6), range(2)),
    ],
    ids=["paper: 46 of 91 columns", "odd rows", "tall: all columns", "half of six", "half of four, odd rows"],
)
def test_the_modes_that_pass_are_those_of_the_reference(grid, patch, fraction, rows, columns):
    network = Network(patch_size=patch, embed_dim=8, depth=1, hard_thresholding_fraction=fraction)
    assert network.kept_modes(grid) == (rows, columns)


def test_a_patch_that_does_not_divide_is_refused_with_those_that_do():
    with pytest.raises(UserError, match=r"patch_size 4 does not divide the grid 33x36; sizes that do: 1, 3$"):
        check_grid(Network(patch_size=4, embed_dim=8, depth=1), (33, 36))


def test_a_fraction_that_keeps_nothing_is_refused():
    with pytest.raises(UserError, match=r"hard_thresholding_fraction 0\.1 keeps no Fourier mode"):
        check_grid(Network(patch_size=4, embed_dim=8, depth=1, hard_thresholding_fraction=0.1), (32, 64))


def test_blocks_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="num_blocks 8 does not divide embed_dim 20"):
        Network(patch_size=4, embed_dim=20, depth=1)


def modes_of_sequence(w, h):
    """The mode of rfft that column k and row j of a sequence's transform hold."""
    mode = np.arange(w // 2 + 1)[:, None] + w * np.arange(h)
    return np.where(2 * mode > w * h, w * h - mode, mode)


@given(st.integers(1, 16), st.integers(1, 16), st.integers(0, 99))
def test_a_sequence_in_two_stages_is_that_of_rfft_and_back(w, h, seed):
    matrices, x = sequence_matrices(w, h), np.random.default_rng(seed).standard_normal(w * h)
    columns = (matrices.columns @ x.reshape(w, h)).reshape(-1, 2 * h)
    parts = np.einsum("kab,kb->ka", matrices.rows, columns)
    spectrum = np.fft.rfft(x, norm="ortho")[modes_of_sequence(w, h)]
    np.testing.assert_allclose(parts, np.concatenate([spectrum.real, spectrum.imag], axis=1), atol=ROUNDING)
    columns = np.einsum("kab,kb->ka", matrices.unrows, parts).reshape(-1, h)
    np.testing.assert_allclose((matrices.uncolumns @ columns).ravel(), x, atol=ROUNDING)


@given(st.integers(1, 16), st.integers(1, 16), st.integers(0, 99))
def test_the_inverse_of_a_sequence_is_irfft(w, h, seed):
    random, modes = np.random.default_rng(seed), w * h // 2 + 1
    spectrum = random.standard_normal(modes) + 1j * random.standard_normal(modes)
    placed, matrices = spectrum[modes_of_sequence(w, h)], sequence_matrices(w, h)
    columns = np.einsum("kab,kb->ka", matrices.unrows, np.concatenate([placed.real, placed.imag], axis=1))
    expected = np.fft.irfft(spectrum, n=w * h, norm="ortho")
    np.testing.assert_allclose((matrices.uncolumns @ columns.reshape(-1, h)).ravel(), expected, atol=2 * ROUNDING)


@pytest.mark.parametrize(("length", "plane"), [(1, (1, 1)), (97, (97, 1)), (128, (16, 8)), (16200, (180, 90))])
def test_a_sequence_lies_on_the_plane_with_the_fewest_products(length, plane):
    assert factors(length) == plane
