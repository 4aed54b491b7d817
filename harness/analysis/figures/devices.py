"""Speed-up and efficiency against the number of devices, weak and strong scaling apart, with the ideal."""

from collections.abc import Iterator, Sequence
from math import log

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import LineStyleType

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.scaling import (
    Curve,
    cells_of,
    curves,
    devices_of,
    efficiency,
    nodes_of,
    rates,
    speed_up,
)
from harness.analysis.content import columns_of
from harness.analysis.figures.fitting import name_ticks
from harness.analysis.figures.launch_marks import COLUMN, column_text
from harness.analysis.figures.style import (
    REFERENCE_COLOUR,
    STYLE,
    TWO_COLUMNS_INCHES,
    MarkerStyle,
    add_legend,
    add_title,
    handle,
    legend_inches,
    looks,
    new_figure,
    set_logarithmic,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn
from harness.analysis.quantities.quantity import Quantity
from harness.suggesting import command

AXES_INCHES, PANEL_INCHES = 2.3, 2.7
"""Height of the axes, and width of a panel."""

PANELS = (("speed_up", "Speed-up"), ("efficiency", "Efficiency"))
LINES: dict[str, LineStyleType] = {"weak": "-", "strong": "--"}


def illustrate(subject: FigureSubject) -> Drawn:
    """The scaling of a subject over devices."""
    name = f"devices-{subject.stem}"
    found = [(group, curve) for group in subject.groups for curve in curves(group)]
    data = devices_data(found)
    if data.empty:
        yield NotDrawn(name, f"it takes records of a cell on one device and on several: {_command(subject)}")
        return
    caption = (
        f"Speed-up and efficiency of training, {subject.title}, against the number of devices: ratio to one device "
        "over launches of the same number with its 95 % interval, from three launches on. Weak scaling keeps the batch "
        "of each device, strong scaling (dashed) that of all together. Grey: the ideal."
    )
    if (data["nodes"] > 1).any():
        caption += " Hollow: on several nodes."
    cells = cells_of([curve for _, curve in found])
    yield Illustration(name, caption, devices_figure(data, subject.title), data, cells)


def devices_data(found: Sequence[tuple[Group, Curve]]) -> pd.DataFrame:
    """A row for each curve, training stage and number of devices; that of one device is 1 by definition.

    A curve is one series, or one for each number of nodes where the same number of devices is on several of them.
    """
    rows: list[dict[str, object]] = []
    for group, curve in found:
        several = len(list(rates(curve.base))) > 1
        for rate in rates(curve.base):
            fair = [each for each in curve.points if speed_up(each, rate.name).value is not None]
            if not fair:
                continue
            series = f"{group.label(curve.base)}, {curve.name.rpartition(', ')[2]}"
            series += f", {rate.title}" if several else ""
            series += "" if curve.parallel == "data" else f", {curve.parallel.replace('_', ' ')}"
            one = Quantity(1.0, launches=tuple(rate.values))
            for suffix, points in _apart(fair):
                rows.append(_row(series + suffix, curve, curve.base, one, one))
                rows += [
                    _row(series + suffix, curve, each.cell, speed_up(each, rate.name), efficiency(each, rate.name))
                    for each in points
                ]
    return pd.DataFrame(rows)


def _apart(points: Sequence[Comparison]) -> Iterator[tuple[str, Sequence[Comparison]]]:
    """The points of each series of a curve, and what its name ends with."""
    if len({devices_of(each.cell) for each in points}) == len(points):
        yield "", points
        return
    for nodes in sorted({nodes_of(each.cell) for each in points}):
        on_these = [each for each in points if nodes_of(each.cell) == nodes]
        yield "" if nodes == 1 else f", {nodes} nodes", on_these


def devices_figure(data: pd.DataFrame, title: str) -> Figure:
    """Draw the rows of `devices_data`: speed-up with both axes logarithmic, efficiency beside it."""
    series = list(dict.fromkeys(data["series"]))
    drawn_as = looks([title] * len(series), series)
    with mpl.rc_context(STYLE):
        figure = new_figure(TWO_COLUMNS_INCHES, AXES_INCHES + legend_inches(series, TWO_COLUMNS_INCHES))
        for axes, (name, label) in zip(figure.subplots(1, 2), PANELS, strict=True):
            for each, look in zip(series, drawn_as, strict=True):
                _draw_line(axes, data[data["series"] == each], name, look)
            _finish(axes, data, name, label)
        add_title(figure, title)
        lines = [LINES[data[data["series"] == each]["scaling"].iloc[0]] for each in series]
        add_legend(figure, [handle(each, look, line) for each, look, line in zip(series, drawn_as, lines, strict=True)])
    return figure


def _draw_line(axes: Axes, rows: pd.DataFrame, name: str, look: MarkerStyle) -> None:
    style = {**look.line, "linestyle": LINES[rows["scaling"].iloc[0]]}
    axes.plot(rows["devices"], rows[name], label=rows["series"].iloc[0], **style)
    far = rows[rows["nodes"] > 1]
    axes.plot(far["devices"], far[name], label="_on several nodes", **{**style, "linestyle": "none", "mfc": "white"})
    axes.vlines(rows["devices"], rows[f"{name}_low95"], rows[f"{name}_high95"], color=look.colour)


def _finish(axes: Axes, data: pd.DataFrame, name: str, label: str) -> None:
    ticks = sorted(data["devices"].unique())
    if name == "speed_up":
        set_logarithmic(axes, "x", "y")
        axes.plot(ticks, ticks, color=REFERENCE_COLOUR, linewidth=0.8, zorder=0)
    else:
        set_logarithmic(axes, "x")
        axes.axhline(1.0, color=REFERENCE_COLOUR, linewidth=0.8, zorder=0)
        axes.set_ylim(0, 1.15 * max(1.0, np.nanmax(data[[name, f"{name}_high95"]].to_numpy(float))))
    name_ticks(axes, ticks, PANEL_INCHES, log)
    axes.set_xlabel("Devices")
    axes.set_ylabel(label)
    axes.grid(visible=True)


def _row(series: str, curve: Curve, cell: Cell, faster: Quantity, share: Quantity) -> dict[str, object]:
    return {
        "series": series,
        "scaling": curve.scaling,
        "parallel": curve.parallel,
        "chip": cell.scenario.chip,
        "host": cell.host,
        "cell_key": cell.key,
        "devices": devices_of(cell),
        "nodes": nodes_of(cell),
        "batch_size": cell.scenario.training.batch_size,
        COLUMN: column_text(faster.launches),
        **columns_of("speed_up", faster),
        **columns_of("efficiency", share),
        "ideal_speed_up": devices_of(cell),
    }


def _command(subject: FigureSubject) -> str:
    """The bench that would make the records."""
    cell = next((cell for group in subject.groups for cell in group.cells), None)
    model = cell.scenario.files.get("model", subject.model) if cell else subject.model
    words = ("bench", "--model", model, "--preset", subject.preset, "--devices", "1,2")
    return command(*words, results=cell.results if cell else None)
