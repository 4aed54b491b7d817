"""RMSE and ACC by variable and lead time, beside persistence and climatology, and the deviation of the port."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, isnan
from operator import lt

import pandas as pd

from harness.analysis.cells import Cell, Group
from harness.analysis.fairness import Comparison
from harness.analysis.number_format import MISSING, with_interval
from harness.analysis.sample_size import MOST, POWER, further_launches
from harness.analysis.statistics import Deviation, difference, equivalence, paired, relative_deviation, summarise
from harness.analysis.summaries import Place, ScoreKey
from harness.analysis.tables.parts import (
    INTERVALS,
    baseline_label,
    deviation_text,
    estimate,
    estimate_columns,
    estimate_text,
    group_title,
    launches_text,
    place_columns,
    setting_lines,
    why_not,
)
from harness.analysis.tables.table import Section, Table
from harness.scenario.scenario import Absent

DEFINITIONS = (
    INTERVALS,
    "RMSE infinite or NaN: the forecast blew up in these launches; no median stands for them, and no deviation.",
    "Beats persistence: the model's RMSE is below that of persistence in all launches (yes), in none (no) or in some.",
    "Deviation: mean over launches of the same number (and so the same initial weights) of RMSE / RMSE of the baseline "
    "- 1, with Student's 90 % interval (n pairs); equivalent if it lies within +-5 % (two one-sided tests at 5 %), not "
    "equivalent if all of it lies outside, undecided otherwise. More launches: how many would decide it with a "
    f"probability of {POWER:.0%}, if mean and spread stay as they are.",
)
CELLS_SIDE_BY_SIDE = 4
REFERENCES = ("persistence", "climatology")
DATA_COLUMNS = (
    *("model", "preset", "chip", "data", "host", "cell", "cell_key", "forecaster", "variable", "units", "lead_h"),
    *("launches", "rmse", "rmse_low95", "rmse_high95", "acc", "acc_low95", "acc_high95"),
    *("launches_better_than_persistence", "launches_better_than_climatology"),
    *("rmse_deviation_fraction", "rmse_deviation_low90_fraction", "rmse_deviation_high90_fraction"),
    *("rmse_deviation_pairs", "rmse_equivalence", "rmse_equivalence_further_launches"),
    *("acc_difference", "acc_difference_low90", "acc_difference_high90", "refusal", "reason"),
)


class CellScores:
    """The scores of a cell's launches, found by forecaster, variable and lead time; `launches` counts the scored."""

    def __init__(self, cell: Cell) -> None:
        scored = {launch: found.scores for launch, found in cell.summaries.items() if found.scores}
        self.launches = len(scored)
        self._rmse: dict[Place, dict[int, float]] = defaultdict(dict)
        self._not_finite: dict[Place, dict[int, float]] = defaultdict(dict)
        self._acc: dict[Place, dict[int, float]] = defaultdict(dict)
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

    def rmse(self, forecaster: str, key: ScoreKey) -> Mapping[int, float]:
        """RMSE by launch number, in the variable's units; none where that of a launch is not finite.

        A median of the other launches alone would call the forecast better than it is.
        """
        place = (forecaster, key)
        return {} if place in self._not_finite else self._rmse.get(place, {})

    def not_finite(self, forecaster: str, key: ScoreKey) -> str:
        """In words, in which launches the RMSE is infinite or NaN, and what it is in the others; empty if in none."""
        place = (forecaster, key)
        if place not in self._not_finite:
            return ""
        wrong = self._not_finite[place]
        found = []
        for word, launches in (
            ("infinite", [launch for launch, value in wrong.items() if not isnan(value)]),
            ("NaN", [launch for launch, value in wrong.items() if isnan(value)]),
        ):
            found += [f"{word} in {launches_text(launches)}"] if launches else []
        others = [value for launch, value in self._rmse[place].items() if launch not in wrong]
        found += [f"{estimate_text(estimate(others))} in the other{'s' if len(others) > 1 else ''}"] if others else []
        return "; ".join(found)

    def acc(self, forecaster: str, key: ScoreKey) -> Mapping[int, float]:
        """ACC by launch number, of the launches where it is defined."""
        return self._acc.get((forecaster, key), {})

    def launches_better_than(self, reference: str, key: ScoreKey) -> tuple[int, int] | None:
        """Launches in which the model's RMSE is below that of the reference, and those that have both; None if none."""
        ours, theirs = paired(*(self._rmse.get((forecaster, key), {}) for forecaster in ("model", reference)))
        return (sum(map(lt, ours, theirs)), len(ours)) if ours else None


