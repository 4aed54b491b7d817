"""The scores of a cell by forecaster, variable and lead time, and what they say of each other."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from math import isfinite, isnan
from operator import lt
from typing import Literal, NamedTuple

from harness.analysis.cells import Cell
from harness.analysis.quantities.quantity import Measured, Quantity, median_over
from harness.analysis.statistics import paired
from harness.analysis.summaries import OTHER_SCORES, Place, ScoreKey
from harness.scenario.regions import Region

MODEL = "model"
REFERENCES = ("persistence", "climatology")
NOT_SCORED = "not scored"


class NotFinite(NamedTuple):
    """The launches whose RMSE is infinite or NaN, and the median of the others, if there are any."""

    infinite: tuple[int, ...]
    nan: tuple[int, ...]
    others: Quantity | None


class Better(NamedTuple):
    """In how many launches the model's RMSE is below that of a reference, of those that have both."""

    launches: int
    of: int

    @property
    def always(self) -> bool:
        """Whether it is so in every launch."""
        return self.launches == self.of


class CellScores:
    """The scores of a cell's launches; `launches` counts the scored ones, `keys` are what any of them scored.

    No score is of a forecast whose RMSE is infinite or NaN in any launch: a median of the other launches alone would
    call the forecast better than it is.
    `definition_of` holds the definitions that each launch follows, `definitions` all of them.
    """

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        scored = {launch: found.scores for launch, found in cell.summaries.items() if found.scores}
        self.launches = len(scored)
        self.definition_of = {launch: scores.definition for launch, scores in scored.items()}
        self.definitions = tuple(dict.fromkeys(self.definition_of.values()))
        self._rmse: dict[Place, dict[int, float]] = defaultdict(dict)
        self._not_finite: dict[Place, dict[int, float]] = defaultdict(dict)
        self._acc: dict[Place, dict[int, float]] = defaultdict(dict)
        self._others: dict[str, dict[Place, dict[int, float]]] = {name: defaultdict(dict) for name in OTHER_SCORES}
        layouts = tuple(dict.fromkeys(scores.places for scores in scored.values()))
        self.keys = tuple(dict.fromkeys(key for places in layouts for _, key in places))
        for places in layouts:
            alike = {launch: scores for launch, scores in scored.items() if scores.places == places}
            for place, *rmse in zip(places, *(scores.rmse for scores in alike.values()), strict=True):
                self._rmse[place].update(zip(alike, rmse, strict=True))
                if not isfinite(sum(rmse)):
                    self._not_finite[place] |= {
                        n: value for n, value in zip(alike, rmse, strict=True) if not isfinite(value)
                    }
            for place, *acc in zip(places, *(scores.acc for scores in alike.values()), strict=True):
                known = zip(alike, acc, strict=True)
                self._acc[place].update(known if None not in acc else (pair for pair in known if pair[1] is not None))
            for number, name in enumerate(OTHER_SCORES):
                for place, *values in zip(places, *(scores.others[number] for scores in alike.values()), strict=True):
                    found = {launch: value for launch, value in zip(alike, values, strict=True) if value is not None}
                    if found:
                        self._others[name][place].update(found)

    def rmse(self, forecaster: str, key: ScoreKey) -> Measured:
        """RMSE in the variable's units."""
        values = self._of(self._rmse, forecaster, key)
        return Measured("rmse", f"RMSE of {key.variable}", key.units, "cost", self.cell, values, NOT_SCORED)

    def acc(self, forecaster: str, key: ScoreKey) -> Measured:
        """ACC, of the launches where it is defined."""
        values = self._of(self._acc, forecaster, key)
        return Measured("acc", f"ACC of {key.variable}", "", "plain", self.cell, values, NOT_SCORED)

    @property
    def has_further_scores(self) -> bool:
        """Whether any launch has a bias, an MAE or an activity: older records have none."""
        return any(map(any, self._others.values()))

    def bias(self, forecaster: str, key: ScoreKey) -> Measured:
        """Mean of forecast less truth, in the variable's units."""
        values = self._of(self._others["bias"], forecaster, key)
        return Measured("bias", f"bias of {key.variable}", key.units, "plain", self.cell, values, NOT_SCORED)

    def mae(self, forecaster: str, key: ScoreKey) -> Measured:
        """Mean absolute error, in the variable's units."""
        values = self._of(self._others["mae"], forecaster, key)
        return Measured("mae", f"MAE of {key.variable}", key.units, "cost", self.cell, values, NOT_SCORED)

    def activity(self, forecaster: str, key: ScoreKey) -> Measured:
        """Standard deviation of the forecast's anomalies over that of the truth's; below 1 it is the smoother one."""
        values = self._of(self._others["activity"], forecaster, key)
        return Measured("activity", f"activity of {key.variable}", "", "plain", self.cell, values, NOT_SCORED)

    def _of(self, scores: Mapping[Place, dict[int, float]], forecaster: str, key: ScoreKey) -> Mapping[int, float]:
        place = (forecaster, key)
        return {} if place in self._not_finite else scores.get(place, {})

    def not_finite(self, forecaster: str, key: ScoreKey) -> NotFinite | None:
        """Where the forecast blew up; None where it did not."""
        wrong = self._not_finite.get((forecaster, key))
        if not wrong:
            return None
        others = {launch: value for launch, value in self._rmse[forecaster, key].items() if launch not in wrong}
        return NotFinite(
            tuple(launch for launch, value in wrong.items() if not isnan(value)),
            tuple(launch for launch, value in wrong.items() if isnan(value)),
            median_over(others, key.units, self.cell) if others else None,
        )

    def better_than(self, reference: str, key: ScoreKey) -> Better | None:
        """How often the model beats a reference; None where no launch has both."""
        ours, theirs = paired(*(self._rmse.get((forecaster, key), {}) for forecaster in (MODEL, reference)))
        return Better(sum(map(lt, ours, theirs)), len(ours)) if ours else None

    def always_better_than(self, reference: str) -> Better | None:
        """At how many variables and lead times the model beats a reference in every launch; None without any."""
        found = [better for key in self.keys if (better := self.better_than(reference, key))]
        return Better(sum(better.always for better in found), len(found)) if found else None


