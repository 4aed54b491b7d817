"""A number with all that must be known to show it: interval, unit, verdict, launches, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

from harness.analysis.cells import Cell
from harness.analysis.quantities.metrics import Kind
from harness.analysis.statistics import CONFIDENCE, summarise


class Quantity(NamedTuple):
    """A value in `unit` with the interval that holds it with probability `confidence`; None with the `reason`.

    `launches` are the numbers of the launches, or of the pairs of launches, that it is made of, and `sources` the cells
    that made them. There is no interval where they are too few. `verdict` is what a comparison says.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    launches: tuple[int, ...] = ()
    sources: tuple[Cell, ...] = ()
    verdict: str | None = None
    confidence: float = CONFIDENCE
    reason: str | None = None

    def told_of(self, *cells: Cell) -> "Quantity":
        """The same with these cells as its sources."""
        return self._replace(sources=cells)

    @property
    def number(self) -> int:
        """Of launches, or of pairs of launches."""
        return len(self.launches)

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return self.low is not None and self.high is not None

    @property
    def records(self) -> tuple[Path, ...]:
        """The records that it is made of, cell by cell."""
        return tuple(cell.by_launch[launch].path for cell in self.sources for launch in self.launches)


@dataclass
class Measured:
    """What the launches of a cell measured of one thing, by launch number, in `unit`.

    `kind` is that of a metric. `reason` says why launches have no value.
    """

    name: str
    title: str
    unit: str
    kind: Kind
    cell: Cell
    values: Mapping[int, float]
    reason: str | None = None

    @cached_property
    def median(self) -> Quantity:
        """The median over launches with its 95 % interval."""
        return median_over(self.values, self.unit, self.cell, self.reason)


def median_over(values: Mapping[int, float], unit: str, cell: Cell, reason: str | None = None) -> Quantity:
    """The median of values by launch number with its 95 % interval; none of no values.

    Shares are parts of a measured time. Of two parts the larger one is what the noise of times multiplies: the interval
    of a small share is that of the rest, turned round, and no share is above 1.
    """
    if not values:
        return Quantity(None, unit=unit, sources=(cell,), reason=reason)
    is_share = unit == "fraction"
    if is_share and median(values.values()) < 0.5 and max(values.values()) < 1:
        rest = summarise([1 - value for value in values.values()])
        low, high = (None if bound is None else 1 - bound for bound in (rest.high, rest.low))
        return Quantity(1 - rest.median, low, high, unit, tuple(values), (cell,))
    found = summarise(list(values.values()))
    high = min(found.high, 1.0) if is_share and found.high is not None else found.high
    return Quantity(found.median, found.low, high, unit, tuple(values), (cell,))
