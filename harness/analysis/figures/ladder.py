"""A ladder of executions as a waterfall: what each rung takes from time and memory, and what is no gain."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.ablation import Ladder, ladders
from harness.analysis.comparison.effects import EQUIVALENT, MEMORY, REFUSED, TIME, quantities_of, result_of
from harness.analysis.content import columns_of
from harness.analysis.figures.launch_marks import COLUMN, column_text
from harness.analysis.figures.style import (
    OKABE_ITO,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_legend,
    add_title,
    legend_inches,
    new_figure,
    printable,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn
from harness.analysis.number_format import digits, readable_unit
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.quantities.skill import NOT_SCORED
from harness.analysis.quantities.speed import speed_of

ROW_INCHES = 0.32
PANEL_INCHES = 0.9
FIRST, GAIN, LOSS, NO_CHANGE = "first rung", "gain", "loss", "no change shown"
OTHER_SKILL, UNSCORED, REFUSAL = "skill not shown to be equivalent", "not scored", "comparison refused"
LOOKS: dict[str, dict[str, Any]] = {
    FIRST: {"color": "0.55"},
    GAIN: {"color": OKABE_ITO[2]},
    LOSS: {"color": OKABE_ITO[1]},
    NO_CHANGE: {"color": "0.8"},
    OTHER_SKILL: {"facecolor": "white", "edgecolor": "0.4", "hatch": "////"},
    UNSCORED: {"facecolor": "white", "edgecolor": "0.4", "hatch": "...."},
    REFUSAL: {"facecolor": "white", "edgecolor": "0.4", "hatch": "xxxx"},
}
WITHOUT_CLAIM = {NOT_SCORED: UNSCORED, REFUSED: REFUSAL}
"""What a rung is called by its skill where that is not equivalent; every other is OTHER_SKILL."""

WORDS = {"faster": GAIN, "less": GAIN, "slower": LOSS, "more": LOSS}


def illustrate(subject: FigureSubject) -> Drawn:
    """The ladders of a subject."""
    found = [(group, ladder) for group in subject.groups for ladder in ladders(group, ())]
    if not found:
        yield NotDrawn(f"ladder-{subject.stem}", "no three cells that take one step of their execution after the other")
    for number, (group, ladder) in enumerate(found):
        name = f"ladder-{subject.stem}" if len(found) == 1 else f"ladder-{subject.stem}-{number}"
        data = ladder_data(ladder)
        caption = (
            f"What each rung brings, {group.title}: median over launches with 95 % interval, from three launches on, "
            "and the ratio to the rung below. No gain is claimed of hatched rungs, whose scores are not shown to be "
            "those of the rung below, of dotted ones, which have no scores, and of crossed ones, whose comparison with "
            "the rung below is refused."
        )
        cells = tuple(step.cell for step in ladder.steps if step.cell)
        yield Illustration(name, caption, ladder_figure(data, _title(group, ladder)), data, (ladder.base, *cells))


def ladder_data(ladder: Ladder) -> pd.DataFrame:
    """A row for each quantity and rung, in s or bytes, with its ratio to the rung below."""
    rows = []
    for title, (sort, measured) in quantities_of(ladder.base).items():
        if sort not in (TIME, MEMORY):
            continue
        name, unit = measured.name, measured.unit
        rows.append(_row(title, unit, 0, ladder.base.label, measured.median, Quantity(None), FIRST, EQUIVALENT))
        for rung, step in enumerate(ladder.steps, start=1):
            result = result_of(step)
            ratio = next((each.ratio for each in result.effects if each.title == title), Quantity(None))
            skill = result.skill.verdict
            said = WORDS.get(ratio.verdict or "", NO_CHANGE)
            brings = said if skill == EQUIVALENT else WITHOUT_CLAIM.get(skill, OTHER_SKILL)
            median = _median(step.cell, name)
            rows.append(_row(title, unit, rung, step.name, median, ratio, brings, skill))
    return pd.DataFrame(rows)


def ladder_figure(data: pd.DataFrame, title: str) -> Figure:
    """Draw the rows of `ladder_data`, one panel for each quantity, the first rung on top."""
    quantities = list(dict.fromkeys(data["quantity"]))
    kinds = [kind for kind in LOOKS if kind in set(data["brings"])]
    rungs = int(data["rung"].max()) + 1
    with mpl.rc_context(STYLE):
        beside = min(2, len(quantities))
        below = -(-len(quantities) // beside)
        height = below * (PANEL_INCHES + ROW_INCHES * rungs) + legend_inches(kinds, TWO_COLUMNS_INCHES)
        figure = new_figure(TWO_COLUMNS_INCHES, height)
        panels = figure.subplots(below, beside, sharey=True, squeeze=False).ravel()
        for axes, quantity in zip(panels, quantities, strict=False):
            _draw_panel(axes, data[data["quantity"] == quantity].reset_index(drop=True), quantity)
        for axes in panels[len(quantities) :]:
            axes.set_visible(False)
        add_title(figure, title)
        add_legend(figure, [Patch(label=kind, **LOOKS[kind]) for kind in kinds])
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, quantity: str) -> None:
    known = rows["median"].dropna()
    divisor, unit = readable_unit(rows["unit"].iloc[0], float(known.max()) if len(known) else 0.0)
    axes.set_yticks(range(len(rows)), [printable(step) for step in rows["step"]])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(printable(f"{quantity[0].upper()}{quantity[1:]} ({unit})"))
    below = 0.0
    for position, row in enumerate(rows.to_dict("records")):
        if pd.isna(row["median"]):
            axes.annotate("not measured", (0, position), va="center", fontsize=6, color="0.3")
            continue
        value = row["median"] / divisor
        left, width = min(below, value), abs(value - below)
        axes.barh(position, width, left=left, height=0.6, linewidth=0.7, **LOOKS[row["brings"]])
        axes.plot([value, value], [position - 0.3, min(position + 1.3, len(rows) - 0.5)], color="0.3", linewidth=0.7)
        if not pd.isna(row["median_low95"]):
            errors = [[max(0.0, row["median"] - row["median_low95"])], [max(0.0, row["median_high95"] - row["median"])]]
            axes.errorbar(value, position, xerr=[[side[0] / divisor] for side in errors], color="black", linewidth=0.9)
        if not pd.isna(row["ratio"]):
            place: Any = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 6}
            axes.annotate(f"x {_ratio_text(row)}", (max(below, value), position), **place)
        below = value
    axes.set_xlim(0, 1.3 * float(known.max()) / divisor if len(known) else 1.0)
    axes.grid(visible=True, axis="x")


def _ratio_text(row: dict[Any, Any]) -> str:
    bounds = (None, None) if pd.isna(row["ratio_low95"]) else (row["ratio_low95"], row["ratio_high95"])
    return digits(row["ratio"], *bounds).value


def _row(
    quantity: str, unit: str, rung: int, step: str, median: Quantity, ratio: Quantity, brings: str, skill: str
) -> dict[str, object]:
    return {
        "quantity": quantity,
        "unit": unit,
        "rung": rung,
        "step": step,
        "cell_key": median.sources[0].key if median.sources else None,
        COLUMN: column_text(median.launches),
        **columns_of("median", median),
        **columns_of("ratio", ratio),
        "skill": skill,
        "brings": brings,
    }


def _median(cell: Cell | None, name: str) -> Quantity:
    measured = speed_of(cell).get(name) if cell else None
    return measured.median if measured else Quantity(None)


def _title(group: Group, ladder: Ladder) -> str:
    return f"{group.model} {group.preset}, data {group.data_name}, {ladder.base.scenario.chip}"
