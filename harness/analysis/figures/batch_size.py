"""Samples a second against the batch size, where records of the same cell with several batch sizes exist."""

import json
from collections import defaultdict
from math import log

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.analysis.cells import Cell
from harness.analysis.content import columns_of
from harness.analysis.figures.fitting import name_ticks
from harness.analysis.figures.launch_marks import COLUMN, column_text, differ, mark, marks_of_cells, note
from harness.analysis.figures.style import (
    ONE_COLUMN_INCHES,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_legend,
    add_title,
    handle,
    legend_inches,
    new_figure,
    set_logarithmic,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.quantities.speed import Activity, activity_rate
from harness.scenario.scenario import NOT_MEASURED

AXES_INCHES, PANEL_INCHES = 2.3, 2.7
"""Height of the axes, and width of a panel."""

MOST_MARKED = 5
"""Points of a panel beside which their launches are written; those of more stand in the legend."""

ACTIVITIES: tuple[Activity, ...] = ("training", "inference")


def illustrate(subject: FigureSubject) -> Drawn:
    """The scaling of a subject."""
    name = f"scaling-{subject.stem}"
    cells = subject.shown(lambda cell: cell.launches)
    data = scaling_data(cells)
    if data.empty:
        sizes = sorted({shown.cell.scenario.training.batch_size for shown in cells})
        ran = f"all ran with batch size {sizes[0]}" if len(sizes) == 1 else "none has two"
        reason = (
            f"it takes records of a cell with two batch sizes: {ran}" if cells else "no cell has a completed launch"
        )
        yield NotDrawn(name, reason)
        return
    caption = (
        f"Samples a second of {subject.title} against the batch size: median over launches with 95 % "
        f"interval, from three launches on. Grey: proportional to the smallest batch.{note(data, ('activity',))}"
    )
    drawn = tuple(shown for shown in cells if shown.label in set(data["cell"]))
    yield Illustration(name, caption, scaling_figure(data, drawn, subject.title), data, tuple(c.cell for c in drawn))


def scaling_data(cells: tuple[ShownCell, ...]) -> pd.DataFrame:
    """A row for each activity, series and batch size; a series is cells that differ in that batch size alone.

    Rates are in samples a second, over all training stages.
    """
    rows: list[dict[str, object]] = []
    for activity in ACTIVITIES:
        series: dict[str, list[tuple[int, ShownCell]]] = defaultdict(list)
        for shown in cells:
            size = getattr(shown.cell.scenario, activity).batch_size
            series[_all_but_batch_size(shown.cell, activity)].append((size, shown))
        for members in series.values():
            in_order = sorted(members, key=lambda member: member[0])
            measured = [(size, shown, activity_rate(shown.cell, activity)) for size, shown in in_order]
            known = [each for each in measured if each[2].values]
            if len({size for size, _, _ in known}) > 1:
                rows += [
                    {
                        "activity": activity,
                        "series": known[0][1].label,
                        **shown.columns,
                        "batch_size": size,
                        "launches": len(rate.values),
                        COLUMN: column_text(rate.values),
                        **columns_of("samples_per_s", rate.median),
                    }
                    for size, shown, rate in known
                ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["activity", "cell"])


def scaling_figure(data: pd.DataFrame, cells: tuple[ShownCell, ...], title: str) -> Figure:
    """Draw the rows of `scaling_data`, one panel for each activity, both axes logarithmic."""
    activities = list(dict.fromkeys(data["activity"]))
    series = set(data["series"])
    first = [shown for shown in cells if shown.label in series]
    beside_points = data.groupby("activity").size().max() <= MOST_MARKED
    of_series = data.assign(cell=data["series"])
    names = [shown.label for shown in first]
    marks = dict.fromkeys(names, "") if beside_points else marks_of_cells(of_series, names, ("activity",))
    labels = [f"{shown.series}{marks[shown.label]}" for shown in first]
    with mpl.rc_context(STYLE):
        handles = [handle(label, shown.look) for label, shown in zip(labels, first, strict=True)]
        width = ONE_COLUMN_INCHES if len(activities) == 1 else TWO_COLUMNS_INCHES
        figure = new_figure(width, AXES_INCHES + legend_inches(labels, width))
        panels = figure.subplots(1, len(activities), squeeze=False)[0]
        for axes, activity in zip(panels, activities, strict=True):
            rows = data[data["activity"] == activity]
            _draw_panel(axes, rows, first, activity, marked=bool(beside_points) and differ(rows))
        add_title(figure, title)
        add_legend(figure, handles)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, first: list[ShownCell], activity: str, *, marked: bool) -> None:
    set_logarithmic(axes, "x", "y")
    for shown in first:
        line = rows[rows["series"] == shown.label]
        if line.empty:
            continue
        sizes, rates, start = line["batch_size"], line["samples_per_s"], line.iloc[0]
        axes.plot(sizes, rates, label=shown.series, **shown.look.line)
        axes.vlines(sizes, line["samples_per_s_low95"], line["samples_per_s_high95"], color=shown.look.colour)
        ideal = sizes * (start["samples_per_s"] / start["batch_size"])
        axes.plot(sizes, ideal, color="0.8", linewidth=0.8, zorder=0)
        if marked:
            for row in line.to_dict("records"):
                place = (row["batch_size"], row["samples_per_s"])
                axes.annotate(mark(row[COLUMN]), place, xytext=(3, -7), textcoords="offset points", fontsize=5)
    name_ticks(axes, sorted(rows["batch_size"].unique()), PANEL_INCHES, log)
    axes.set_xlabel(f"Batch size of {activity}")
    axes.set_ylabel(f"{activity.capitalize()} rate (samples s⁻¹)")
    axes.grid(visible=True)


def _all_but_batch_size(cell: Cell, activity: str) -> str:
    content = cell.scenario.model_dump(mode="json", exclude=set(NOT_MEASURED - {"suite", "variant"}))
    del content[activity]["batch_size"]
    return json.dumps([cell.host, content], sort_keys=True)
