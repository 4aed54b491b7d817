"""Loss by epoch of all cells that trained the same model on the same data."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from harness.analysis.figures.launch_marks import marks_of_cells, note
from harness.analysis.figures.style import (
    ONE_COLUMN_INCHES,
    REFERENCE_COLOUR,
    STYLE,
    add_legend,
    add_title,
    handle,
    legend_inches,
    new_figure,
    set_logarithmic,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.quantities.losses import losses_of, not_finite, trained

AXES_INCHES = 2.3
MOST_MARKERS = 10
PARTS: dict[str, LineStyleType] = {"training": "-", "validation": "--"}
LOG_FROM = 10.0
"""Ratio of the greatest to the least loss above which the axis is logarithmic."""


def illustrate(subject: FigureSubject) -> Drawn:
    """The loss curves of a subject."""
    name = f"loss-{subject.stem}"
    cells = subject.shown(trained)
    if not cells:
        yield NotDrawn(name, "no cell has a completed training")
        return
    data = loss_data(cells)
    caption = (
        f"Loss of {subject.title}. Training loss: mean over the steps of an epoch. Lines: median over launches; bands: "
        f"from the least to the greatest launch. Dotted: a new stage begins.{note(data, ('epoch',))}"
    )
    if blown_up := [line for shown in cells if (line := _blown_up(shown))]:
        caption += f" Not shown, as it is not finite: {'; '.join(blown_up)}."
    yield Illustration(name, caption, loss_figure(data, cells, subject.title), data, tuple(c.cell for c in cells))


def loss_data(cells: tuple[ShownCell, ...]) -> pd.DataFrame:
    """Loss by cell and epoch: median, least and greatest over launches; dimensionless, as the networks' fields are.

    The training loss of an epoch is the mean over its steps. Epochs count through all stages.
    """
    losses = [losses_of(shown.cell) for shown in cells]
    data = pd.concat(losses, ignore_index=True)
    for name in cells[0].columns:
        data[name] = [shown.columns[name] for shown, of in zip(cells, losses, strict=True) for _ in range(len(of))]
    return data


def loss_figure(data: pd.DataFrame, cells: tuple[ShownCell, ...], title: str) -> Figure:
    """Draw the rows of `loss_data`: for each cell a line and a band of each part, the validation dashed."""
    with mpl.rc_context(STYLE):
        marks = marks_of_cells(data, [shown.label for shown in cells])
        texts = {shown: marks[shown.label] or f" (n = {_launches(data, shown)})" for shown in cells}
        handles = [handle(f"{shown.label}{texts[shown]}", shown.look) for shown in cells]
        handles += [
            Line2D([], [], color=REFERENCE_COLOUR, linestyle=PARTS[part], label=part) for part in _parts_of(data)
        ]
        height = AXES_INCHES + legend_inches([str(entry.get_label()) for entry in handles], ONE_COLUMN_INCHES)
        figure = new_figure(ONE_COLUMN_INCHES, height)
        axes = figure.add_subplot()
        for shown in cells:
            _draw_cell(axes, data[data["cell"] == shown.label], shown)
        for first_epoch in _stage_starts(data):
            axes.axvline(first_epoch - 0.5, color="0.6", linewidth=0.8, linestyle=":")
        losses = data[["training_loss_median", "validation_loss_median"]].to_numpy(dtype=float)
        losses = losses[np.isfinite(losses)]
        if len(losses) and losses.min() > 0 and losses.max() > LOG_FROM * losses.min():
            set_logarithmic(axes, "y")
        add_title(figure, title)
        axes.set_xlabel("Epoch")
        axes.set_ylabel("Loss (dimensionless)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True)
        add_legend(figure, handles)
    return figure


def _parts_of(data: pd.DataFrame) -> list[str]:
    """The parts that have a loss: without a validation split the training alone."""
    return [part for part in PARTS if data[f"{part}_loss_median"].notna().any()]


def _launches(data: pd.DataFrame, shown: ShownCell) -> int:
    return int(data.loc[data["cell"] == shown.label, "launches"].max())


def _draw_cell(axes: Axes, rows: pd.DataFrame, shown: ShownCell) -> None:
    look = shown.look
    for part in _parts_of(rows):
        axes.plot(
            rows["epoch"],
            rows[f"{part}_loss_median"],
            linestyle=PARTS[part],
            markevery=max(1, len(rows) // MOST_MARKERS),
            markerfacecolor=look.colour if part == "training" else "white",
            label=f"{shown.label}, {part}",
            **look.line,
        )
        low, high = rows[f"{part}_loss_min"], rows[f"{part}_loss_max"]
        axes.fill_between(rows["epoch"], low, high, color=look.colour, alpha=0.12, linewidth=0)


def _blown_up(shown: ShownCell) -> str | None:
    """The launches in which a loss is infinite or NaN."""
    found = not_finite(shown.cell)
    return f"the loss of {shown.label} in launch {', '.join(map(str, found))}" if found else None


def _stage_starts(data: pd.DataFrame) -> list[int]:
    starts = data.groupby("stage", sort=False)["epoch"].min()
    return sorted(int(first) for first in starts if first > 1)