def skill_table(suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> Table:
    """Build the table; `comparisons` holds one entry for each cell."""
    sections: list[Section] = []
    rows: list[dict[str, object]] = []
    all_scores = {cell: CellScores(cell) for cell in comparisons}
    for group in groups:
        scores = {cell: all_scores[cell] for cell in group.cells if all_scores[cell].launches}
        title = group_title(group, comparisons)
        missing = [(place_columns(group, entry), why) for entry, why in _without_scores(group, scores).items()]
        rows += [{**place, "launches": 0, "reason": why} for place, why in missing]
        reasons = [(place["cell"], why) for place, why in missing]
        if not scores:
            frame = pd.DataFrame(reasons, columns=["cell", "why not"], dtype=object)
            sections.append(Section(title, frame, setting_lines(group)))
            continue
        keys = _by_variable(key for found in scores.values() for key in found.keys)
        first, *others = _side_by_side(scores)
        notes = (*(f"{label}: {why}" for label, why in reasons), *setting_lines(group))
        sections.append(_rmse_section(title, group, first, keys, notes))
        sections += [_rmse_section(title, group, part, keys) for part in others]
        sections += [_acc_section(group, part, keys) for part in _side_by_side(scores)]
        sections += _deviation_sections(group, scores, keys, comparisons, all_scores)
        rows += _data_rows(group, scores, keys, comparisons, all_scores)
    data = pd.DataFrame(rows, columns=list(DATA_COLUMNS))
    return Table("skill", f"Skill, suite {suite}", tuple(sections), data, DEFINITIONS)


def _without_scores(group: Group, scores: Mapping[Cell, CellScores]) -> dict[Cell | Absent, str]:
    """Why cells have no score, and why absent ones did not run."""
    unscored = [cell for cell in group.cells if cell not in scores]
    return {
        **{cell: "no launch was scored" if cell.launches else why_not(cell) for cell in unscored},
        **{entry: f"did not run: {entry.reason}" for entry in group.absent},
    }


def _side_by_side(scores: Mapping[Cell, CellScores]) -> list[dict[Cell, CellScores]]:
    cells = list(scores)
    return [
        {cell: scores[cell] for cell in cells[first : first + CELLS_SIDE_BY_SIDE]}
        for first in range(0, len(cells), CELLS_SIDE_BY_SIDE)
    ]


def _rmse_section(
    title: str,
    group: Group,
    scores: Mapping[Cell, CellScores],
    keys: Sequence[ScoreKey],
    first_notes: Sequence[str] = (),
) -> Section:
    rows = []
    for key in keys:
        row = {"variable": key.variable_title, "lead, h": f"{key.lead_h:g}"}
        row |= {
            group.label(cell): found.not_finite("model", key) or _text(found.rmse("model", key))
            for cell, found in scores.items()
        }
        row |= {name: _reference(found.rmse(name, key) for found in scores.values()) for name in REFERENCES}
        row["beats persistence"] = _joined(
            {group.label(cell): _beats(found, "persistence", key) for cell, found in scores.items()}
        )
        rows.append(row)
    notes = [*first_notes]
    notes += [
        _summary(group.label(cell), found, reference) for cell, found in scores.items() for reference in REFERENCES
    ]
    notes += _reference_problems(group, scores, keys)
    return Section(f"RMSE: {title}", pd.DataFrame(rows, dtype=object), (*notes, *_definitions(scores)))


def _acc_section(group: Group, scores: Mapping[Cell, CellScores], keys: Sequence[ScoreKey]) -> Section:
    rows = []
    for key in keys:
        row = {"variable": key.variable, "lead, h": f"{key.lead_h:g}"}
        row |= {group.label(cell): _text(found.acc("model", key)) for cell, found in scores.items()}
        row["persistence"] = _reference(found.acc("persistence", key) for found in scores.values())
        rows.append(row)
    note = "The ACC of climatology is not defined: its anomaly is 0."
    return Section(f"ACC: {group.title}", pd.DataFrame(rows, dtype=object), (note, *_definitions(scores)))


def _deviation_sections(
    group: Group,
    scores: Mapping[Cell, CellScores],
    keys: Sequence[ScoreKey],
    comparisons: Mapping[Cell, Comparison],
    all_scores: Mapping[Cell, CellScores],
) -> list[Section]:
    sections = []
    for cell, ours in scores.items():
        comparison = comparisons[cell]
        if comparison.baseline is None or comparison.is_baseline:
            continue
        title = f"Deviation of {group.label(cell)} from {baseline_label(group, comparison.baseline)}: {group.title}"
        if refusal := skill_refusal(comparison):
            sections.append(Section(title, pd.DataFrame({"deviation": ["refused"]}), refusal))
            continue
        theirs = all_scores[comparison.baseline]
        rows = [_deviation_row(ours, theirs, key) for key in keys]
        sections.append(Section(title, pd.DataFrame(rows, dtype=object)))
    return sections


def _deviation_row(ours: CellScores, theirs: CellScores, key: ScoreKey) -> dict[str, str]:
    rmse = relative_deviation(ours.rmse("model", key), theirs.rmse("model", key))
    acc = difference(ours.acc("model", key), theirs.acc("model", key))
    return {
        "variable": key.variable,
        "lead, h": f"{key.lead_h:g}",
        "n": str(rmse.pairs if rmse else 0),
        "RMSE deviation, % [90 %]": deviation_text(rmse, percent=True),
        "RMSE": equivalence(rmse) if rmse else MISSING,
        "more launches": _more_launches(rmse),
        "ACC difference [90 %]": deviation_text(acc),
    }


def _more_launches(deviation: Deviation | None) -> str:
    if deviation is None:
        return MISSING
    more = further_launches(deviation)
    return f"over {MOST}" if more is None else str(more) if more else MISSING


def skill_refusal(comparison: Comparison) -> tuple[str, ...]:
    """What forbids comparing the skill of a cell with its baseline's: all of `refusal`, and unequal definitions."""
    if comparison.baseline is None:
        return comparison.refusal
    ours, theirs = (_definition_lines(cell) for cell in (comparison.cell, comparison.baseline))
    missing = () if theirs else ("the baseline has no scores",)
    unequal = ("the skill is defined differently",) if theirs and ours != theirs else ()
    return (*comparison.refusal, *missing, *unequal)


def _by_variable(keys: Iterable[ScoreKey]) -> tuple[ScoreKey, ...]:
    unique = tuple(dict.fromkeys(keys))
    variables = tuple(dict.fromkeys(key.variable for key in unique))
    return tuple(sorted(unique, key=lambda key: (variables.index(key.variable), key.lead_h)))


def _why_no_rmse(scores: CellScores, forecaster: str, key: ScoreKey) -> str:
    wrong = scores.not_finite(forecaster, key)
    return f"RMSE {wrong}" if wrong else "not scored"


def _text(values: Mapping[int, float]) -> str:
    return estimate_text(estimate(values.values()))


def _reference(of_cells: Iterable[Mapping[int, float]]) -> str:
    """The median of the first cell that has values."""
    values = next(filter(None, of_cells), None)
    return with_interval(summarise(list(values.values())).median, None, None) if values else MISSING


def _beats(scores: CellScores, reference: str, key: ScoreKey) -> str:
    found = scores.launches_better_than(reference, key)
    if found is None:
        return MISSING
    better, launches = found
    if better in (0, launches):
        return "yes" if better else "no"
    return f"{better} of {launches}"


def _joined(answers: Mapping[str, str]) -> str:
    if len(set(answers.values())) == 1:
        return next(iter(answers.values()))
    return ", ".join(f"{label}: {answer}" for label, answer in answers.items())


def _summary(label: str, scores: CellScores, reference: str) -> str:
    found = [counts for key in scores.keys if (counts := scores.launches_better_than(reference, key))]
    if not found:
        return f"{label} and {reference} were never scored together."
    beaten = sum(better == launches for better, launches in found)
    return f"{label} beats {reference} in every launch at {beaten} of {len(found)} variables and lead times."


def _reference_problems(group: Group, scores: Mapping[Cell, CellScores], keys: Sequence[ScoreKey]) -> tuple[str, ...]:
    """One line for each cell whose reference is not that of the first cell that has one, which is shown."""
    lines: dict[str, None] = {}
    for reference in REFERENCES:
        for key in keys:
            having = [(cell, values) for cell, found in scores.items() if (values := found.rmse(reference, key))]
            for cell, values in having[1:]:
                shown, of_shown = having[0]
                if set(values.values()) != set(of_shown.values()):
                    what = f"{reference.capitalize()} of {group.label(cell)}"
                    lines[f"{what} differs from that shown, of {group.label(shown)}: other data."] = None
    return tuple(lines)


def _definitions(scores: Mapping[Cell, CellScores]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for cell in scores for line in _definition_lines(cell)))


