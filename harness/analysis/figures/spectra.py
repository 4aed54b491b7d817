"""Power spectra of forecast and truth, and their ratio, against the zonal wavenumber or another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from harness.analysis.figures.fitting import broken
from harness.analysis.figures.launch_marks import COLUMN, column_text
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
    set_decades,
    set_logarithmic,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.quantities.spectra import ZONAL, CellSpectra, Wavenumbers, spectra_of
from harness.errors import UserError
from harness.results.forecast import spread

MOST_VARIABLES, MOST_CELLS = 4, 6
ROW_INCHES, LINE_INCHES, BESIDE_INCHES = 1.75, 0.14, 0.3
"""Heights of a panel and of a line of a title; width that the names of ticks take beside it."""

LINES: tuple[LineStyleType, ...] = (":", "--", "-")
"""Of lead times, the longest one solid."""

RATIO_BOUNDS = 1e-2, 1e2
"""Beyond them a ratio says no more than that it is beyond them."""

MOST_WITH_FRACTIONS = 200.0
"""From the smallest ratio to the largest: 2 and 5 are labelled as well as powers of ten."""

SMALLEST_SHARE = 1e-9
"""Of the largest power that is drawn."""


@dataclass(frozen=True)
class Abscissa:
    """The wavenumbers that a figure is drawn against.

    `kind` is what its name begins with, `column` that of its data and `label` that of its axis; `title` and
    `definition` are parts of its caption.
    """

    by: Wavenumbers
    kind: str
    column: str
    label: str
    title: str
    definition: str


ZONAL_WAVENUMBERS = Abscissa(
    by=ZONAL,
    kind="spectra",
    column="zonal_wavenumber",
    label="Zonal wavenumber",
    title="Zonal power spectra",
    definition="mean square by wavenumber along circles of latitude, averaged by area",
)


def illustrate(subject: FigureSubject) -> Drawn:
    """The zonal spectra of a subject's first cells that kept some."""
    return illustrate_against(ZONAL_WAVENUMBERS, subject)


def illustrate_against(abscissa: Abscissa, subject: FigureSubject) -> Drawn:
    """The spectra of a subject's first cells that kept some by these wavenumbers."""
    name = f"{abscissa.kind}-{subject.stem}"
    found: dict[ShownCell, CellSpectra] = {}
    reasons: dict[str, None] = {}
    for shown in subject.shown(lambda cell: cell.launches):
        try:
            found[shown] = spectra_of(shown.cell, abscissa.by)
        except UserError as error:
            reasons[str(error)] = None
        if len(found) == MOST_CELLS:
            break
    if not found:
        yield NotDrawn(name, "; ".join(reasons) or "no cell has a completed launch")
        return
    variables = list(dict.fromkeys(name for spectra in found.values() for name in spectra.pooled.channels))
    chosen = [variables[index] for index in spread(len(variables), MOST_VARIABLES)]
    data = spectra_data(found, chosen, abscissa.column)
    figure = spectra_figure(data, tuple(found), subject.title, abscissa)
    caption = _caption(subject, found, data, len(variables), abscissa)
    yield Illustration(name, caption, figure, data, tuple(shown.cell for shown in found))


