"""Energy against time of an epoch and of an inference step, over lines of equal power."""

from collections.abc import Sequence
from math import floor, log10
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.analysis.content import columns_of
from harness.analysis.figures.launch_marks import COLUMN, column_text, marks_of_cells, note
from harness.analysis.figures.style import (
    ONE_COLUMN_INCHES,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_legend,
    add_title,
    handle,
    legend_inches,
    new_figure,
    printable,
    set_logarithmic,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.number_format import readable_unit
from harness.analysis.quantities.energy import INFERENCE_PAIR, energy_of, timed_activities, times_and_energies

AXES_INCHES = 2.7
MARGIN = 2.0
"""Factor between the outermost points and the edges of the axes."""

MOST_LINES = 6
POWER_STEPS = ((1, 2, 5), (1, 3), (1,))


def illustrate(subject: FigureSubject) -> Drawn:
    """Energy against time of a subject."""
    name = f"energy-{subject.stem}"
    cells = subject.shown(lambda cell: cell.launches)
    data = energy_data(cells)
    if data.empty:
        of_cells: dict[str, list[str]] = {}
        for shown in cells:
            of_cells.setdefault(_reasons(shown)[0], []).append(shown.label)
        alike = len(of_cells) == 1
        reasons = "; ".join(why if alike else f"{', '.join(labels)}: {why}" for why, labels in of_cells.items())
        yield NotDrawn(name, f"no cell has energy from a valid window: {reasons or 'none has run'}")
        return
    drawable = data[(data["time_s"] > 0) & (data["energy_j"] > 0)]
    if drawable.empty:
        yield NotDrawn(name, f"no cell has an energy and a time above 0: {'; '.join(_points(data))}")
        return
    missing = _missing(cells, data)
    caption = (
        f"Gross energy of the devices against time, {subject.title}: median over launches with 95 % "
        "interval, from three launches on. Lines: equal mean power. Down and left is better."
        f"{note(drawable, ('activity',))}"
    )
    if missing:
        caption += f" Without energy: {'; '.join(missing)}."
    if len(drawable) < len(data):
        outside = "; ".join(_points(data.drop(drawable.index)))
        caption += f" Left out, as logarithmic axes begin above 0: {outside}."
    drawn = tuple(shown for shown in cells if shown.label in set(drawable["cell"]))
    yield Illustration(name, caption, energy_figure(drawable, drawn, subject.title), data, tuple(c.cell for c in drawn))


def _missing(cells: Sequence[ShownCell], data: pd.DataFrame) -> list[str]:
    """The activities of cells that have no energy, with the reason once for all that share it."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for shown in cells:
        for activity in dict.fromkeys(data["activity"]):
            if not ((data["cell"] == shown.label) & (data["activity"] == activity)).any():
                lacking.setdefault((shown.label, _reasons(shown, activity)[0]), []).append(activity)
    alike: dict[tuple[str, str], list[str]] = {}
    for (label, reason), activities in lacking.items():
        alike.setdefault((" and ".join(activities), reason), []).append(label)
    return [f"{what} of {'; '.join(labels)} ({reason})" for (what, reason), labels in alike.items()]


def energy_data(cells: tuple[ShownCell, ...]) -> pd.DataFrame:
    """A row for each cell and activity that has both: seconds and joules of an epoch or of an inference step."""
    rows: list[dict[str, object]] = [
        {
            "activity": found.activity,
            **shown.columns,
            "launches": len(found.time.values),
            COLUMN: column_text(found.time.values),
            **columns_of("time_s", found.time.median),
            **columns_of("energy_j", found.energy.median),
        }
        for shown in cells
        for found in times_and_energies(shown.cell)
    ]
    rows.sort(key=lambda row: row["activity"] == INFERENCE_PAIR)
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["activity", "cell"])


def energy_figure(data: pd.DataFrame, cells: tuple[ShownCell, ...], title: str) -> Figure:
    """Draw rows of `energy_data` above 0 s and 0 J, one panel for each activity."""
    activities = list(dict.fromkeys(data["activity"]))
    with mpl.rc_context(STYLE):
        marks = marks_of_cells(data, [shown.label for shown in cells], ("activity",))
        labels = [f"{shown.label}{marks[shown.label]}" for shown in cells]
        handles = [handle(label, shown.look, "none") for label, shown in zip(labels, cells, strict=True)]
        width = ONE_COLUMN_INCHES if len(activities) == 1 else TWO_COLUMNS_INCHES
        figure = new_figure(width, AXES_INCHES + legend_inches(labels, width))
        panels = figure.subplots(1, len(activities), squeeze=False)[0]
        for axes, activity in zip(panels, activities, strict=True):
            _draw_panel(axes, data[data["activity"] == activity], cells, activity)
        add_title(figure, title)
        add_legend(figure, handles)
    return figure


def power_lines(least_w: float, most_w: float) -> list[float]:
    """Round powers from `least_w` to `most_w`, at most MOST_LINES where decades allow it."""
    found: list[float] = []
    for steps in POWER_STEPS:
        decades = range(floor(log10(least_w)), floor(log10(most_w)) + 1)
        found = [step * 10.0**decade for decade in decades for step in steps]
        found = [power_w for power_w in found if least_w <= power_w <= most_w]
        if len(found) <= MOST_LINES:
            break
    return found


def _reasons(shown: ShownCell, activity: str | None = None) -> list[str]:
    energy = energy_of(shown.cell)
    found = [*energy.reasons_for_none]
    for of_energy, (name, _) in timed_activities(shown.cell).items():
        found += energy.reasons(of_energy) if activity in (None, name) else ()
    return list(dict.fromkeys(found)) or ["no window was recorded"]


def _points(rows: pd.DataFrame) -> list[str]:
    return [
        f"{activity} of {cell} ({time_s:g} s, {energy_j:g} J)"
        for activity, cell, time_s, energy_j in rows[["activity", "cell", "time_s", "energy_j"]].itertuples(index=False)
    ]


def _draw_panel(axes: Axes, rows: pd.DataFrame, cells: tuple[ShownCell, ...], activity: str) -> None:
    divisor, unit = readable_unit("s", float((rows["time_s"].min() * rows["time_s"].max()) ** 0.5))
    set_logarithmic(axes, "x", "y")
    looks = {shown.label: shown.look for shown in cells}
    for row in rows.to_dict("records"):
        look = looks[row["cell"]]
        axes.errorbar(
            row["time_s"] / divisor,
            row["energy_j"],
            xerr=_errors(row, "time_s", divisor),
            yerr=_errors(row, "energy_j", 1.0),
            color=look.colour,
            marker=look.marker,
            markersize=5,
            linewidth=1.0,
            zorder=3,
        )
    _set_limits(axes, rows, divisor)
    _draw_power_lines(axes, divisor)
    axes.set_xlabel(f"Time per {printable(activity)} ({unit})")
    axes.set_ylabel(f"Energy per {printable(activity)} (J)")


def _errors(row: dict[Any, Any], name: str, divisor: float) -> list[list[float]] | None:
    if pd.isna(row[f"{name}_low95"]):
        return None
    below, above = row[name] - row[f"{name}_low95"], row[f"{name}_high95"] - row[name]
    return [[max(0.0, below) / divisor], [max(0.0, above) / divisor]]


def _set_limits(axes: Axes, rows: pd.DataFrame, divisor: float) -> None:
    for name, scale, set_limits in (("time_s", divisor, axes.set_xlim), ("energy_j", 1.0, axes.set_ylim)):
        columns = rows[[name, f"{name}_low95", f"{name}_high95"]].astype(float)
        columns = columns.where(columns > 0)
        set_limits(columns.min().min() / scale / MARGIN, columns.max().max() / scale * MARGIN)


def _draw_power_lines(axes: Axes, divisor: float) -> None:
    """Lines from edge to edge; each is named outside the axes, where it leaves them."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    least_w, most_w = bottom / (right * divisor), top / (left * divisor)
    for power_w in power_lines(least_w * 1.5, most_w / 1.5):
        axes.plot([left, right], [power_w * left * divisor, power_w * right * divisor], color="0.75", linewidth=0.7)
        at_right = power_w * right * divisor
        beyond = (right, at_right) if at_right <= top else (top / (power_w * divisor), top)
        axes.annotate(
            f"{power_w:g} W",
            beyond,
            xytext=(2, 0) if at_right <= top else (0, 2),
            textcoords="offset points",
            ha="left" if at_right <= top else "center",
            va="center" if at_right <= top else "bottom",
            fontsize=6,
            color="0.4",
            annotation_clip=False,
        )
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
