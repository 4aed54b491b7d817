"""The roofline: a chip's roof, measured steps as filled marks, projected ones as hollow marks with their intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.analysis.figures.style import (
    MARKERS,
    OKABE_ITO,
    REFERENCE_COLOUR,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_legend,
    add_title,
    new_figure,
    set_logarithmic,
)
from harness.analysis.figures.writing import rendered
from harness.analysis.tables.table import make_folder
from harness.files import write_atomically
from harness.projection.ceilings import GIGA, Ceilings
from harness.projection.projecting import Point
from harness.projection.tables import NOTICE
from harness.text import csv_file

HEIGHT_INCHES = 4.2
MEASURED_COLOUR, PROJECTED_COLOUR = OKABE_ITO[6], OKABE_ITO[3]
"""Black and purple: no figure of measurements gives them to the first cells."""


def roofline(
    chip: str, roofs: dict[str, Ceilings], measured: Sequence[Point], projected: Sequence[Point]
) -> tuple[Figure, pd.DataFrame]:
    """The figure, and its points as a table that says of each whether it was measured."""
    with mpl.rc_context(STYLE):
        figure = new_figure(TWO_COLUMNS_INCHES, HEIGHT_INCHES)
        axes = figure.add_subplot()
        intensities = [point.intensity for point in (*measured, *projected)]
        along = np.geomspace(min(intensities) / 2, max(intensities) * 2, 200)
        handles = []
        for number, (name, roof) in enumerate(roofs.items()):
            for number_format, peak in roof.peak.items():
                style: Literal["-", "--"] = "-" if number == 0 else "--"
                axes.plot(along, np.minimum(peak, along * roof.bandwidth) / GIGA, style, color=REFERENCE_COLOUR, lw=1)
                label = f"roof of {name} in {number_format}"
                handles.append(Line2D([], [], color=REFERENCE_COLOUR, linestyle=style, label=label))
        activities = list(dict.fromkeys(point.activity for point in (*measured, *projected)))
        for points, colour, fill, word in (
            (measured, MEASURED_COLOUR, MEASURED_COLOUR, "measured"),
            (projected, PROJECTED_COLOUR, "none", "projected"),
        ):
            for place, activity in enumerate(activities):
                marker = MARKERS[place % len(MARKERS)]
                shown = [point for point in points if point.activity == activity]
                for point in shown:
                    rate, low, high = (value and value / GIGA for value in (point.rate, point.low, point.high))
                    assert rate
                    axes.plot(point.intensity, rate, marker, color=colour, markerfacecolor=fill, markersize=5)
                    if low and high:
                        axes.plot([point.intensity] * 2, [low, high], color=colour, lw=0.8)
                if shown:
                    handles.append(
                        Line2D(
                            [],
                            [],
                            color=colour,
                            marker=marker,
                            markerfacecolor=fill,
                            linestyle="",
                            label=f"{word}: {activity}",
                        )
                    )
        set_logarithmic(axes, "x", "y")
        axes.set_xlabel("operations a byte")
        axes.set_ylabel("operations, GFLOP/s")
        add_title(figure, f"Roofline of {chip}; hollow marks are {NOTICE}")
        add_legend(figure, handles)
    rows = [
        {
            "provenance": word,
            "step": point.name,
            "activity": point.activity,
            "flops_per_byte": point.intensity,
            f"{word}_flops_per_s": point.rate,
            f"{word}_low_flops_per_s": point.low,
            f"{word}_high_flops_per_s": point.high,
        }
        for word, points in (("measured", measured), ("projected", projected))
        for point in points
    ]
    return figure, pd.DataFrame(rows)


def write_roofline(figure: Figure, data: pd.DataFrame, folder: Path) -> tuple[Path, ...]:
    """Write roofline.pdf, .png and .csv into a folder, made where it is missing; return their paths.

    Raises UserError where that cannot be.
    """
    make_folder(folder)
    paths = tuple(folder / f"roofline.{suffix}" for suffix in ("pdf", "png", "csv"))
    for path in paths[:2]:
        write_atomically(path, rendered(figure, path.suffix[1:]))
    write_atomically(paths[2], csv_file(data, float_format="%.9g"))
    return paths