def spectra_data(found: Mapping[ShownCell, CellSpectra], variables: Sequence[str], column: str) -> pd.DataFrame:
    """A row for each cell, variable, lead time and wavenumber: powers in the units squared, and their ratio."""
    rows = []
    for shown, spectra in found.items():
        pooled = spectra.pooled
        forecast, truth = pooled.mean_forecast, pooled.mean_truth
        with np.errstate(invalid="ignore"):
            low, median, high = (each(spectra.ratios, axis=0) for each in (np.min, np.median, np.max))
        for lead, lead_h in enumerate(pooled.lead_h):
            for channel, (variable, units) in enumerate(zip(pooled.channels, pooled.units, strict=True)):
                if variable not in variables:
                    continue
                rows.append(
                    pd.DataFrame(
                        {
                            **shown.columns,
                            "variable": variable,
                            "units": units,
                            "lead_h": lead_h,
                            "launches": len(spectra.launches),
                            COLUMN: column_text(spectra.launches),
                            "samples": pooled.samples[lead],
                            "rows": pooled.rows[channel],
                            column: np.arange(truth.shape[2]),
                            "forecast_power": forecast[lead, channel],
                            "truth_power": truth[lead, channel],
                            "ratio_median": median[lead, channel],
                            "ratio_min": low[lead, channel],
                            "ratio_max": high[lead, channel],
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def spectra_figure(data: pd.DataFrame, cells: Sequence[ShownCell], title: str, abscissa: Abscissa) -> Figure:
    """Draw the rows of `spectra_data`: for each variable the power at the longest lead time above the ratios."""
    variables, leads_h = list(dict.fromkeys(data["variable"])), _leads_drawn(data)
    lines = dict(zip(leads_h, LINES[-len(leads_h) :], strict=True))
    grey: Any = {"color": REFERENCE_COLOUR}
    with mpl.rc_context(STYLE):
        handles = [handle(shown.label, shown.look) for shown in cells]
        handles += [Line2D([], [], linewidth=2.5, alpha=0.5, label="truth", **grey)]
        handles += [Line2D([], [], linestyle=line, label=f"{lead_h:g} h", **grey) for lead_h, line in lines.items()]
        labels = [str(each.get_label()) for each in handles]
        width = ONE_COLUMN_INCHES if len(variables) == 1 else TWO_COLUMNS_INCHES
        titles = {variable: _title(data, variable, width / len(variables) - BESIDE_INCHES) for variable in variables}
        above_inches = LINE_INCHES * max(title.count("\n") for title in titles.values())
        figure = new_figure(width, 2 * ROW_INCHES + 0.2 + above_inches + legend_inches(labels, width))
        panels = figure.subplots(2, len(variables), squeeze=False, sharex=True)
        for variable, (above, below) in zip(variables, panels.T, strict=True):
            rows = data[(data["variable"] == variable) & (data[abscissa.column] > 0)].rename(
                columns={abscissa.column: "wavenumber"}
            )
            _draw_power(above, rows[rows["lead_h"] == leads_h[-1]], cells, first=variable == variables[0])
            above.set_title(titles[variable])
            _draw_ratio(below, rows, cells, lines, first=variable == variables[0])
            below.set_xlabel(abscissa.label)
        add_title(figure, title)
        add_legend(figure, handles)
    return figure


def _title(data: pd.DataFrame, variable: str, inches: float) -> str:
    units = data.loc[data["variable"] == variable, "units"].iloc[0]
    return broken(variable, units, inches)


def _draw_power(axes: Axes, rows: pd.DataFrame, cells: Sequence[ShownCell], *, first: bool) -> None:
    for number, shown in enumerate(cells):
        own = rows[rows["cell"] == shown.label]
        if number == 0:
            line: Any = {"color": REFERENCE_COLOUR, "linewidth": 2.5, "alpha": 0.5}
            axes.plot(own["wavenumber"], _drawable(own["truth_power"]), label="truth", **line)
        _plot(axes, own["wavenumber"], _drawable(own["forecast_power"]), shown, "-", shown.label)
    set_logarithmic(axes, "x")
    set_decades(axes)
    largest = float(rows["truth_power"].max())
    if largest > 0:
        axes.set_ylim(bottom=SMALLEST_SHARE * largest, top=10 * largest)
    if first:
        axes.set_ylabel("Power (units squared)")
    axes.grid(visible=True)


def _draw_ratio(
    axes: Axes, rows: pd.DataFrame, cells: Sequence[ShownCell], lines: Mapping[float, LineStyleType], *, first: bool
) -> None:
    axes.axhline(1.0, color=REFERENCE_COLOUR, linewidth=0.7)
    for shown in cells:
        for lead_h, line in lines.items():
            own = rows[(rows["cell"] == shown.label) & (rows["lead_h"] == lead_h)]
            wavenumbers, ratios = own["wavenumber"], _drawable(own["ratio_median"])
            _plot(axes, wavenumbers, ratios, shown, line, f"{shown.label}, {lead_h:g} h")
            if lead_h == max(lines) and own["launches"].iloc[0] > 1:
                bounds = _drawable(own["ratio_min"]), _drawable(own["ratio_max"])
                axes.fill_between(wavenumbers, *bounds, color=shown.look.colour, alpha=0.2, linewidth=0)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    low, high = max(min(low, 0.9), RATIO_BOUNDS[0]), min(max(high, 1.1), RATIO_BOUNDS[1])
    if high / low <= MOST_WITH_FRACTIONS:
        set_logarithmic(axes, "x", "y")
    else:
        set_logarithmic(axes, "x")
        set_decades(axes)
    axes.set_ylim(low, high)
    if first:
        axes.set_ylabel("Forecast / truth")
    axes.grid(visible=True)


def _plot(
    axes: Axes,
    wavenumbers: "pd.Series[float]",
    values: "pd.Series[float]",
    shown: ShownCell,
    line: LineStyleType,
    label: str,
) -> None:
    """Draw a line with a dot at each wavenumber, and the cell's marker at the first of each octave that has a value."""
    look, width = shown.look, 0.8 + 0.8 * shown.look.prominence
    axes.plot(
        wavenumbers,
        values,
        color=look.colour,
        linewidth=width,
        linestyle=line,
        marker=".",
        markersize=1 + width,
        label=label,
    )
    known = np.flatnonzero(values.notna())
    octaves = np.floor(np.log2(wavenumbers.to_numpy(dtype=float)[known]))
    marked = known[np.unique(octaves, return_index=True)[1]]
    axes.plot(
        wavenumbers.iloc[marked],
        values.iloc[marked],
        color=look.colour,
        linestyle="none",
        marker=look.marker,
        markersize=3 + 2 * look.prominence,
    )


def _drawable(values: "pd.Series[float]") -> "pd.Series[float]":
    """Values that a logarithmic axis can bear; nothing is drawn of a forecast that blew up."""
    return values.where(np.isfinite(values) & (values > 0))


def _leads_drawn(data: pd.DataFrame) -> list[float]:
    """Of the lead times as many as there are kinds of lines."""
    leads_h = sorted(set(data["lead_h"]))
    return [leads_h[index] for index in spread(len(leads_h), len(LINES))]


def _caption(
    subject: FigureSubject, found: Mapping[ShownCell, CellSpectra], data: pd.DataFrame, every: int, abscissa: Abscissa
) -> str:
    sentences = [
        f"{abscissa.title} of {subject.title}. Above: {abscissa.definition}, mean over starts and launches, at "
        f"{data['lead_h'].max():g} h. Below: forecast over truth, median over launches, shaded from least to greatest "
        "at the longest lead time; below 1 the forecast is smoother."
    ]
    if (data["ratio_median"].isna() & np.isfinite(data["forecast_power"]) & (data[abscissa.column] > 0)).any():
        sentences.append("No ratio where the truth has no power beyond the rounding of float32.")
    if not np.isfinite(data["forecast_power"]).all():
        sentences.append("Nothing is drawn where a forecast blew up.")
    circles = data.groupby("variable", sort=False)["rows"].min()
    height = next(iter(found)).cell.scenario.grid[0]
    if (circles < height).any():
        counted = ", ".join(f"{rows} of {name}" for name, rows in circles.items())
        sentences.append(f"Of {height} circles those count that have values all round the globe: {counted}.")
    if len(circles) < every:
        sentences.append(f"{len(circles)} of {every} variables; {abscissa.by.file_name} beside the records has more.")
    known = {shown.label for shown in found}
    if left := [shown.label for shown in subject.shown(lambda cell: cell.launches) if shown.label not in known]:
        sentences.append(f"Not shown: {', '.join(left)}.")
    return " ".join(sentences)