def _definition_lines(cell: Cell) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.scores.definition for found in cell.summaries.values() if found.scores))


def _data_rows(
    group: Group,
    scores: Mapping[Cell, CellScores],
    keys: Sequence[ScoreKey],
    comparisons: Mapping[Cell, Comparison],
    all_scores: Mapping[Cell, CellScores],
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for cell, found in scores.items():
        comparison = comparisons[cell]
        refusal = skill_refusal(comparison)
        theirs = all_scores[comparison.baseline] if comparison.baseline and comparison.fair and not refusal else None
        place = place_columns(group, cell)
        for forecaster in ("model", *REFERENCES):
            for key in keys:
                values = found.rmse(forecaster, key)
                row = {
                    **place,
                    "forecaster": forecaster,
                    "variable": key.variable,
                    "units": key.units,
                    "lead_h": key.lead_h,
                    "launches": len(values),
                    **estimate_columns("rmse", estimate(values.values())),
                    **estimate_columns("acc", estimate(found.acc(forecaster, key).values())),
                    "reason": None if values else _why_no_rmse(found, forecaster, key),
                }
                if forecaster == "model":
                    for reference in REFERENCES:
                        counts = found.launches_better_than(reference, key)
                        row[f"launches_better_than_{reference}"] = counts[0] if counts else None
                    row |= _deviation_columns(found, theirs, key)
                    row["refusal"] = "; ".join(refusal) or None
                rows.append(row)
    return rows


def _deviation_columns(ours: CellScores, theirs: CellScores | None, key: ScoreKey) -> dict[str, object]:
    rmse = relative_deviation(ours.rmse("model", key), theirs.rmse("model", key)) if theirs else None
    acc = difference(ours.acc("model", key), theirs.acc("model", key)) if theirs else None
    return {
        "rmse_deviation_fraction": rmse.mean if rmse else None,
        "rmse_deviation_low90_fraction": rmse.low if rmse else None,
        "rmse_deviation_high90_fraction": rmse.high if rmse else None,
        "rmse_deviation_pairs": rmse.pairs if rmse else None,
        "rmse_equivalence": equivalence(rmse) if rmse else None,
        "rmse_equivalence_further_launches": further_launches(rmse) if rmse else None,
        "acc_difference": acc.mean if acc else None,
        "acc_difference_low90": acc.low if acc else None,
        "acc_difference_high90": acc.high if acc else None,
    }
