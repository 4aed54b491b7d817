"""Levels of a variable: taken as the files have them, or interpolated between the two around each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.text import listed

LevelMethod = Literal["exact", "interpolate"]

TOLERANCE = 1e-3
"""How far a level may be from that of the file and still be the same, in its units."""


@dataclass(frozen=True)
class LevelPlan:
    """Which N levels of a file to read and how L levels follow from them.

    Level k is `read[lower[k]]`, moved by `upper_weight[k]` of the way to `read[upper[k]]`.
    """

    read: tuple[int, ...]
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    upper_weight: NDArray[np.float32]

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """(n, N, H, W) as read to (n, L, H, W); NaN where a level that takes part is NaN."""
        lower = values[:, self.lower]
        if not self.upper_weight.any():
            return lower
        return lower + self.upper_weight[:, None, None] * (values[:, self.upper] - lower)


def plan_levels(offered: NDArray[np.float64], wanted: Sequence[float], method: LevelMethod, place: str) -> LevelPlan:
    """How to make the levels `wanted` from those `offered`, in any order.

    Raises UserError, beginning with `place`, where a level is missing or lies outside those offered.
    """
    order = np.argsort(offered)
    rising = offered[order]
    lower, upper, weight = [], [], []
    for level in wanted:
        nearest = int(np.abs(rising - level).argmin())
        if abs(rising[nearest] - level) <= TOLERANCE:
            below, above = nearest, nearest
        elif method == "exact":
            text = listed((f"{each:g}" for each in offered), most=40)
            raise UserError(f"{place} lacks a level of {list(wanted)}, it has {text}")
        elif not rising[0] < level < rising[-1]:
            reach = f"{rising[0]:g} to {rising[-1]:g}"
            raise UserError(f"{place} has levels from {reach}: level {level:g} would have to be extrapolated")
        else:
            above = int(np.searchsorted(rising, level))
            below = above - 1
        lower.append(order[below])
        upper.append(order[above])
        weight.append(0.0 if above == below else (level - rising[below]) / (rising[above] - rising[below]))
    read = sorted({int(index) for index in (*lower, *upper)})
    return LevelPlan(
        tuple(read), np.searchsorted(read, lower), np.searchsorted(read, upper), np.array(weight, dtype=np.float32)
    )
