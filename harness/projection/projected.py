"""The type of what is projected: nothing that takes a measurement takes it, and it never becomes text or a number."""

from dataclasses import dataclass
from typing import NoReturn

REFUSAL = "a projection is no measurement: it stands in the table and the figure of projections alone"


@dataclass(frozen=True, slots=True)
class Projected:
    """A projected quantity in `unit`, between `low` and `high`; `point` None where only the bounds are known.

    `basis` says on which records it rests and how far a projection was off where one could be checked.
    """

    what: str
    unit: str
    point: float | None
    low: float | None
    high: float | None
    basis: str

    def __str__(self) -> NoReturn:
        raise TypeError(REFUSAL)

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError(REFUSAL)

    def __float__(self) -> NoReturn:
        raise TypeError(REFUSAL)


def within(
    what: str, unit: str, point: float, factor: float, basis: str, *, no_higher: float | None = None
) -> Projected:
    """A point with an interval of a factor to either side, whose lower end is no higher than a value, if given."""
    low = point / factor
    return Projected(what, unit, point, low if no_higher is None else min(low, no_higher), point * factor, basis)
