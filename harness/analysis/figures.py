"""Loss curves of all cells that trained the same model on the same data."""

import re
from collections import defaultdict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.analysis.cells import Cell, Group
from harness.analysis.tables import make_folder
from harness.record import Record, write_atomically

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLE: Any = {"pdf.fonttype": 42, "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
SIZE_INCHES = (6.3, 4.0)
PNG_DPI = 200


def write_loss_curves(groups: Sequence[Group], folder: Path) -> tuple[Path, ...]:
    """Draw one figure for each model, preset and data set, as PDF and PNG with its data as CSV; return the paths.

    The folder is made where it is missing. Raises UserError where it cannot be written. Cells without a completed
    launch have no curve; where no cell has one there is no figure.
    """
    by_subject: dict[tuple[str, str, str], list[Group]] = defaultdict(list)
    for group in groups:
        if _trained(group):
            by_subject[group.model, group.preset, group.data_name].append(group)
    paths: list[Path] = []
    for subject, members in by_subject.items():
        data = loss_data(members)
        make_folder(folder)
        stem = folder / re.sub(r"[^\w.-]", "_", f"loss-{'-'.join(subject)}")
        csv = stem.with_name(f"{stem.name}.csv")
        write_atomically(csv, data.to_csv(index=False))
        paths += [*_save(loss_figure(data, "{} {}, data {}".format(*subject)), stem), csv]
    return tuple(paths)


def loss_data(groups: Sequence[Group]) -> pd.DataFrame:
    """Loss by cell and epoch: median, least and greatest over launches; dimensionless, as the networks' fields are.

    The training loss of an epoch is the mean over its steps. Epochs count through all stages.
    """
    hosts = {group.host for group in groups}
    chips = {group.chip for group in groups}
    frames = []
    for group in groups:
        for cell in _trained(group):
            parts = [group.label(cell)]
            parts += [group.chip] if len(chips) > 1 else []
            parts += [f"host {group.host}"] if len(hosts) > 1 else []
            frames.append(_cell_data(cell).assign(cell=", ".join(parts), chip=group.chip, host=group.host))
    return pd.concat(frames, ignore_index=True)


def loss_figure(data: pd.DataFrame, title: str) -> Figure:
    """Draw the rows of `loss_data`: a line and a band for each cell, its validation loss dashed.

    The first cell's line is wide, so that it shows where another lies on it.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for number, (label, rows) in enumerate(data.groupby("cell", sort=False)):
            _draw_cell(axes, rows, str(label), number)
        for first_epoch in _stage_starts(data):
            axes.axvline(first_epoch - 0.5, color="0.6", linewidth=0.8, linestyle=":")
        losses = data[["training_loss_median", "validation_loss_median"]].to_numpy()
        if losses.min() > 0 and losses.max() > 10 * losses.min():
            axes.set_yscale("log")
        axes.set_title(f"{title}: median over launches, band from least to greatest", fontsize=9)
        axes.set_xlabel("Epoch")
        axes.set_ylabel("Loss (dimensionless)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True, color="0.9", linewidth=0.6)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _trained(group: Group) -> list[Cell]:
    return [cell for cell in group.cells if any(record.measurements.training for record in cell.launches)]


def _draw_cell(axes: Axes, rows: pd.DataFrame, label: str, number: int) -> None:
    colour, marker = OKABE_ITO[number % len(OKABE_ITO)], MARKERS[number % len(MARKERS)]
    launches, prominence = rows["launches"].max(), max(0.0, 1.0 - number)
    for part, linestyle in (("training", "-"), ("validation", "--")):
        axes.plot(
            rows["epoch"],
            rows[f"{part}_loss_median"],
            color=colour,
            linestyle=linestyle,
            linewidth=1.2 + 2.0 * prominence,
            marker=marker,
            markersize=3.5 + 3.0 * prominence,
            markerfacecolor=colour if part == "training" else "white",
            label=f"{label}, {part} (n = {launches})",
        )
        low, high = rows[f"{part}_loss_min"], rows[f"{part}_loss_max"]
        axes.fill_between(rows["epoch"], low, high, color=colour, alpha=0.2, linewidth=0)


def _cell_data(cell: Cell) -> pd.DataFrame:
    rows = [row for record in cell.launches for row in _launch_rows(record)]
    frame = pd.DataFrame(rows, columns=["launch", "stage", "epoch", "training_loss", "validation_loss"])
    return (
        frame.groupby(["stage", "epoch"], sort=False)
        .agg(
            launches=("launch", "nunique"),
            training_loss_median=("training_loss", "median"),
            training_loss_min=("training_loss", "min"),
            training_loss_max=("training_loss", "max"),
            validation_loss_median=("validation_loss", "median"),
            validation_loss_min=("validation_loss", "min"),
            validation_loss_max=("validation_loss", "max"),
        )
        .reset_index()
    )


def _launch_rows(record: Record) -> list[tuple[int, str, int, float, float]]:
    epochs = [(stage.name, epoch) for stage in record.measurements.training for epoch in stage.epochs]
    return [
        (record.launch, name, number, float(np.mean(epoch.loss)), epoch.validation_loss)
        for number, (name, epoch) in enumerate(epochs, start=1)
    ]


def _stage_starts(data: pd.DataFrame) -> list[int]:
    starts = data.groupby("stage", sort=False)["epoch"].min()
    return sorted(int(first) for first in starts if first > 1)


def _save(figure: Figure, stem: Path) -> list[Path]:
    paths = []
    for suffix in ("pdf", "png"):
        drawn = BytesIO()
        with mpl.rc_context(STYLE):
            figure.savefig(drawn, format=suffix, dpi=PNG_DPI)
        path = stem.with_name(f"{stem.name}.{suffix}")
        write_atomically(path, drawn.getvalue())
        paths.append(path)
    return paths
