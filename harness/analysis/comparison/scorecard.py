"""A cell's RMSE against that of an opponent, variable by variable and lead time by lead time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.cells import Cell
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import for_skill, rmse_deviation
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.quantities.skill import MODEL, by_variable, scores_of
from harness.analysis.summaries import ScoreKey

Outcome = Literal["better", "worse", "equivalent", "undecided", "not finite"]
PERSISTENCE = "persistence"


@dataclass(frozen=True)
class Opponent:
    """What a cell is compared with: the model of its baseline, or a reference forecast of its own launches."""

    cell: Cell
    forecaster: str


@dataclass(frozen=True)
class Entry:
    """The mean of RMSE / RMSE of the opponent - 1 over paired launches; None where no pair is finite.

    `blown_up` says that it is None because the cell's own RMSE is infinite or NaN.
    """

    key: ScoreKey
    deviation: Quantity | None
    blown_up: bool = False

    @property
    def significant(self) -> bool:
        """Whether the 90 % interval leaves out 0."""
        found = self.deviation
        return (
            found is not None and found.low is not None and found.high is not None and not found.low <= 0 <= found.high
        )

    @property
    def outcome(self) -> Outcome:
        """`equivalent` where the interval lies within +-5 %, else `better` or `worse` where it leaves out 0."""
        if self.deviation is None or self.deviation.value is None:
            return "not finite" if self.blown_up else "undecided"
        if self.deviation.verdict == "equivalent":
            return "equivalent"
        if not self.significant:
            return "undecided"
        return "better" if self.deviation.value < 0 else "worse"


def opponents(comparison: Comparison) -> tuple[Opponent, ...]:
    """The baseline, where there is another cell that may be compared, and persistence, where that was scored."""
    cell, baseline = comparison.cell, for_skill(comparison)
    found = [Opponent(baseline.baseline, MODEL)] if baseline.fair and baseline.baseline else []
    scores = scores_of(cell)
    if any(scores.rmse(PERSISTENCE, key).values for key in scores.keys):
        found.append(Opponent(cell, PERSISTENCE))
    return tuple(found)


def entries(cell: Cell, opponent: Opponent) -> Sequence[Entry]:
    """All that the cell was scored for and that the opponent was scored for, or that blew up."""
    scores, theirs = scores_of(cell), scores_of(opponent.cell)
    found = []
    for key in by_variable(scores.keys):
        deviation = rmse_deviation(cell, opponent.cell, key, opponent.forecaster)
        blown_up = scores.not_finite(MODEL, key) is not None
        if deviation is not None or (blown_up and key in theirs.keys):
            found.append(Entry(key, deviation, blown_up))
    return found
