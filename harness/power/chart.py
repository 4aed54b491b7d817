"""A power log as a chart of characters."""

import numpy as np
import plotille

from collectors.accounting.energy_curve import NS_PER_S
from collectors.calibration.behaviour import PowerSeries, power_series
from harness.power.log import LoggedPhase, PowerLog
from harness.text import one_line

HEIGHT = 14
MARGIN = 14
"""Columns that the chart needs beside its canvas: the labels of the vertical axis and what stands behind the last."""

COLOURS = ("blue", "red", "green", "magenta", "yellow", "cyan")


def chart(power: PowerLog, width: int, *, coloured: bool) -> str:
    """Lines of power over time in `width` columns, broken at gaps, phases below by their numbers in the table."""
    all_series = [power_series(power.log, sensor) for sensor in power.log.sensors]
    drawn = [series for series in all_series if len(series.t_ns)]
    if not drawn:
        return "no valid reading to draw"
    columns = max(20, width - MARGIN)
    start_ns, end_ns = _extent(power, drawn)
    end_s = max((end_ns - start_ns) / NS_PER_S, 1e-3)
    figure = plotille.Figure()
    figure.width, figure.height = columns, HEIGHT
    figure.origin, figure.with_colors = False, coloured
    figure.x_label, figure.y_label = "s", "W"
    figure.set_x_limits(0, end_s)
    figure.set_y_limits(0, 1.05 * max(float(series.power_w.max()) for series in drawn) or 1.0)
    figure.x_ticks_fkt = lambda low, high: f"{low:.3g}"
    figure.y_ticks_fkt = lambda low, high: f"{low:.4g}"
    for number, series in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)] if coloured else None
        for t_s, power_w in segments(series, start_ns):
            figure.plot(t_s.tolist(), power_w.tolist(), lc=colour)
    lines = [line.rstrip() for line in figure.show().splitlines()]
    axis = next((line.index("|") for line in lines if "|" in line), 0)
    lines += _phase_lines(power.phases, start_ns, end_s, columns, " " * (axis + 2))
    lines += [_legend(series, number, coloured) for number, series in enumerate(drawn)]
    return "\n".join(lines)


def segments(series: PowerSeries, origin_ns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Seconds since `origin_ns` and watts of each stretch without a gap longer than may be bridged."""
    t_s = (series.t_ns - origin_ns) / NS_PER_S
    return list(zip(np.split(t_s, series.cuts), np.split(series.power_w, series.cuts), strict=True))


def _extent(power: PowerLog, drawn: list[PowerSeries]) -> tuple[int, int]:
    ends_ns = [phase.t1_ns for phase in power.phases] + [int(series.t_ns[-1]) for series in drawn]
    return power.origin_ns, max(ends_ns)


def _phase_lines(phases: tuple[LoggedPhase, ...], start_ns: int, end_s: float, columns: int, indent: str) -> list[str]:
    """A strip that shows where each phase lies, with its name where it fits, and a list of those that do not."""
    strip, hidden = [" "] * (columns + 1), []
    for number, phase in enumerate(phases, start=1):
        first, last = (
            min(columns, max(0, round((t_ns - start_ns) / NS_PER_S / end_s * columns)))
            for t_ns in (phase.t0_ns, phase.t1_ns)
        )
        room = max(0, last - first - 1)
        whole = one_line(phase.name)
        name = whole if len(whole) <= room else str(number)
        strip[first], strip[last] = "|", "|"
        strip[first + 1 : first + 1 + min(room, len(name))] = name[:room]
        if name != whole:
            hidden.append(f"{number} {whole}")
    return ([indent + "".join(strip).rstrip()] if phases else []) + ([indent + ", ".join(hidden)] if hidden else [])


def _legend(series: PowerSeries, number: int, coloured: bool) -> str:
    failed = f", {len(series.failed_ns)} failed reads" if len(series.failed_ns) else ""
    source = ", from its energy counter" if series.from_counter else ""
    colour = f"{COLOURS[number % len(COLOURS)]}: " if coloured else ""
    return f"{colour}{one_line(series.sensor.id)} ({series.sensor.scope}){source}{failed}"
