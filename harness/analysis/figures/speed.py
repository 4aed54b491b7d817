"""Time of an epoch and of an inference step as bars, with what did not run as rows that say why."""

from math import sqrt
from textwrap import wrap

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.analysis.cells import Cell
from harness.analysis.content import columns_of
from harness.analysis.figures.launch_marks import COLUMN, column_text, differ, mark, note
from harness.analysis.figures.style import STYLE, TWO_COLUMNS_INCHES, add_title, new_figure, printable
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.number_format import MISSING, readable_unit
from harness.analysis.quantities.quantity import Measured
from harness.analysis.quantities.speed import INFERENCE_STEP, epoch_times, speed_of
from harness.analysis.tables.parts import why_not

ROW_INCHES = 0.3
PANEL_INCHES = 0.9
PANELS_BESIDE = 2
REASON_LINES = 2
REASON_CHARACTERS = 46


def illustrate(subject: FigureSubject) -> Drawn:
    """The bars of a subject."""
    name = f"speed-{subject.stem}"
    cells = subject.shown()
    data = speed_data(subject, cells)
    if data["median_s"].isna().all():
        yield NotDrawn(name, "no cell has a completed launch")
        return
    caption = (
        f"Time of {subject.title}. Bars: median over launches; lines: 95 % interval, from three launches "
        "on; dots: launches. Epoch: data and steps without validation; the first, which compiles, left out where there "
        f"are more. Shorter is faster.{note(data, ('quantity',))}"
    )
    ran = tuple(shown.cell for shown in cells if shown.cell.launches)
    yield Illustration(name, caption, speed_figure(data, cells, subject.title), data, ran)


def speed_data(subject: FigureSubject, cells: tuple[ShownCell, ...]) -> pd.DataFrame:
    """A row for each quantity and cell in seconds, or the reason why there is no value.

    `launch_values_s` holds one value a launch, separated by spaces.
    """
    values = {shown: _times(shown.cell) for shown in cells}
    quantities = dict.fromkeys(title for found in values.values() for title in found) or {"epoch": None}
    rows: list[dict[str, object]] = []
    for quantity in quantities:
        rows += [_row(quantity, shown, found.get(quantity)) for shown, found in values.items()]
        rows += [
            {"quantity": quantity, "cell": label, "chip": entry.chip, "launches": 0, COLUMN: "", "reason": entry.reason}
            for label, entry in subject.absent
        ]
    columns = [*_row("", cells[0], None), "reason"] if cells else ["quantity", "cell", "chip", "median_s", "reason"]
    return pd.DataFrame(rows, columns=list(dict.fromkeys(columns)))


def speed_figure(data: pd.DataFrame, cells: tuple[ShownCell, ...], title: str) -> Figure:
    """Draw the rows of `speed_data`, one panel for each quantity."""
    quantities = list(dict.fromkeys(data["quantity"]))
    beside = min(PANELS_BESIDE, len(quantities))
    below = -(-len(quantities) // beside)
    rows = int((data["quantity"] == quantities[0]).sum())
    colours = {shown.label: shown.look.colour for shown in cells}
    with mpl.rc_context(STYLE):
        figure = new_figure(TWO_COLUMNS_INCHES, below * (PANEL_INCHES + ROW_INCHES * rows))
        panels = figure.subplots(below, beside, sharey=True, squeeze=False).ravel()
        told: set[str] = set()
        for axes, quantity in zip(panels, quantities, strict=False):
            rows_of_panel = data[data["quantity"] == quantity]
            _draw_panel(axes, rows_of_panel, colours, quantity, told)
        for axes in panels[len(quantities) :]:
            axes.set_visible(False)
        add_title(figure, title)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, colours: dict[str, str], quantity: str, told: set[str]) -> None:
    """Draw the rows of a quantity; a reason that is in `told` stands in another panel of that row already."""
    known = rows["median_s"].dropna()
    marked = differ(rows)
    divisor, unit = readable_unit("s", sqrt(known.min() * known.max()) if len(known) else 0.0)
    axes.set_yticks(range(len(rows)), list(map(printable, rows["cell"])))
    axes.set_ylim(len(rows) - (0.3 if marked else 0.5), -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(printable(f"{quantity[0].upper()}{quantity[1:]} ({unit})"))
    bars, dots, intervals = [], [], []
    for position, row in enumerate(rows.to_dict("records")):
        if pd.isna(row["median_s"]):
            reason = f"{row['cell']}: {row['reason']}"
            _write_reason(axes, position, MISSING if reason in told else str(row["reason"]))
            told.add(reason)
            continue
        bars.append((position, row["median_s"] / divisor, colours[row["cell"]]))
        dots += [(float(value) / divisor, position) for value in row["launch_values_s"].split()]
        if marked:
            _write_below(axes, position, mark(row[COLUMN]))
        if not pd.isna(row["median_s_low95"]):
            sides = row["median_s"] - row["median_s_low95"], row["median_s_high95"] - row["median_s"]
            intervals.append((row["median_s"] / divisor, position, *(max(0.0, side) / divisor for side in sides)))
    if bars:
        positions, values, looks = zip(*bars, strict=True)
        axes.barh(positions, values, height=0.62, color=looks, alpha=0.75)
    if dots:
        axes.plot(*zip(*dots, strict=True), ".", color="0.15", markersize=3, zorder=3)
    if intervals:
        values, positions, *errors = zip(*intervals, strict=True)
        axes.errorbar(values, positions, xerr=errors, color="black", linewidth=1.0, linestyle="none")
    axes.set_xlim(left=0)
    axes.grid(visible=True, axis="x")


def _write_below(axes: Axes, position: int, text: str) -> None:
    """Write under the bar of a row."""
    axes.annotate(
        text,
        (0.0, position + 0.33),
        xycoords=axes.get_yaxis_transform(),
        xytext=(3, 0),
        textcoords="offset points",
        va="top",
        fontsize=5,
        color="0.3",
    )


def _write_reason(axes: Axes, position: int, reason: str) -> None:
    lines = wrap(printable(reason), REASON_CHARACTERS, max_lines=REASON_LINES, placeholder=" ...")
    axes.annotate(
        "\n".join(lines),
        (0.0, position),
        xycoords=axes.get_yaxis_transform(),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=6,
        color="0.3",
    )


def _times(cell: Cell) -> dict[str, Measured]:
    step = speed_of(cell).get(INFERENCE_STEP)
    epochs = {found.title.replace("epoch", "time per epoch"): found for found in epoch_times(cell)}
    return epochs | ({"inference step": step} if step else {})


def _row(quantity: str, shown: ShownCell, measured: Measured | None) -> dict[str, object]:
    reason = (measured.reason if measured else None) or "not part of its training"
    values = measured.values if measured else {}
    return {
        "quantity": quantity,
        **shown.columns,
        "launches": len(values),
        COLUMN: column_text(values),
        **columns_of("median_s", measured.median if measured else None),
        "launch_values_s": " ".join(f"{value:.6g}" for value in values.values()),
        "reason": None if values else reason if shown.cell.launches else why_not(shown.cell),
    }