@lru_cache(maxsize=2**12)
def scores_of(cell: Cell) -> CellScores:
    """The scores of a cell."""
    return CellScores(cell)


def by_variable(keys: Iterable[ScoreKey]) -> tuple[ScoreKey, ...]:
    """Each once: variables in the order of their first appearance, the lead times of each in order."""
    unique = tuple(dict.fromkeys(keys))
    variables = tuple(dict.fromkeys(key.variable for key in unique))
    return tuple(sorted(unique, key=lambda key: (variables.index(key.variable), key.lead_h)))


def definitions(
    scores: Iterable[CellScores], label: Callable[[Cell], str], variables: Iterable[str] | None = None
) -> tuple[str, ...]:
    """How the scores are defined and the bounds of their regions, a line each.

    Where cells differ in a definition, or in the bounds of a region, the labels of its cells stand behind it. Of
    `variables`, if given, the regions alone in which one of them lies.
    """
    found = tuple(scores)
    lines: dict[str, list[str]] = defaultdict(list)
    regions: dict[Region, list[str]] = defaultdict(list)
    for each in found:
        for line in each.definitions:
            lines[line].append(label(each.cell))
        for region in each.cell.scenario.inference.bounded_regions:
            regions[region].append(label(each.cell))
    wanted = None if variables is None else {variable.rpartition(", ")[2] for variable in variables}
    shown = {region: labels for region, labels in regions.items() if wanted is None or region.name in wanted}
    names = Counter(region.name for region in shown)
    return (
        *(_of_cells(line, labels if len(lines) > 1 else ()) for line, labels in lines.items()),
        *(_of_cells(f"{region}", labels if names[region.name] > 1 else ()) for region, labels in shown.items()),
    )


def _of_cells(line: str, labels: Sequence[str]) -> str:
    return f"{line} ({', '.join(labels)})" if labels else line


def reference_of(
    cells: Iterable[CellScores], reference: str, key: ScoreKey, score: Literal["rmse", "acc", "mae"] = "rmse"
) -> Measured | None:
    """A score of a reference that stands for several cells: that of the first that has it."""
    found = (getattr(scores, score)(reference, key) for scores in cells)
    return next((measured for measured in found if measured.values), None)


def with_other_reference(
    cells: Sequence[CellScores], reference: str, keys: Sequence[ScoreKey]
) -> Mapping[CellScores, CellScores]:
    """The cells whose reference is not that which stands for all, somewhere, and the cell that this one is of."""
    found: dict[CellScores, CellScores] = {}
    for key in keys:
        having = [(scores, values) for scores in cells if (values := scores.rmse(reference, key).values)]
        for scores, values in having[1:]:
            shown, of_shown = having[0]
            if set(values.values()) != set(of_shown.values()):
                found.setdefault(scores, shown)
    return found
