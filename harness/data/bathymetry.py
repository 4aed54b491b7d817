"""A sea floor with continents: a seeded sum of spherical harmonics, the same at every resolution."""

import numpy as np

from harness.data.waves import Array, cell_centres, normalised_legendre

DEEPEST_M = 4000.0
HIGHEST_M = 3000.0

_DEGREES = range(1, 9)
_REFERENCE_GRID = (90, 180)


def topography_m(seed: int, land_fraction: float, latitude: Array, longitude: Array) -> Array:
    """Height above the sea (H, W) in metres, negative at sea; `land_fraction` of the sphere's area is land.

    The lowest and highest point of a 2-degree grid are DEEPEST_M below and HIGHEST_M above the sea.
    """
    reference = cell_centres(_REFERENCE_GRID)
    relief = _relief(seed, *reference)
    area = np.broadcast_to(np.cos(np.radians(reference[0]))[:, None], relief.shape).ravel()
    order = np.argsort(relief, axis=None)
    share_below = np.cumsum(area[order]) / area.sum()
    last_wet = min(int(np.searchsorted(share_below, 1.0 - land_fraction)), relief.size - 1)
    sea_level = float(relief.ravel()[order[last_wet]])
    height = _relief(seed, latitude, longitude) - sea_level
    below, above = sea_level - relief.min(), relief.max() - sea_level
    scale = np.where(height > 0, HIGHEST_M / (above or 1.0), DEEPEST_M / below)
    return np.asarray(height * scale)


def _relief(seed: int, latitude: Array, longitude: Array) -> Array:
    """A sum of harmonics (H, W) whose amplitudes fall with the degree."""
    rng = np.random.default_rng([seed, 1])
    east_rad = np.radians(longitude)
    total = np.zeros((len(latitude), len(longitude)))
    for degree in _DEGREES:
        for order in range(degree + 1):
            cosine, sine = rng.normal(size=2) / degree
            wave = cosine * np.cos(order * east_rad) + sine * np.sin(order * east_rad)
            total += np.multiply.outer(normalised_legendre(degree, order, latitude), wave)
    return total
