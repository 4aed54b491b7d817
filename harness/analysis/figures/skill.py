"""RMSE and ACC by lead time of the model, persistence and climatology."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.analysis.comparison.differences import region_differences
from harness.analysis.content import columns_of, not_finite_text
from harness.analysis.figures.fitting import broken, name_ticks
from harness.analysis.figures.launch_marks import COLUMN, column_text, marks_of_cells, note
from harness.analysis.figures.style import (
    ONE_COLUMN_INCHES,
    REFERENCE_COLOUR,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_legend,
    add_title,
    handle,
    legend_inches,
    new_figure,
    printable,
    sentence,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.quantities.skill import (
    MODEL,
    REFERENCES,
    CellScores,
    by_variable,
    definitions,
    reference_of,
    scores_of,
    with_other_reference,
)
from harness.analysis.summaries import ScoreKey
from harness.results.forecast import spread

MOST_VARIABLES = 6
MOST_BESIDE = 4
ROW_INCHES = 1.75
LABEL_INCHES, BESIDE_INCHES = 1.45, 0.65
"""Height of a panel that a label beside it may have; width that labels and names of ticks take from a panel."""

REFERENCE_LOOKS: dict[str, Any] = {
    "persistence": {"color": REFERENCE_COLOUR, "linestyle": "--", "marker": "."},
    "climatology": {"color": REFERENCE_COLOUR, "linestyle": ":", "marker": "x", "markersize": 4},
}
"""Markers tell them apart where there is one lead time, and so no line."""
SCORES = ("rmse", "acc")
CHARACTERS_OF_A_NOTE, MOST_NOTES = 36, 4


def illustrate(subject: FigureSubject) -> Drawn:
    """The skill of a subject."""
    name = f"skill-{subject.stem}"
    found = {shown: scores_of(shown.cell) for shown in subject.shown(lambda cell: cell.launches)}
    scores = {shown: entry for shown, entry in found.items() if entry.launches}
    if not scores:
        yield NotDrawn(name, "no launch was scored")
        return
    variables = list(dict.fromkeys(key.variable for entry in scores.values() for key in entry.keys))
    chosen = [variables[index] for index in spread(len(variables), MOST_VARIABLES)]
    data = skill_data(scores, chosen)
    caption = (
        f"Skill of {subject.title} by lead time: median over launches with 95 % interval, from three "
        "launches on. Dashed: persistence; dotted: climatology, whose ACC is not defined."
    )
    if len(chosen) < len(variables):
        caption += f" {len(chosen)} of {len(variables)} variables; the skill table has all."
    caption += _other_references(scores, _keys(scores, chosen))
    if blown_up := _blown_up(scores, chosen):
        caption += f" Without a point, as it is not finite: {'; '.join(blown_up)}."
    caption += note(data[data["forecaster"] == "model"], ("variable", "lead_h"))
    labels = {shown.cell: shown.label for shown in scores}
    caption += "".join(f" {sentence(line)}" for line in definitions(scores.values(), labels.__getitem__, chosen))
    figure = skill_figure(data, tuple(scores), subject.title)
    yield Illustration(name, caption, figure, data, tuple(shown.cell for shown in scores))


def _other_references(scores: Mapping[ShownCell, CellScores], keys: Sequence[ScoreKey]) -> str:
    """The cells whose persistence is not the one that is drawn, by the reason."""
    different = with_other_reference(tuple(scores.values()), "persistence", keys)
    found: dict[str, list[str]] = defaultdict(list)
    for shown, entry in scores.items():
        if drawn := different.get(entry):
            bounds = region_differences(shown.cell, drawn.cell)
            found["other bounds of a region" if bounds else "other data"].append(shown.label)
    return "".join(f" Persistence of {', '.join(of)} differs from that shown: {why}." for why, of in found.items())


def skill_data(scores: dict[ShownCell, CellScores], variables: list[str]) -> pd.DataFrame:
    """A row for each forecaster, variable and lead time; a reference is that of the first cell that has it there."""
    rows: list[dict[str, object]] = []
    for shown, entry in scores.items():
        rows += [_row(shown.columns, entry, "model", key) for key in entry.keys if key.variable in variables]
    keys = _keys(scores, variables)
    for reference in REFERENCES:
        shown_scores = {key: reference_of(scores.values(), reference, key) for key in keys}
        rows += [
            _row({"cell": reference}, scores_of(found.cell), reference, key)
            for key, found in shown_scores.items()
            if found
        ]
    return pd.DataFrame(rows)


def _keys(scores: Mapping[ShownCell, CellScores], variables: Sequence[str]) -> list[ScoreKey]:
    """What any of the cells scored of some variables, in the order of the cells."""
    return list(dict.fromkeys(key for entry in scores.values() for key in entry.keys if key.variable in variables))


def skill_figure(data: pd.DataFrame, cells: tuple[ShownCell, ...], title: str) -> Figure:
    """Draw the rows of `skill_data`: for each variable the RMSE above the ACC."""
    variables = list(dict.fromkeys(data["variable"]))
    beside = len(variables) if len(variables) <= MOST_BESIDE else -(-len(variables) // 2)
    bands = -(-len(variables) // beside)
    with mpl.rc_context(STYLE):
        marks = marks_of_cells(data, [shown.label for shown in cells])
        handles = [handle(f"{shown.label}{marks[shown.label]}", shown.look) for shown in cells]
        handles += [Line2D([], [], label=name, **look) for name, look in REFERENCE_LOOKS.items()]
        labels = [str(entry.get_label()) for entry in handles]
        width = ONE_COLUMN_INCHES if beside == 1 else TWO_COLUMNS_INCHES
        figure = new_figure(width, 2 * bands * ROW_INCHES + legend_inches(labels, width))
        panels = figure.subplots(2 * bands, beside, squeeze=False)
        for axes in panels.flat:
            axes.set_visible(False)
        for number, variable in enumerate(variables):
            rows = data[data["variable"] == variable]
            for offset, score in enumerate(SCORES):
                axes = panels[2 * (number // beside) + offset, number % beside]
                axes.set_visible(True)
                _draw_panel(axes, rows, cells, score, width / beside - BESIDE_INCHES)
        add_title(figure, title)
        add_legend(figure, handles)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, cells: tuple[ShownCell, ...], score: str, width_inches: float) -> None:
    rows = rows.sort_values("lead_h", kind="stable")
    for name, look in REFERENCE_LOOKS.items():
        known = rows[(rows["cell"] == name) & rows[score].notna()]
        if len(known):
            axes.plot(known["lead_h"], known[score], label=name, **look)
    for shown in cells:
        known = rows[(rows["cell"] == shown.label) & rows[score].notna()]
        if not len(known):
            continue
        axes.plot(known["lead_h"], known[score], label=shown.label, **shown.look.line)
        sure = known[known[f"{score}_low95"].notna()]
        axes.vlines(
            sure["lead_h"], sure[f"{score}_low95"], sure[f"{score}_high95"], color=shown.look.colour, linewidth=1
        )
    variable, units = rows.iloc[0][["variable", "units"]]
    if score == "rmse":
        _name_missing_points(axes, rows, cells)
    name_ticks(axes, sorted(rows["lead_h"].unique()), width_inches)
    axes.set_xlabel("Lead time (h)")
    if score == "rmse":
        axes.set_ylim(bottom=0)
        axes.set_ylabel(broken(f"RMSE of {variable}", units, LABEL_INCHES))
    else:
        axes.set_ylabel(broken(f"ACC of {variable}", "", LABEL_INCHES))
    axes.grid(visible=True)


def _name_missing_points(axes: Axes, rows: pd.DataFrame, cells: Sequence[ShownCell]) -> None:
    """Write where forecasts blew up, as nothing can be drawn there."""
    lines = []
    for shown in cells:
        lost = rows[(rows["cell"] == shown.label) & rows["rmse"].isna() & (rows["not_finite"] != "")]
        if len(lost):
            leads = ", ".join(f"{lead_h:g}" for lead_h in lost["lead_h"])
            lines.append(f"{shown.label}: not finite at {leads} h")
    if len(lines) > MOST_NOTES:
        lines[MOST_NOTES:] = [f"and {len(lines) - MOST_NOTES} more cells"]
    text = "\n".join(wrapped for line in lines for wrapped in wrap(printable(line), CHARACTERS_OF_A_NOTE))
    axes.annotate(text, (0.03, 0.97), xycoords="axes fraction", va="top", fontsize=5, color="0.3")


def _blown_up(scores: Mapping[ShownCell, CellScores], variables: Sequence[str]) -> list[str]:
    """What blew up in which launches of each cell; variables and lead times that did so alike stand together."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for shown, entry in scores.items():
        for key in by_variable(entry.keys):
            if key.variable in variables and (wrong := entry.not_finite(MODEL, key)):
                found[shown.label, not_finite_text(wrong._replace(others=None))][key.variable].append(f"{key.lead_h:g}")
    lines = []
    for (label, launches), leads in found.items():
        alike: dict[str, list[str]] = defaultdict(list)
        for variable, hours in leads.items():
            alike[", ".join(hours)].append(variable)
        parts = (f"{' and '.join(of)} at {hours} h" for hours, of in alike.items())
        lines.append(f"{', '.join(parts)} of {label}, {launches}")
    return lines


def _row(columns: Mapping[str, object], scores: CellScores, forecaster: str, key: ScoreKey) -> dict[str, object]:
    rmse, wrong = scores.rmse(forecaster, key), scores.not_finite(forecaster, key)
    return {
        **columns,
        "forecaster": forecaster,
        "variable": key.variable,
        "units": key.units,
        "lead_h": key.lead_h,
        "launches": len(rmse.values),
        COLUMN: column_text(rmse.values),
        **columns_of("rmse", rmse.median),
        **columns_of("acc", scores.acc(forecaster, key).median),
        "not_finite": not_finite_text(wrong) if wrong else "",
    }
