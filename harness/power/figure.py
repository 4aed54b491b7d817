"""A power log as a figure: phases shaded, gaps left open, failed reads marked."""

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from collectors.behaviour import power_series
from collectors.energy_curve import NS_PER_S
from harness.analysis.figures import OKABE_ITO, PNG_DPI, STYLE
from harness.power.chart import segments
from harness.power.log import PowerLog
from harness.record import write_atomically

SIZE_INCHES = (7.5, 4.0)
SHADES = ("0.93", "0.86")
NARROW = 0.1
"""Share of the width below which a phase is named upright."""


def power_figure(power: PowerLog) -> Figure:
    """Draw every sensor over the phases."""
    origin_ns = power.origin_ns
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        last_s = 0.0
        for number, sensor in enumerate(power.log.sensors):
            series, colour = power_series(power.log, sensor), OKABE_ITO[number % len(OKABE_ITO)]
            label: str | None = f"{sensor.id} ({sensor.scope})"
            for t_s, power_w in segments(series, origin_ns):
                marker = "." if len(t_s) < 2 else None
                axes.plot(t_s, power_w, color=colour, linewidth=1.1, marker=marker, label=label)
                label, last_s = None, max(last_s, float(t_s[-1]) if len(t_s) else 0.0)
            if len(series.failed_ns):
                failed_s = (series.failed_ns - origin_ns) / NS_PER_S
                axes.plot(
                    failed_s,
                    [0.02] * len(failed_s),
                    "x",
                    transform=axes.get_xaxis_transform(),
                    color=colour,
                    markersize=5,
                    label=f"{sensor.id}: {len(failed_s)} failed reads",
                )
        spans_s = [
            (phase.name, (phase.t0_ns - origin_ns) / NS_PER_S, (phase.t1_ns - origin_ns) / NS_PER_S)
            for phase in power.phases
        ]
        last_s = max([last_s] + [t1_s for _, _, t1_s in spans_s])
        for number, (name, t0_s, t1_s) in enumerate(spans_s):
            axes.axvspan(t0_s, t1_s, color=SHADES[number % len(SHADES)], linewidth=0, zorder=0)
            axes.annotate(
                name,
                ((t0_s + t1_s) / 2, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                rotation=90 if t1_s - t0_s < NARROW * last_s else 0,
            )
        axes.set_xlim(0, last_s or 1.0)
        axes.set_ylim(bottom=0)
        figure.suptitle(power.title if len(power.title) <= 90 else power.title[:87] + "...", fontsize=9)
        axes.set_xlabel("Time (s)")
        axes.set_ylabel("Power (W)")
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def write_figure(power: PowerLog, path: Path, file_format: str) -> None:
    """Write the figure as png or svg. Raises UserError where the file cannot be written."""
    drawn = BytesIO()
    with mpl.rc_context(STYLE):
        power_figure(power).savefig(drawn, format=file_format, dpi=PNG_DPI)
    write_atomically(path, drawn.getvalue())
