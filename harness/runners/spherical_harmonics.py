"""The power of global fields by total wavenumber: the degree n of the spherical harmonics Y_n^m that they are made of.

Harmonics are scaled to mean square 1 over the sphere. The power at degree n is the sum of |a_n^m|^2 over the orders
m = -n..n, so that over all degrees it adds up to the mean square over the sphere of a field that the degrees hold.

Along circles of latitude a field is a Fourier series. Along meridians each of its terms is a sum of cos(k theta) where
its order m is even and of sin(k theta) where m is odd, theta being the colatitude. The rows of a grid therefore give
its values at Gauss-Legendre latitudes, where the integrals of products of two harmonics are exact. Both steps are exact
up to the highest degree that the grid resolves; this is the reach of SPHEREPACK's transforms of evenly spaced rows
(Adams and Swarztrauber 1999), not the half of it that weights on the rows themselves would give.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.special import roots_legendre

Array = NDArray[np.float64]

HIGHEST_DEGREE = 1900
"""Beyond it the functions of high order and degree underflow in float64 (Holmes and Featherstone 2002)."""

ORDERS_AT_ONCE = 16
"""Whose Legendre functions are held: 33 MB on 721 rows."""

POLE_DEGREES = 1e-4
"""From a pole: a row that is nearer lies on it."""


class SphericalHarmonics:
    """The harmonics that a grid from pole to pole resolves, of the degrees 0 to `highest`.

    `highest` is less than the number of rows, at most that of the rows off the poles, and less than half that of the
    columns: 719 on 721 rows with poles by 1440 columns, 31 on 32 rows without by 64.
    """

    def __init__(self, latitude: Array, columns: int) -> None:
        count = len(latitude)
        off_the_poles = int((np.abs(latitude) < 90.0 - POLE_DEGREES).sum())
        self.highest = min(count - 1, off_the_poles, (columns - 1) // 2, HIGHEST_DEGREE)
        nodes, weights = roots_legendre(count + count % 2)
        self._northern_sine = nodes[len(nodes) // 2 :]
        rows, targets = np.radians(90.0 - latitude), np.arccos(nodes)
        waves = (np.cos, np.arange(count)), (np.sin, np.arange(1, off_the_poles + 1))
        self._to_nodes = [
            weights[:, None] / 2 * _interpolation(wave(np.outer(rows, k)), wave(np.outer(targets, k)))
            for wave, k in waves
        ]

    def power(self, fields: NDArray[np.floating]) -> Array:
        """Power (F, highest + 1) by degree of fields (F, H, W), in their units squared; NaN where one is."""
        count, rows, _ = fields.shape
        waves = np.empty((rows, self.highest + 1, count), np.complex128)
        found = np.zeros((self.highest + 1, count))
        with np.errstate(invalid="ignore", over="ignore"):
            for number, field in enumerate(fields):
                waves[..., number] = rfft(field.astype(np.float64), norm="forward")[:, : self.highest + 1]
            for first in range(0, self.highest + 1, ORDERS_AT_ONCE):
                orders = np.arange(first, min(first + ORDERS_AT_ONCE, self.highest + 1))
                northern, southern = self._at_nodes(waves.view(np.float64)[:, orders])
                functions = legendre(orders, self.highest, self._northern_sine)
                for number, order in enumerate(orders):
                    north, south, own = northern[:, number], southern[:, number], functions[number:, number]
                    even, odd = own[0::2] @ (north + south), own[1::2] @ (north - south)
                    for degree, coefficients in ((order, even), (order + 1, odd)):
                        squares = np.square(coefficients).reshape(-1, count, 2).sum(axis=2)
                        found[degree::2] += squares if order == 0 else 2 * squares
        return found.T

    def _at_nodes(self, waves: Array) -> tuple[Array, Array]:
        """Waves (H, M, N) of consecutive orders, the first one even, at northern nodes and at their southern images.

        Each is (P, M, N), times the weights of the nodes.
        """
        rows, orders, count = waves.shape
        found = np.empty((2 * len(self._northern_sine), orders, count))
        for parity, matrix in enumerate(self._to_nodes):
            found[:, parity::2] = (matrix @ waves[:, parity::2].reshape(rows, -1)).reshape(len(found), -1, count)
        half = len(self._northern_sine)
        return found[half:], found[:half][::-1]


def legendre(orders: NDArray[np.int64], highest: int, sine: Array) -> Array:
    """Associated Legendre functions (D, M, P) of consecutive orders (M,) at the sines of latitudes (P,) off the poles.

    Degrees run from the first of the orders to `highest`; a function is 0 where its degree is less than its order. The
    mean square over the sine from -1 to 1 is 1. From the recurrence over degrees of Holmes and Featherstone (2002, Eq.
    11 to 13).
    """
    degrees = np.arange(orders[0], highest + 1)[:, None]
    onwards = np.sqrt(np.maximum(4 * degrees**2 - 1, 1) / np.maximum(degrees**2 - orders**2, 1))
    back = onwards * np.sqrt(np.maximum((degrees - 1) ** 2 - orders**2, 0) / (4 * (degrees - 1) ** 2 - 1))
    growth = np.concatenate([[0.0], np.cumsum(np.log1p(0.5 / np.arange(1, highest + 1)))]) / 2
    sectoral = np.exp(growth[orders, None] + np.outer(orders, np.log1p(-np.square(sine))) / 2)
    found = np.zeros((len(degrees), len(orders), len(sine)))
    for number, own in enumerate(found):
        lower = min(number, len(orders))
        if number < len(orders):
            own[number] = sectoral[number]
        if number > 0:
            own[:lower] = found[number - 1, :lower] * sine * onwards[number, :lower, None]
        if number > 1:
            own[:lower] -= found[number - 2, :lower] * back[number, :lower, None]
    return found


def _interpolation(on_rows: Array, on_targets: Array) -> Array:
    """The matrix that gives sums of waves on the targets from those on the rows; each wave's values are a column."""
    return on_targets @ np.linalg.solve(on_rows.T @ on_rows, on_rows.T)
