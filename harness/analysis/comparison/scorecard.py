"""A cell's RMSE against that of an opponent, variable by variable and lead time by lead time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.cells import Cell
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import BLEW_UP, OTHER_BLEW_UP, for_skill, rmse_deviation, why_no_deviation
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.quantities.skill import MODEL, by_variable, scores_of
from harness.analysis.summaries import ScoreKey

Outcome = Literal["better", "worse", "equivalent", "undecided", "not finite", "opponent not finite", "no ratio"]
PERSISTENCE = "persistence"
WITHOUT_DEVIATION: Mapping[str, Outcome] = {BLEW_UP: "not finite", OTHER_BLEW_UP: "opponent not finite"}
"""What it is called for some reasons that there is none."""


@dataclass(frozen=True)
class Opponent:
    """What a cell is compared with: the model of its baseline, or a reference forecast of its own launches."""

    cell: Cell
    forecaster: str


@dataclass(frozen=True)
class Entry:
    """The mean of RMSE / RMSE of the opponent - 1 over paired launches; None for the reason that `missing` gives."""

    key: ScoreKey
    deviation: Quantity | None
    missing: str | None = None

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
            return WITHOUT_DEVIATION.get(self.missing or "", "no ratio")
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
    """All that the cell was scored for, where the opponent was scored for any of it; else none."""
    scores, theirs = scores_of(cell), scores_of(opponent.cell)
    if not set(scores.keys) & set(theirs.keys):
        return ()
    return [_entry(cell, opponent, key) for key in by_variable(scores.keys)]


def _entry(cell: Cell, opponent: Opponent, key: ScoreKey) -> Entry:
    of = cell, opponent.cell, key, opponent.forecaster
    return Entry(key, rmse_deviation(*of), why_no_deviation(*of))
