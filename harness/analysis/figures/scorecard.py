"""Scorecards: a cell's RMSE against its baseline and persistence, a row a variable and a column a lead time."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import for_skill
from harness.analysis.comparison.scorecard import Entry, Opponent, Outcome, entries, opponents
from harness.analysis.content import NO_INTERVAL
from harness.analysis.figures.launch_marks import COLUMN, column_text
from harness.analysis.figures.style import (
    CHARACTER_POINTS,
    ONE_COLUMN_INCHES,
    POINTS_PER_INCH,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_legend,
    add_title,
    legend_inches,
    new_figure,
    printable,
    sentence,
    title_lines,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.quantities.skill import MODEL, definitions, scores_of
from harness.results.forecast import spread

MOST_VARIABLES, MOST_LEADS = 36, 7
LEADS_OF_ONE_COLUMN, CHARACTERS_OF_ONE_COLUMN = 4, 16
ROW_INCHES, LINE_INCHES, AXIS_INCHES = 0.19, 0.15, 0.6
VARIABLE_CHARACTERS = 28
LOOKS: Mapping[Outcome, dict[str, Any]] = {
    "better": {"facecolor": "#56B4E9"},
    "worse": {"facecolor": "#D55E00"},
    "equivalent": {"facecolor": "0.88"},
    "undecided": {"facecolor": "white"},
    "not finite": {"facecolor": "white", "hatch": "xxxx"},
    "opponent not finite": {"facecolor": "white", "hatch": "////"},
    "no ratio": {"facecolor": "white", "hatch": "...."},
}
"""Colours of Okabe and Ito whose lightness differs, so that they stay apart without colour."""

HATCHES: Mapping[Outcome, str] = {
    "not finite": "Crossed: the forecast blew up.",
    "opponent not finite": "Hatched: that of the opponent blew up.",
    "no ratio": "Dotted: no launch has both scores, or that of the opponent is 0.",
}
"""What a caption says of squares without a number."""

EDGE: Any = {"edgecolor": "0.6", "linewidth": 0.5}
LOWER, HIGHER = "▼", "▲"
SIGNIFICANT = f"{LOWER} {HIGHER} interval without 0"


def illustrate(subject: FigureSubject) -> Drawn:
    """A scorecard for each scored cell."""
    shown = subject.shown(lambda cell: scores_of(cell).launches)
    if not shown:
        yield NotDrawn(f"scorecard-{subject.stem}", "no launch was scored")
    labels = {each.cell: each.label for each in shown}
    for each in shown:
        name = f"scorecard-{subject.stem}-{each.stem}"
        comparison = subject.comparisons.get(each.cell) or Comparison(each.cell, None, ())
        found = {_name(opponent, labels): entries(each.cell, opponent) for opponent in opponents(comparison)}
        data = scorecard_data(each, {name: cards for name, cards in found.items() if cards})
        if data.empty:
            yield NotDrawn(name, "neither a baseline nor persistence was scored for what the cell was scored for")
            continue
        others = [opponent.cell for opponent in opponents(comparison) if opponent.cell is not each.cell]
        figure = scorecard_figure(data, f"{subject.title}: {each.label}")
        yield Illustration(name, _caption(subject, each, comparison, data), figure, data, (each.cell, *others))


def scorecard_data(shown: ShownCell, found: Mapping[str, Sequence[Entry]]) -> pd.DataFrame:
    """A row for each opponent, variable and lead time; deviations are fractions, with their 90 % interval."""
    return pd.DataFrame(
        [
            {
                **shown.columns,
                "opponent": opponent,
                "variable": entry.key.variable,
                "units": entry.key.units,
                "lead_h": entry.key.lead_h,
                "rmse_deviation_fraction": entry.deviation.value if entry.deviation else None,
                "rmse_deviation_low90_fraction": entry.deviation.low if entry.deviation else None,
                "rmse_deviation_high90_fraction": entry.deviation.high if entry.deviation else None,
                "pairs": entry.deviation.number if entry.deviation else 0,
                COLUMN: column_text(entry.deviation.launches if entry.deviation else ()),
                "outcome": entry.outcome,
                "significant": entry.significant,
            }
            for opponent, cards in found.items()
            for entry in cards
        ]
    )


def scorecard_figure(data: pd.DataFrame, title: str) -> Figure:
    """Draw the rows of `scorecard_data`: a panel for each opponent, beside each other."""
    against, variables, leads_h = _drawn(data)
    labels = ["\n".join(wrap(printable(variable), VARIABLE_CHARACTERS)) for variable in variables]
    narrow = (
        len(against) == 1 and len(leads_h) <= LEADS_OF_ONE_COLUMN and max(map(len, labels)) <= CHARACTERS_OF_ONE_COLUMN
    )
    width = ONE_COLUMN_INCHES if narrow else TWO_COLUMNS_INCHES
    outcomes = [outcome for outcome in LOOKS if outcome in set(data["outcome"])]
    handles = [Patch(label=outcome, **LOOKS[outcome], **EDGE) for outcome in outcomes]
    rows = sum(label.count("\n") + 1 for label in labels)
    characters = int(width * POINTS_PER_INCH / len(against) / CHARACTER_POINTS * 0.7)
    titles = ["\n".join(wrap(printable(f"RMSE against {opponent} (%)"), characters)) for opponent in against]
    above = max(each.count("\n") + 1 for each in titles) + title_lines(title, width)
    with mpl.rc_context(STYLE):
        height = AXIS_INCHES + LINE_INCHES * above + ROW_INCHES * rows + legend_inches([*outcomes, SIGNIFICANT], width)
        figure = new_figure(width, height)
        panels = figure.subplots(1, len(against), sharey=True, squeeze=False)[0]
        for axes, opponent, named in zip(panels, against, titles, strict=True):
            axes.set_title(named, fontsize=7)
            _draw_panel(axes, data[data["opponent"] == opponent], variables, leads_h)
        panels[0].set_yticks(range(len(variables)), labels)
        add_title(figure, title)
        add_legend(figure, [*handles, Patch(label=SIGNIFICANT, facecolor="none", edgecolor="none")])
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, variables: Sequence[str], leads_h: Sequence[float]) -> None:
    axes.set_xlim(-0.5, len(leads_h) - 0.5)
    axes.set_ylim(len(variables) - 0.5, -0.5)
    axes.set_xticks(range(len(leads_h)), [f"{lead_h:g}" for lead_h in leads_h])
    axes.tick_params(length=0)
    axes.set_xlabel("Lead time (h)")
    for row in rows.to_dict("records"):
        if row["variable"] not in variables or row["lead_h"] not in leads_h:
            continue
        x, y = leads_h.index(row["lead_h"]), variables.index(row["variable"])
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **LOOKS[row["outcome"]], **EDGE))
        axes.text(x, y, _text(row), ha="center", va="center", fontsize=6)


def _text(row: Mapping[Any, Any]) -> str:
    """The deviation in %, marked where its interval leaves out 0 and where it has none."""
    if pd.isna(row["rmse_deviation_fraction"]):
        return ""
    percent = 100 * row["rmse_deviation_fraction"]
    decimals = 1 if abs(percent) < 9.95 else 0
    value = f"{round(percent, decimals) + 0.0:+.{decimals}f}" if abs(percent) < 9999.5 else f"{percent:+.0e}"
    mark = (LOWER if percent < 0 else HIGHER) if row["significant"] else ""
    star = NO_INTERVAL if pd.isna(row["rmse_deviation_low90_fraction"]) else ""
    return f"{mark}{value}{star}".replace("-", "\N{MINUS SIGN}")


def _drawn(data: pd.DataFrame) -> tuple[list[str], list[str], list[float]]:
    """Opponents, and of the variables and lead times as many as there is room for."""
    variables, leads_h = list(dict.fromkeys(data["variable"])), sorted(set(data["lead_h"]))
    return (
        list(dict.fromkeys(data["opponent"])),
        [variables[index] for index in spread(len(variables), MOST_VARIABLES)],
        [leads_h[index] for index in spread(len(leads_h), MOST_LEADS)],
    )


def _name(opponent: Opponent, labels: Mapping[Any, str]) -> str:
    if opponent.forecaster != MODEL:
        return opponent.forecaster
    return labels.get(opponent.cell, f"{opponent.cell.label} on {opponent.cell.scenario.chip}")


def _caption(subject: FigureSubject, shown: ShownCell, comparison: Comparison, data: pd.DataFrame) -> str:
    against, variables, leads_h = _drawn(data)
    known = data[data["rmse_deviation_fraction"].notna()]
    pairs = sorted(set(known["pairs"])) or [0]
    number = f"{pairs[0]} to {pairs[-1]}" if len(pairs) > 1 else f"{pairs[0]}"
    judged = int(known["rmse_deviation_low90_fraction"].notna().sum())
    sentences = [
        f"Scorecard of {subject.title}, {shown.label}, against {' and '.join(against)}: RMSE / RMSE of the opponent "
        f"- 1 in %, mean over pairs of launches (n = {number}). Triangles: the 90 % interval (Student's t) leaves out "
        "0. Grey: it lies within +-5 % (equivalent); else blue: better, orange: worse, white: undecided."
    ]
    if judged:
        by_chance = f"{judged / 10:.{0 if judged >= 10 else 1}f}"
        sentences.append(f"By chance alone {by_chance} of {judged} would have a triangle.")
    if judged < len(known):
        sentences.append(f"{NO_INTERVAL}: without interval, since there are fewer than 3 pairs.")
    outcomes = set(data["outcome"])
    sentences += [words for outcome, words in HATCHES.items() if outcome in outcomes]
    every = len(set(data["variable"])), len(set(data["lead_h"]))
    if (len(variables), len(leads_h)) != every:
        sentences.append(
            f"{len(variables)} of {every[0]} variables and {len(leads_h)} of {every[1]} lead times; the data have all."
        )
    if refusal := () if comparison.is_baseline else for_skill(comparison).refusal:
        sentences.append(f"Not compared with its baseline: {'; '.join(refusal)}.")
    said = definitions([scores_of(shown.cell)], lambda cell: shown.label, variables)
    return " ".join((*sentences, *map(sentence, said)))
