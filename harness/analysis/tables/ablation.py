"""What each axis of an execution, or each rung of a ladder, brought, and whether the forecast is still the same."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.ablation import Ladder, ladders, studies
from harness.analysis.comparison.effects import Result, quantities_of, result_of
from harness.analysis.comparison.pair import Comparison
from harness.analysis.content import Content, Count, Number, Row, Verdict, Words, columns_of
from harness.analysis.number_format import MISSING
from harness.analysis.tables.parts import PARITY, why_not
from harness.analysis.tables.skill import shown_deviation
from harness.analysis.tables.table import Data, Section, Table
from harness.porting.parity.certificate import Certificate

DEFINITIONS = (
    "Ratio: median of the cell / median of the one it is compared with over launches of the same number, with the 95 % "
    "interval of the paired ratios; below 1 is faster or less. Nothing but what is named may differ.",
    "RMSE: the greatest relative change of all variables and lead times with its 90 % interval. Skill is equivalent "
    "where every one of them lies within +-5 % (two one-sided tests at 5 %), not equivalent where one lies outside or "
    "a forecast blew up, undecided otherwise.",
    "Brings: what the intervals show by more than 5 %, of a forecast that is equivalent. A step whose skill is not "
    "shown to be equivalent is no gain, however fast it is; its ratios are given without a verdict.",
    PARITY,
)
CERTIFIED = "certified"


def ablation_table(
    suite: str,
    groups: Sequence[Group],
    comparisons: Mapping[Cell, Comparison],
    certificates: Sequence[Certificate] = (),
    *,
    shown: int | None = None,
) -> Table:
    """Build the table with sections of the first `shown` groups; it has none where no executions are compared."""
    sections: list[Section] = []
    rows: list[tuple[Group, str, Result]] = []
    for number, group in enumerate(groups):
        is_shown = shown is None or number < shown
        for study in studies(group, certificates):
            results = [result_of(step) for step in study.steps]
            if is_shown:
                title = f"One at a time: {group.title}; base {group.label(study.base)}"
                sections.append(_section(title, group, study.base, results))
            rows += [(group, "one at a time", each) for each in results]
        for ladder in ladders(group, certificates):
            sections += _ladder_sections(group, ladder) if is_shown else ()
            for design, steps in (("rung", ladder.steps), ("whole ladder", ladder.whole)):
                rows += [(group, design, result_of(step)) for step in steps]
    return Table("ablation", f"Ablation, suite {suite}", tuple(sections), partial(_data, rows), DEFINITIONS)


def _ladder_sections(group: Group, ladder: Ladder) -> Iterable[Section]:
    for what, steps in (("each rung to the one below", ladder.steps), ("each rung to the first", ladder.whole)):
        title = f"Ladder, {what}: {group.title}; first {group.label(ladder.base)}"
        yield _section(title, group, ladder.base, [result_of(step) for step in steps])


def _section(title: str, group: Group, base: Cell, results: Sequence[Result]) -> Section:
    titles = dict.fromkeys((*quantities_of(base), *(each.title for found in results for each in found.effects)))
    columns: Row = ("step", "n", *titles, "RMSE, % [90 %]", "skill", "parity", "brings")
    rows = tuple(_row(found, list(titles)) for found in results)
    return Section(title, columns, rows, tuple(dict.fromkeys(_notes(group, results))))


def _row(found: Result, titles: Sequence[str]) -> Row:
    cell = found.step.cell
    sources = (cell,) if cell else ()
    effects = {each.title: each.ratio for each in found.effects}
    shown: list[Content] = [
        Number(effects[title]._replace(sources=sources, reason=None)) if title in effects else MISSING
        for title in titles
    ]
    largest = found.skill.largest
    comparison = found.step.comparison
    pairs = max((each.ratio.number for each in found.effects), default=0)
    return (
        Words(found.step.name, sources),
        Count(pairs, sources),
        *shown,
        shown_deviation(largest.told_of(*sources)) if largest else MISSING,
        found.skill.verdict if found.effects else MISSING,
        _parity(comparison),
        Words(_brings(found), sources),
    )


def _brings(found: Result) -> str:
    cell = found.step.cell
    return why_not(cell) if cell and not cell.launches else found.outcome


def _parity(comparison: Comparison | None) -> Content:
    if comparison is None or comparison.parity is None:
        return MISSING
    return CERTIFIED if comparison.certified else Verdict("none", certified=False)


def _notes(group: Group, results: Sequence[Result]) -> Iterable[str]:
    for found in results:
        name, comparison = found.step.name, found.step.comparison
        if comparison is None or not comparison.cell.launches:
            continue
        yield from (f"Refused: {name}: {line}" for line in comparison.refusal)
        if comparison.parity:
            yield f"Parity: {name}: {comparison.parity.text}"
        yield from (f"{name}: {each.title}: {each.ratio.reason}" for each in found.effects if each.ratio.reason)
        if found.skill.where and found.skill.largest:
            where = found.skill.where
            yield f"{name}: RMSE changes most for {where.variable} at {where.lead_h:g} h."


def _data(rows: Sequence[tuple[Group, str, Result]]) -> Data:
    return Data.of([_data_row(*row) for row in rows])


def _data_row(group: Group, design: str, found: Result) -> dict[str, object]:
    step, comparison = found.step, found.step.comparison
    base, cell = step.base, step.cell
    row: dict[str, object] = {
        "model": group.model,
        "preset": group.preset,
        "chip": base.scenario.chip,
        "data": group.data_name,
        "host": base.host,
        "framework": (cell or base).scenario.framework,
        "design": design,
        "step": step.name,
        "axes": " ".join(step.axes) or None,
        "cell": group.label(cell) if cell else None,
        "cell_key": cell.key if cell else None,
        "base": group.label(base),
        "base_key": base.key,
        "skill": found.skill.verdict,
        **columns_of("rmse_change_fraction", found.skill.largest),
        "rmse_change_variable": found.skill.where.variable if found.skill.where else None,
        "rmse_change_lead_h": found.skill.where.lead_h if found.skill.where else None,
        "parity_certified": comparison.parity.certified if comparison and comparison.parity else None,
        "refusal": "; ".join(comparison.refusal) or None if comparison else None,
        "brings": _brings(found),
    }
    for each in found.effects:
        name = f"{each.title.replace(' ', '_')}_ratio"
        row |= columns_of(name, each.ratio)
        row |= {f"{name}_pairs": each.ratio.number or None, f"{name}_missing": each.ratio.reason}
    return row
