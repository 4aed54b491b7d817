"""Where land is, for scores of land and sea: from a static field that says so, or from the truth of an ocean."""

import numpy as np
from numpy.typing import NDArray

from harness.data.source import Source
from harness.errors import UserError

NAMES = ("lsm", "land_sea_mask")
"""Static fields of these names are a land-sea mask: the part of a cell that is land."""

DEPTH_UNITS = ("m", "cm", "km", "dbar")
HALF = 0.5
"""Of a cell above which it counts as land, as in ECMWF's land-sea mask."""


def land_of(source: Source) -> NDArray[np.bool_] | None:
    """Where land is (H, W); None where the data do not say.

    A static field named `lsm` or `land_sea_mask` says it. Without one, land of data with depths is where no channel has
    values. Raises UserError where such a field holds other values than fractions from 0 to 1, or says land where most
    of an ocean's values are: files of oceans often have masks that are 1 on the sea.
    """
    has_depths = any(channel.level_units in DEPTH_UNITS for channel in source.channel_info)
    for name in NAMES:
        if name not in source.statics:
            continue
        fraction = source.read_statics()[source.statics.index(name)]
        low, high = float(fraction.min()), float(fraction.max())
        if low < 0 or high > 1:
            raise UserError(
                f"static field {name!r} has values from {low:g} to {high:g}, and a land-sea mask is a fraction from 0 "
                "to 1: correct its units in the mapping or give it another name"
            )
        found: NDArray[np.bool_] = fraction > HALF
        wet = source.mask.any(axis=0)
        if has_depths and 2 * (found & wet).sum() > wet.sum():
            raise UserError(
                f"static field {name!r} says land at {(found & wet).sum():,} of the {wet.sum():,} points where depths "
                "have values: it is 1 on the sea; leave it out, as land is then where no channel has values"
            )
        return found
    if has_depths:
        return ~source.mask.any(axis=0)
    return None
