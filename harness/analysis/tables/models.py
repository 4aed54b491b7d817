"""Different models beside each other, where they forecast the same data."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import isclose

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.content import Content, Count, Heading, Number, Row, Words, not_finite_text
from harness.analysis.number_format import MISSING
from harness.analysis.quantities.skill import MODEL, CellScores, by_variable, reference_of, scores_of
from harness.analysis.summaries import ScoreKey
from harness.analysis.tables.table import Section

PERSISTENCE = "persistence"
NO_TRIAL = (
    "Each model in its own size and as its preset trains it: what that took is in the tables of speed and energy. No "
    "verdict: launches of different networks share no weights, so that they are not paired."
)
SAME_STARTS = 1e-5
"""Relative difference of persistence below which two cells were scored on the same starts: sums differ in order."""

Columns = Sequence[tuple[str, CellScores]]


def model_sections(groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> list[Section]:
    """RMSE of all models that were scored on the same data of one chip and host, a column for each model and preset.

    A model is shown by the baseline of its table, or by its first cell that was scored where that was not.
    """
    alike: dict[tuple[object, ...], list[tuple[str, CellScores]]] = defaultdict(list)
    for group in groups:
        scored = [cell for cell in group.cells if scores_of(cell).launches]
        for cell in sorted(scored, key=lambda cell: not comparisons[cell].is_baseline)[:1]:
            label = f"{group.model} {group.preset}, {group.label(cell)}"
            alike[_data_of(cell, group)].append((label, scores_of(cell)))
    return [
        _section(columns) for columns in alike.values() if len({found.cell.scenario.model for _, found in columns}) > 1
    ]


def _data_of(cell: Cell, group: Group) -> tuple[object, ...]:
    """What is the same of two cells that forecast the same fields in the same place."""
    scenario = cell.scenario
    data = scenario.data.model_dump_json(exclude={"description", "model_overrides"})
    scored = scores_of(cell).definitions, *map(str, scenario.inference.bounded_regions)
    return group.chip, group.host, data, scenario.data_digest, scenario.grid, scored


def _section(columns: Columns) -> Section:
    scores = [found for _, found in columns]
    keys = by_variable(key for found in scores for key in found.keys)
    cells = tuple(found.cell for found in scores)
    rows: list[Row] = [
        (
            Heading(key.variable, key.units),
            Count(key.lead_h, cells),
            *(_rmse(found, key) for found in scores),
            _persistence(scores, key),
        )
        for key in keys
    ]
    first = cells[0]
    title = f"RMSE of several models: chip {first.scenario.chip}, data {first.scenario.data_name}, host {first.host}"
    heads: Row = (
        "variable",
        Heading("lead", "h"),
        *(Words(label, (found.cell,)) for label, found in columns),
        PERSISTENCE,
    )
    return Section(title, heads, tuple(rows), (NO_TRIAL, *_other_starts(columns, keys)))


def _rmse(scores: CellScores, key: ScoreKey) -> Content:
    if wrong := scores.not_finite(MODEL, key):
        return Words(not_finite_text(wrong), (scores.cell,))
    measured = scores.rmse(MODEL, key)
    return Number(measured.median) if measured.values else MISSING


def _persistence(scores: Sequence[CellScores], key: ScoreKey) -> Content:
    found = reference_of(scores, PERSISTENCE, key)
    if found is None:
        return MISSING
    sources = tuple(each.cell for each in scores)
    return Number(found.median._replace(low=None, high=None, sources=sources), starred=False)


def _other_starts(columns: Columns, keys: Sequence[ScoreKey]) -> Iterable[str]:
    """One line for each model whose persistence is not that of the first, which is shown: its starts are others."""
    (shown, first), *others = columns
    for label, found in others:
        pairs = [(first.rmse(PERSISTENCE, key).median.value, found.rmse(PERSISTENCE, key).median.value) for key in keys]
        both = [(ours, theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
        if any(not isclose(ours, theirs, rel_tol=SAME_STARTS) for ours, theirs in both):
            most = max(abs(theirs / ours - 1) for ours, theirs in both if ours)
            yield (
                f"Persistence of {label} differs from that shown, of {shown}, by up to {most:.2%}: they were scored "
                "from other starts, as a model of two states begins later, so that small differences say nothing."
            )
