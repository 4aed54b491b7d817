"""The history of a cell on the terminal: a chart of one quantity, its levels, and the rest as a table."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import plotille
from rich.console import Console
from rich.text import Text

from harness.analysis.number_format import readable_unit
from harness.analysis.tables.table import Data, Section, Table, print_table
from harness.errors import UserError, nearest
from harness.history.baseline import Baseline
from harness.history.changes import ChangePoint, change_points
from harness.history.gated import MARGINS, Gated
from harness.history.series import Group
from harness.history.shown import apart, digits_apart
from harness.text import counted, one_line

HEIGHT = 14
BESIDE = 26
"""Columns of the chart beside its canvas: labels on its left, the title of the axis on its right."""

LABEL, TICK = 10, 10
"""Columns that plotille gives to a tick of the vertical axis, and between two of the horizontal one."""

FIRST_CHOICES = ("train_step", "epoch", "inference_step")
"""What is drawn where nobody names a quantity: the first that there is."""


def show(groups: Sequence[Group], quantity: str | None, baseline: Baseline, console: Console) -> None:
    """Draw a quantity of each group; raises UserError where no group has one of that name or title."""
    chosen = [(group, place) for group in groups if (place := _place(group, quantity)) is not None]
    if not chosen:
        names = {each.name for group in groups for each in group.quantities}
        raise UserError(f"no quantity {quantity!r} of {groups[0].cell}; {nearest(str(quantity), names)}")
    for group, place in chosen:
        found = points_of(group, place, baseline)
        title = f"{group.cell} on {group.node}: {group.quantities[place].title}"
        console.print(Text(f"\n{one_line(title)}", style="bold"), soft_wrap=True)
        console.print(Text(chart(group, place, baseline, console.width)), soft_wrap=True)
        for line in lines_of(group, place, found, baseline):
            console.print(Text(one_line(line)), soft_wrap=True)
        print_table(_table(group, baseline), console)


def points_of(group: Group, place: int, baseline: Baseline) -> tuple[ChangePoint, ...]:
    """The change points of a quantity by its place in the group."""
    margin = MARGINS[group.quantities[place].sort]
    return change_points(group.medians[:, place], group.starts(baseline), margin)


def chart(group: Group, place: int, baseline: Baseline, width: int) -> str:
    """Medians of the nights as a line, first and last night below; a segment begins at each gap of the line.

    Where the levels differ by less than the labels of the axis hold, it shows their distance from the median.
    """
    values = group.medians[:, place]
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return "no finite value to draw"
    divisor, unit = _unit(group, place)
    shown, notes = values / divisor, []
    if _labels(*_limits(shown[known])) is None:
        middle = float(np.median(shown[known]))
        shown, notes = 100 * (values / divisor / middle - 1), [f"0 % is {middle!r} {unit}".rstrip()]
        unit = "%"
    low, high = _limits(shown[known])
    label = _labels(low, high) or "{:.3g}".format
    last = max(1, len(values) - 1)
    most = max(TICK * 2, width - BESIDE)
    step = math.ceil(TICK * last / most)
    figure = plotille.Figure()
    figure.width, figure.height = max(TICK * 2, math.ceil(TICK * last / step)), HEIGHT
    figure.with_colors, figure.origin = False, False
    figure.x_label, figure.y_label = "night", unit or "value"
    figure.set_x_limits(0, figure.width * step / TICK)
    figure.set_y_limits(low, high)
    figure.x_ticks_fkt = lambda begin, end: f"{begin:.0f}" if round(begin) < len(values) else ""
    figure.y_ticks_fkt = lambda begin, end: label(begin)
    for begin, end in _stretches(known, group.starts(baseline)):
        part = known[begin:end]
        figure.plot(part.tolist(), shown[part].tolist())
        figure.scatter(part.tolist(), shown[part].tolist())
    lines = [line.rstrip() for line in figure.show().splitlines()]
    nights = f"night 0 is {group.nights[0]}, night {len(values) - 1} is {group.nights[-1]}"
    return "\n".join([*lines, *notes, nights])


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.1 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _labels(low: float, high: float) -> Callable[[float], str] | None:
    """What writes the ticks between two limits so that no two are the same; None where LABEL is too narrow for that."""
    step = (high - low) / HEIGHT
    ticks = [low + number * step for number in range(HEIGHT + 1)]
    decimals = max(0, math.ceil(-math.log10(step)))
    largest = max(abs(low), abs(high))
    powers = max(0, math.floor(math.log10(largest)) + math.ceil(-math.log10(step)))
    for form in (f"{{:.{decimals}f}}", f"{{:.{powers}e}}"):
        texts = [form.format(tick) for tick in ticks]
        if len(set(texts)) == len(texts) and max(map(len, texts)) <= LABEL:
            return form.format
    return None


def lines_of(group: Group, place: int, found: Sequence[ChangePoint], baseline: Baseline) -> list[str]:
    """What changed when, with the commits of the nights on both sides, and where segments begin."""
    divisor, unit = _unit(group, place)
    lines = [
        f"{group.nights[each.place]}: {' to '.join(apart(each.before / divisor, each.after / divisor))} {unit} "
        f"({100 * (each.ratio - 1):+.2g} %), commits {_commits(group, each.place - 1)} to {_commits(group, each.place)}"
        for each in found
    ]
    begins = {group.nights[start] for start in group.starts(baseline)[1:]}
    lines += [f"{night}: a new segment, because the baseline moved" for night in sorted(begins)]
    lines += [f"baseline {each.commit[:12]} from {each.night} on: {each.reason}" for each in baseline.moves]
    return lines or ["no change point"]


def _table(group: Group, baseline: Baseline) -> Table:
    rows = []
    for place, quantity in enumerate(group.quantities):
        values = group.medians[:, place]
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        divisor, unit = _unit(group, place)
        points = points_of(group, place, baseline)
        last = group.nights[points[-1].place] if points else "none"
        shown = [float(value) / divisor for value in (known[-1], np.median(known), known.min(), known.max())]
        number = digits_apart(shown[2], shown[3])
        rows.append((_heading(quantity, unit), *(f"{value:.{number}g}" for value in shown), last))
    columns = ("quantity", "last night", "median", "least", "greatest", "last change")
    section = Section(f"{group.cell} on {group.node}, {counted(len(group.nights), 'night')}", columns, tuple(rows))
    return Table("history", "History", (section,), lambda: Data(columns, rows))


def _heading(quantity: Gated, unit: str) -> str:
    return f"{quantity.title}, {unit}" if unit else quantity.title


def _place(group: Group, quantity: str | None) -> int | None:
    names = [each.name for each in group.quantities]
    titles = [each.title for each in group.quantities]
    if quantity is not None:
        for known in (names, titles):
            if quantity in known:
                return known.index(quantity)
        return None
    for begin in FIRST_CHOICES:
        if place := [number for number, name in enumerate(names) if name.startswith(begin)]:
            return place[0]
    return 0 if names else None


def _unit(group: Group, place: int) -> tuple[float, str]:
    values = group.medians[:, place]
    known = values[np.isfinite(values)]
    return readable_unit(group.quantities[place].unit, float(np.median(known)) if len(known) else 0.0)


def _commits(group: Group, night: int) -> str:
    return " and ".join(commit[:12] for commit in group.commits_of_nights[max(0, night)])


def _stretches(known: np.ndarray, starts: Sequence[int]) -> list[tuple[int, int]]:
    bounds = [int(np.searchsorted(known, start)) for start in starts] + [len(known)]
    return [(begin, end) for begin, end in itertools.pairwise(bounds) if end > begin]
