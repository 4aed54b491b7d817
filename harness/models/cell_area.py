"""Areas of the cells of a grid of latitude rows and longitude columns, as the weights of scores and losses."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def latitude_weights(latitude: NDArray[np.float64]) -> Array:
    """Area of each row (H,), mean 1: sin(upper bound) - sin(lower bound).

    Bounds lie halfway between rows and, at the ends, as far outside as inside, clipped to +-90 degrees. Rows may run
    in either direction.
    """
    if len(latitude) < 2:
        return np.ones(len(latitude))
    halfway = (latitude[1:] + latitude[:-1]) / 2
    first, last = 2 * latitude[0] - halfway[0], 2 * latitude[-1] - halfway[-1]
    bounds = np.clip(np.concatenate([[first], halfway, [last]]), -90.0, 90.0)
    area = np.abs(np.diff(np.sin(np.radians(bounds))))
    return area / area.mean()


def longitude_weights(longitude: NDArray[np.float64]) -> Array:
    """Width of each column (W,), mean 1, exactly 1 where they are even up to the rounding of float32.

    Bounds lie halfway between columns. The first and the last column share a bound where the grid goes round the globe;
    elsewhere theirs lie as far outside as inside. Columns may run in either direction and cross any meridian.
    """
    count = len(longitude)
    if count < 2:
        return np.ones(count)
    steps = np.mod(np.diff(longitude), 360.0)
    steps = np.where(steps > 180.0, 360.0 - steps, steps)
    rest = 360.0 - steps.sum()
    round_the_globe = 0 < rest < 1.5 * steps.max()
    around = np.concatenate([[rest], steps, [rest]] if round_the_globe else [steps[:1], steps, steps[-1:]])
    width = (around[1:] + around[:-1]) / 2
    rounding = 8 * np.finfo(np.float32).eps * max(1.0, float(np.abs(longitude).max()))
    if np.ptp(width) <= rounding:
        return np.ones(count)
    return width / width.mean()
