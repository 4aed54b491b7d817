"""Scores by variable and lead time, beside persistence and climatology, and the deviation of the port."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.differences import region_differences
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import (
    acc_difference,
    for_skill,
    further_launches_of,
    rmse_deviation,
    why_no_deviation,
)
from harness.analysis.content import (
    Content,
    Count,
    Heading,
    Number,
    Row,
    Words,
    joined,
    not_finite_text,
)
from harness.analysis.number_format import MISSING
from harness.analysis.quantities.quantity import Measured, Quantity
from harness.analysis.quantities.skill import (
    MODEL,
    NOT_SCORED,
    REFERENCES,
    CellScores,
    by_variable,
    definitions,
    reference_of,
    scores_of,
    with_other_reference,
)
from harness.analysis.sample_size import MOST, POWER
from harness.analysis.summaries import ScoreKey
from harness.analysis.tables.models import model_sections
from harness.analysis.tables.parts import (
    INTERVALS,
    baseline_label,
    group_title,
    label_of,
    place_columns,
    setting_lines,
    why_not,
)
from harness.analysis.tables.table import Data, Section, Table
from harness.scenario.scenario import Absent

DEFINITIONS = (
    INTERVALS,
    "RMSE infinite or NaN: the forecast blew up in these launches; no median of any score stands for it, and no "
    "deviation.",
    "Beats persistence: the model's RMSE is below that of persistence in all launches (yes), in none (no) or in some.",
    "Deviation: mean over launches of the same number (and so the same initial weights) of RMSE / RMSE of the baseline "
    "- 1, with Student's 90 % interval (n pairs); equivalent if it lies within +-5 % (two one-sided tests at 5 %), not "
    "equivalent if all of it lies outside, undecided otherwise. More launches: how many would decide it with a "
    f"probability of {POWER:.0%}, if mean and spread stay as they are.",
)
CELLS_SIDE_BY_SIDE = 4
DATA_COLUMNS = (
    *("model", "preset", "chip", "data", "host", "cell", "cell_key", "forecaster", "variable", "units", "lead_h"),
    *("launches", "rmse", "rmse_low95", "rmse_high95", "acc", "acc_low95", "acc_high95"),
    *("bias", "bias_low95", "bias_high95", "mae", "mae_low95", "mae_high95"),
    *("activity", "activity_low95", "activity_high95"),
    *("launches_better_than_persistence", "launches_better_than_climatology"),
    *("rmse_deviation_fraction", "rmse_deviation_low90_fraction", "rmse_deviation_high90_fraction"),
    *("rmse_deviation_pairs", "rmse_equivalence", "rmse_equivalence_further_launches", "rmse_deviation_missing"),
    *("acc_difference", "acc_difference_low90", "acc_difference_high90", "refusal", "reason"),
)
NO_BOUNDS = (None, None, None)
NO_COMPARISON = (None,) * 12
"""Of the forecasts that serve as references."""

LEAD = Heading("lead", "h")
shown_deviation = partial(Number, signed=True, divisor=0.01, max_decimals=2)
shown_difference = partial(Number, signed=True, max_decimals=4)


def skill_table(
    suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison], *, shown: int | None = None
) -> Table:
    """Build the table with sections of the first `shown` groups; `comparisons` holds one entry for each cell."""
    sections: list[Section] = []
    for group in groups[:shown]:
        scores = _scored(group)
        title = group_title(group, comparisons)
        missing = _without_scores(group, scores)
        if not scores:
            found = tuple((_label(group, entry), why) for entry, why in missing.items())
            sections.append(Section(title, ("cell", "why not"), found, setting_lines(group)))
            continue
        keys = by_variable(key for found in scores for key in found.keys)
        first, *others = _side_by_side(scores)
        notes = (*(f"{_label(group, entry)}: {why}" for entry, why in missing.items()), *setting_lines(group))
        sections.append(_rmse_section(title, group, first, keys, notes))
        sections += [_rmse_section(title, group, part, keys) for part in others]
        sections += [_acc_section(group, part, keys) for part in _side_by_side(scores)]
        sections += [_further_section(group, found, keys) for found in scores if found.has_further_scores]
        sections += _deviation_sections(group, scores, keys, comparisons)
    sections += model_sections(groups[:shown], comparisons)
    return Table("skill", f"Skill, suite {suite}", tuple(sections), partial(_data, groups, comparisons), DEFINITIONS)


def _scored(group: Group) -> list[CellScores]:
    return [scores_of(cell) for cell in group.cells if scores_of(cell).launches]


def _label(group: Group, entry: Cell | Absent) -> Content:
    return label_of(group, entry) if isinstance(entry, Cell) else group.label_of_absent(entry)


def _without_scores(group: Group, scores: Sequence[CellScores]) -> dict[Cell | Absent, str]:
    """Why cells have no score, and why absent ones did not run."""
    scored = [found.cell for found in scores]
    unscored = [cell for cell in group.cells if cell not in scored]
    return {
        **{cell: _unscored(cell) if cell.launches else why_not(cell) for cell in unscored},
        **{entry: f"did not run: {entry.reason}" for entry in group.absent},
    }


def _unscored(cell: Cell) -> str:
    asked = cell.scenario.inference.skill != "none"
    return "no launch was scored" if asked else "not scored: its suite or preset says skill none, for times alone"


def _side_by_side(scores: Sequence[CellScores]) -> list[Sequence[CellScores]]:
    return [scores[first : first + CELLS_SIDE_BY_SIDE] for first in range(0, len(scores), CELLS_SIDE_BY_SIDE)]


def _rmse_section(
    title: str,
    group: Group,
    scores: Sequence[CellScores],
    keys: Sequence[ScoreKey],
    first_notes: Sequence[str] = (),
) -> Section:
    cells = tuple(found.cell for found in scores)
    rows: list[Row] = [
        (
            Heading(key.variable, key.units),
            Count(key.lead_h, cells),
            *(_rmse(found, key) for found in scores),
            *(_reference(scores, name, key) for name in REFERENCES),
            Words(joined({group.label(found.cell): _beats(found, "persistence", key) for found in scores}), cells),
        )
        for key in keys
    ]
    columns: Row = ("variable", LEAD, *(label_of(group, cell) for cell in cells), *REFERENCES, "beats persistence")
    notes = [*first_notes]
    notes += [_summary(group, found, reference) for found in scores for reference in REFERENCES]
    notes += _reference_problems(group, scores, keys)
    return Section(f"RMSE: {title}", columns, tuple(rows), (*notes, *definitions(scores, group.label)))


def _acc_section(group: Group, scores: Sequence[CellScores], keys: Sequence[ScoreKey]) -> Section:
    cells = tuple(found.cell for found in scores)
    rows: list[Row] = [
        (
            key.variable,
            Count(key.lead_h, cells),
            *(_median(found.acc(MODEL, key)) for found in scores),
            _reference(scores, "persistence", key, "acc"),
        )
        for key in keys
    ]
    columns: Row = ("variable", LEAD, *(label_of(group, cell) for cell in cells), "persistence")
    note = "The ACC of climatology is not defined: its anomaly is 0."
    return Section(f"ACC: {group.title}", columns, tuple(rows), (note, *definitions(scores, group.label)))


def _further_section(group: Group, scores: CellScores, keys: Sequence[ScoreKey]) -> Section:
    rows: list[Row] = [
        (
            Heading(key.variable, key.units),
            Count(key.lead_h, (scores.cell,)),
            _signed(scores.bias(MODEL, key)),
            _median(scores.mae(MODEL, key)),
            _reference((scores,), "persistence", key, "mae"),
            _median(scores.activity(MODEL, key)),
        )
        for key in keys
    ]
    columns: Row = ("variable", LEAD, "bias", "MAE", "MAE of persistence", "activity")
    note = (
        "Bias: mean of forecast less truth. Activity: standard deviation of the forecast's anomalies over that of the "
        "truth's, variances pooled over samples; below 1 the forecast is smoother than the truth."
    )
    title = f"Bias, MAE and activity of {group.label(scores.cell)}: {group.title}"
    return Section(title, columns, tuple(rows), (note,))


def _signed(measured: Measured) -> Content:
    return Number(measured.median, signed=True) if measured.values else MISSING


def _deviation_sections(
    group: Group, scores: Sequence[CellScores], keys: Sequence[ScoreKey], comparisons: Mapping[Cell, Comparison]
) -> list[Section]:
    sections = []
    for found in scores:
        comparison = comparisons[found.cell]
        if comparison.baseline is None or comparison.is_baseline:
            continue
        baseline = baseline_label(group, comparison.baseline)
        title = f"Deviation of {group.label(found.cell)} from {baseline}: {group.title}"
        if refusal := for_skill(comparison).refusal:
            sections.append(Section(title, ("deviation",), (("refused",),), refusal))
            continue
        rows = tuple(_deviation_row(found.cell, comparison.baseline, key) for key in keys)
        sections.append(Section(title, DEVIATION_COLUMNS, rows))
    return sections


DEVIATION_COLUMNS: Row = (
    *("variable", LEAD, "n", "RMSE deviation, % [90 %]", "RMSE", "more launches", "ACC difference [90 %]"),
)


def _deviation_row(cell: Cell, baseline: Cell, key: ScoreKey) -> Row:
    rmse, acc = rmse_deviation(cell, baseline, key), acc_difference(cell, baseline, key)
    return (
        key.variable,
        Count(key.lead_h, (cell,)),
        Count(rmse.number if rmse else 0, (cell, baseline)),
        shown_deviation(rmse.told_of(cell)) if rmse else Words(why_no_deviation(cell, baseline, key) or "", (cell,)),
        (rmse.verdict if rmse else None) or MISSING,
        _more_launches(rmse, cell),
        shown_difference(acc.told_of(cell)) if acc else MISSING,
    )


def _more_launches(deviation: Quantity | None, cell: Cell) -> Content:
    if deviation is None:
        return MISSING
    more = further_launches_of(deviation)
    if more is None:
        return Words(f"over {MOST}", (cell,))
    return Count(more, (cell,)) if more else MISSING


def _why_no_rmse(scores: CellScores, forecaster: str, key: ScoreKey) -> str:
    wrong = scores.not_finite(forecaster, key)
    return f"RMSE {not_finite_text(wrong)}" if wrong else NOT_SCORED


def _rmse(scores: CellScores, key: ScoreKey) -> Content:
    if wrong := scores.not_finite(MODEL, key):
        return Words(not_finite_text(wrong), (scores.cell,))
    return _median(scores.rmse(MODEL, key))


def _median(measured: Measured) -> Content:
    return Number(measured.median) if measured.values else MISSING


def _reference(
    scores: Sequence[CellScores], reference: str, key: ScoreKey, score: Literal["rmse", "acc", "mae"] = "rmse"
) -> Content:
    """The median of the first cell that has values."""
    found = reference_of(scores, reference, key, score)
    if found is None:
        return MISSING
    sources = tuple(each.cell for each in scores)
    return Number(found.median._replace(low=None, high=None, sources=sources), starred=False)


def _beats(scores: CellScores, reference: str, key: ScoreKey) -> str:
    found = scores.better_than(reference, key)
    if found is None:
        return MISSING
    if found.launches in (0, found.of):
        return "yes" if found.launches else "no"
    return f"{found.launches} of {found.of}"


def _summary(group: Group, scores: CellScores, reference: str) -> str:
    label, found = group.label(scores.cell), scores.always_better_than(reference)
    if found is None:
        return f"{label} and {reference} were never scored together."
    return f"{label} beats {reference} in every launch at {found.launches} of {found.of} variables and lead times."


def _reference_problems(group: Group, scores: Sequence[CellScores], keys: Sequence[ScoreKey]) -> Iterable[str]:
    """One line for each cell whose reference is not that of the first cell that has one, which is shown."""
    for reference in REFERENCES:
        for found, shown in with_other_reference(scores, reference, keys).items():
            what = f"{reference.capitalize()} of {group.label(found.cell)}"
            why = "other bounds of a region" if region_differences(found.cell, shown.cell) else "other data"
            yield f"{what} differs from that shown, of {group.label(shown.cell)}: {why}."


def _data(groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> Data:
    rows: list[tuple[object, ...]] = []
    for group in groups:
        scores = _scored(group)
        keys = by_variable(key for found in scores for key in found.keys)
        for entry, why in _without_scores(group, scores).items():
            row = {**place_columns(group, entry), "launches": 0, "reason": why}
            rows.append(tuple([row.get(name) for name in DATA_COLUMNS]))
        for found in scores:
            rows += _data_rows(group, found, keys, for_skill(comparisons[found.cell]))
    return Data(DATA_COLUMNS, rows)


def _data_rows(
    group: Group, found: CellScores, keys: Sequence[ScoreKey], comparison: Comparison
) -> Iterable[tuple[object, ...]]:
    """The values of DATA_COLUMNS: of ten thousands of rows the names are kept once."""
    place, refusal = tuple(place_columns(group, found.cell).values()), "; ".join(comparison.refusal) or None
    for forecaster in (MODEL, *REFERENCES):
        for key in keys:
            measured = found.rmse(forecaster, key)
            others = [score(forecaster, key) for score in (found.acc, found.bias, found.mae, found.activity)]
            yield (
                *(*place, forecaster, *key, len(measured.values)),
                *(
                    bound
                    for score in (measured, *others)
                    for bound in (_bounds(score.median) if score.values else NO_BOUNDS)
                ),
                *(_comparison_values(found, comparison, key) if forecaster == MODEL else NO_COMPARISON),
                refusal if forecaster == MODEL else None,
                None if measured.values else _why_no_rmse(found, forecaster, key),
            )


def _bounds(found: Quantity) -> tuple[float | None, float | None, float | None]:
    return found.value, found.low, found.high


def _comparison_values(found: CellScores, comparison: Comparison, key: ScoreKey) -> tuple[object, ...]:
    """In how many launches the references are beaten, and the deviation from the baseline."""
    rmse = acc = missing = None
    if comparison.baseline is not None and comparison.fair:
        rmse = rmse_deviation(comparison.cell, comparison.baseline, key)
        missing = why_no_deviation(comparison.cell, comparison.baseline, key)
        acc = acc_difference(comparison.cell, comparison.baseline, key)
    better = [found.better_than(reference, key) for reference in REFERENCES]
    return (
        *(each.launches if each else None for each in better),
        *((*_bounds(rmse), rmse.number, rmse.verdict, further_launches_of(rmse)) if rmse else (None,) * 6),
        missing,
        *(_bounds(acc) if acc else NO_BOUNDS),
    )
