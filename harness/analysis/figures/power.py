"""The power of a launch over time, with its phases, gaps and failed reads."""

from collections.abc import Sequence
from typing import Protocol

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from collectors.accounting.energy_curve import NS_PER_S, midpoint_ns
from collectors.calibration.behaviour import power_series
from collectors.samples import SampleLog, read_parquet
from harness.analysis.figures.style import (
    OKABE_ITO,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_legend,
    add_title,
    legend_inches,
    new_figure,
    printable,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.results.file_names import POWER

AXES_INCHES = 2.4
SHADES = ("0.94", "0.87")
LABEL_GAP_PIXELS = 4


class Span(Protocol):
    """A phase on the clock of the log."""

    @property
    def name(self) -> str:
        """What was done."""

    @property
    def t0_ns(self) -> int:
        """Begin."""

    @property
    def t1_ns(self) -> int:
        """End."""


def illustrate(subject: FigureSubject) -> Drawn:
    """A trace for each cell, of its first launch that kept one."""
    cells = subject.shown(lambda cell: cell.launches)
    if not cells:
        yield NotDrawn(f"power-{subject.stem}", "no cell has a completed launch")
    for shown in cells:
        yield _of_cell(shown, subject)


def power_data(log: SampleLog, phases: Sequence[Span]) -> pd.DataFrame:
    """Readings, failed reads and phases by their time in seconds since the first of them.

    `power_w` is as read, or the mean between two moves of a counter at the later one, where a sensor gives no power;
    `t1_s` is the end of a phase. `stretch` counts the parts between gaps that are too long to be bridged.
    """
    rows: list[dict[str, object]] = []
    origin_ns = _origin_ns(log, phases)
    for sensor in log.sensors:
        series = power_series(log, sensor)
        times_s = (series.t_ns - origin_ns) / NS_PER_S
        stretches = np.searchsorted(series.cuts, np.arange(len(times_s)), side="right")
        rows += [
            {"kind": "reading", "sensor": sensor.id, "t_s": t_s, "power_w": power_w, "stretch": stretch}
            for t_s, power_w, stretch in zip(times_s, series.power_w, stretches, strict=True)
        ]
        rows += [
            {"kind": "failed read", "sensor": sensor.id, "t_s": (t_ns - origin_ns) / NS_PER_S}
            for t_ns in series.failed_ns
        ]
    rows += [
        {
            "kind": "phase",
            "phase": phase.name,
            "t_s": (phase.t0_ns - origin_ns) / NS_PER_S,
            "t1_s": (phase.t1_ns - origin_ns) / NS_PER_S,
        }
        for phase in phases
    ]
    return pd.DataFrame(rows, columns=["kind", "sensor", "phase", "t_s", "t1_s", "power_w", "stretch"])


def power_figure(log: SampleLog, phases: Sequence[Span], title: str) -> Figure:
    """Draw every sensor over the outermost phases; marks on the axis show those within them."""
    data = power_data(log, phases)
    with mpl.rc_context(STYLE):
        handles = [
            Line2D([], [], color=_colour(number), label=f"{sensor.id} ({sensor.scope})")
            for number, sensor in enumerate(log.sensors)
        ]
        failed = data[data["kind"] == "failed read"]
        if len(failed):
            label = f"failed reads ({len(failed)})"
            handles.append(Line2D([], [], color="black", marker="x", markersize=4, linestyle="none", label=label))
        labels = [str(entry.get_label()) for entry in handles]
        figure = new_figure(TWO_COLUMNS_INCHES, AXES_INCHES + legend_inches(labels, TWO_COLUMNS_INCHES))
        axes = figure.add_subplot()
        for number, sensor in enumerate(log.sensors):
            readings = data[(data["kind"] == "reading") & (data["sensor"] == sensor.id)]
            for _, part in readings.groupby("stretch"):
                marker = "." if len(part) < 2 else None
                axes.plot(part["t_s"], part["power_w"], color=_colour(number), linewidth=0.9, marker=marker)
            missed = failed[failed["sensor"] == sensor.id]
            axes.plot(
                missed["t_s"],
                [0.03] * len(missed),
                "x",
                transform=axes.get_xaxis_transform(),
                color=_colour(number),
                markersize=4,
            )
        axes.set_xlim(0, max(1e-3, data[["t_s", "t1_s"]].max().max()))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("Time (s)")
        axes.set_ylabel("Power (W)")
        add_title(figure, title)
        add_legend(figure, handles)
        _draw_phases(figure, axes, data[data["kind"] == "phase"])
    return figure


def _of_cell(shown: ShownCell, subject: FigureSubject) -> Illustration | NotDrawn:
    import pyarrow as pa

    name = f"power-{subject.stem}-{shown.stem}"
    for record in shown.cell.launches:
        path = record.beside(POWER)
        if path is None:
            continue
        try:
            log = read_parquet(path)
        except OSError as error:
            return NotDrawn(name, f"{path}: cannot be read: {error.strerror or error}")
        except (pa.ArrowException, KeyError, RecursionError, ValueError) as error:
            return NotDrawn(name, f"{path}: no power log that can be read: {str(error).split(chr(10))[0]}")
        phases = record.measurements.phases
        title = f"{subject.title}: {shown.label}, launch {record.launch}"
        caption = (
            f"Power of {subject.title} by {shown.label}, launch {record.launch}, collector {record.energy.collector}. "
            "Shaded: phases; ticks above: phases within them. Lines end where readings are missing."
        )
        figure, data = power_figure(log, phases, title), power_data(log, phases)
        return Illustration(name, caption, figure, data, (shown.cell,), record.launch)
    reasons = dict.fromkeys(found.no_energy or f"no {POWER}" for found in shown.cell.summaries.values())
    return NotDrawn(name, "; ".join(reasons))


def _origin_ns(log: SampleLog, phases: Sequence[Span]) -> int:
    times_ns = [midpoint_ns(read) for reads in (log.readings, log.counters) for read in reads]
    return min([phase.t0_ns for phase in phases] + times_ns, default=0)


def _colour(number: int) -> str:
    return OKABE_ITO[number % len(OKABE_ITO)]


def _draw_phases(figure: Figure, axes: Axes, phases: pd.DataFrame) -> None:
    spans = [(str(name), t0_s, t1_s) for name, t0_s, t1_s in phases[["phase", "t_s", "t1_s"]].itertuples(index=False)]
    outer = [span for span in spans if not any(_holds(other, span) for other in spans)]
    outer.sort(key=lambda span: span[1])
    for number, (_, t0_s, t1_s) in enumerate(outer):
        axes.axvspan(t0_s, t1_s, color=SHADES[number % len(SHADES)], linewidth=0, zorder=0)
    inner_s = sorted({edge for span in spans if span not in outer for edge in span[1:]})
    axes.plot(inner_s, [1.0] * len(inner_s), "|", transform=axes.get_xaxis_transform(), color="0.5", markersize=5)
    names = [
        axes.annotate(
            printable(name),
            ((t0_s + t1_s) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=6.5,
            annotation_clip=False,
        )
        for name, t0_s, t1_s in outer
    ]
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    figure.draw_without_rendering()
    _spread_names(names, axes, canvas.get_renderer())


def _spread_names(names: Sequence[Annotation], axes: Axes, renderer: RendererBase) -> None:
    """Move names sideways, as little as need be from left to right, until none overlaps; hide those without room."""
    left, right = axes.bbox.x0, axes.bbox.x1
    free = left
    placed: list[tuple[Annotation, float, float]] = []
    for name in names:
        box = name.get_window_extent(renderer)
        at = max(free, box.x0)
        placed.append((name, at, box.width))
        free = at + box.width + LABEL_GAP_PIXELS
    limit = right
    for name, at, width in reversed(placed):
        at = min(at, limit - width)
        name.set_visible(at >= left)
        box = name.get_window_extent(renderer)
        name.xyann = (name.xyann[0] + (at - box.x0) * 72 / axes.figure.dpi, name.xyann[1])
        limit = at - LABEL_GAP_PIXELS


def _holds(other: tuple[str, float, float], span: tuple[str, float, float]) -> bool:
    return other is not span and other[1] <= span[1] and span[2] <= other[2] and other[1:] != span[1:]
