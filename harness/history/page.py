"""One HTML page of all series: findings first, a small chart of each series, a click on a night shows its launches."""

import base64
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from harness import __version__
from harness.analysis.html import renderer
from harness.analysis.html.views import Entry, TableView
from harness.analysis.number_format import readable_unit
from harness.files import write_atomically
from harness.history.baseline import Baseline
from harness.history.changes import ChangePoint, change_points
from harness.history.gated import MARGINS
from harness.history.series import Group
from harness.history.shown import apart, digits_apart
from harness.history.state import State
from harness.machine import rehearsal
from harness.text import counted

WIDTH, HEIGHT, EDGE = 1000, 60, 4
"""Of the drawing area of a small chart, in units of its own."""

MOST_ROWS = 200
DIGITS_OF_32_BITS = 6


@dataclass(frozen=True)
class SeriesView:
    """A small chart: `paths` are its lines, one a segment, `marks` the places of change points from left to right.

    Values of launches are shown with so many significant `digits`.
    """

    anchor: str
    title: str
    unit: str
    place: int
    divisor: float
    last: str
    least: str
    greatest: str
    digits: int
    paths: tuple[str, ...]
    marks: tuple[int, ...]
    starts: tuple[int, ...]
    label: str


@dataclass(frozen=True)
class GroupView:
    """A cell on a node; `data` is what its script reads: the launches of each night and their values."""

    anchor: str
    title: str
    nights: str
    series: tuple[SeriesView, ...]
    data: Markup


def write_page(
    groups: Sequence[Group], failures: pd.DataFrame, baseline: Baseline, state: State | None, path: Path
) -> Path:
    """Write the page; raises UserError where that cannot be done."""
    views, changed = [], []
    for number, group in enumerate(groups):
        view, of_group = _group_view(group, f"g{number}", baseline)
        views.append(view)
        changed += of_group
    script = renderer.TEMPLATES.joinpath("history.js").read_text("utf-8")
    content = renderer.render(
        "history.html",
        groups=views,
        findings=_findings(state) if state else None,
        changes=_changes(changed),
        failures=_failures(failures),
        moves=baseline.moves,
        version=__version__,
        notice=rehearsal.titled(""),
        own_script=Markup(script),
        own_source=renderer.policy_of(script),
        width=WIDTH,
        height=HEIGHT,
    )
    write_atomically(path, content)
    return path


@dataclass(frozen=True)
class _Changed:
    night: str
    row: tuple[Entry, ...]


def _group_view(group: Group, anchor: str, baseline: Baseline) -> tuple[GroupView, list[_Changed]]:
    starts = group.starts(baseline)
    medians = group.medians
    series, changed = [], []
    for place, quantity in enumerate(group.quantities):
        values = medians[:, place]
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            continue
        points = change_points(values, starts, MARGINS[quantity.sort])
        divisor, unit = readable_unit(quantity.unit, float(np.median(values[known])))
        name = f"{anchor}-{place}"
        extremes = (values[known[-1]], values[known].min(), values[known].max())
        number = digits_apart(float(extremes[1]) / divisor, float(extremes[2]) / divisor)
        last, least, greatest = (f"{value / divisor:.{number}g}" for value in extremes)
        told = f"{counted(len(points), 'change')} of level" if points else "no change of level"
        series.append(
            SeriesView(
                anchor=name,
                title=quantity.title,
                unit=unit,
                place=place,
                divisor=divisor,
                last=last,
                least=least,
                greatest=greatest,
                digits=number + 1,
                paths=_paths(values, known, starts),
                marks=tuple(_x(each.place, len(values)) for each in points),
                starts=tuple(_x(start, len(values)) for start in starts[1:]),
                label=f"{quantity.title} of {group.cell} over {counted(len(values), 'night')}: {told}",
            )
        )
        changed += [_row(group, quantity.title, each, divisor, unit, name) for each in points]
    nights = f"{counted(len(group.nights), 'night')}, {group.nights[0]} to {group.nights[-1]}"
    data = _data(group, {each.place: each.digits for each in series})
    return GroupView(anchor, f"{group.cell} on {group.node}", nights, tuple(series), data), changed


def _row(group: Group, title: str, point: ChangePoint, divisor: float, unit: str, anchor: str) -> _Changed:
    night = group.nights[point.place]
    commits = [" and ".join(each[:12] for each in group.commits_of_nights[at]) for at in (point.place - 1, point.place)]
    percent = 100 * (point.ratio - 1)
    texts = (
        Entry(night),
        Entry(group.cell),
        Entry(title, f"#{anchor}"),
        Entry(f"{percent:+.2g} %", None, f"{percent:.6g}"),
        Entry(f"{' to '.join(apart(point.before / divisor, point.after / divisor))} {unit}".rstrip()),
        Entry(" to ".join(commits)),
    )
    return _Changed(night, texts)


def _changes(changed: Sequence[_Changed]) -> TableView:
    newest = sorted(changed, key=lambda each: each.night, reverse=True)
    notes = (f"{len(newest) - MOST_ROWS} older ones are in the charts alone.",) if len(newest) > MOST_ROWS else ()
    columns = ("night", "cell", "quantity", "change", "level", "commits before and after")
    return TableView("Changes of level, newest first", columns, tuple(each.row for each in newest[:MOST_ROWS]), notes)


def _findings(state: State) -> TableView:
    rows = [("known", each.since, each.cell, each.text) for each in reversed(state.known)]
    rows = [
        *(("suspected", each.since, each.cell, each.quantity) for each in state.watches if each.suspected),
        *rows,
        *(("cleared", each.cleared, each.cell, each.quantity) for each in reversed(state.cleared)),
    ]
    columns = ("status", "night", "cell", "finding")
    return TableView("Findings of the gate", columns, tuple(tuple(map(Entry, row)) for row in rows[:MOST_ROWS]))


def _failures(failures: pd.DataFrame) -> TableView:
    shown = failures.head(MOST_ROWS)
    notes = (f"{len(failures) - MOST_ROWS} older ones are not shown.",) if len(failures) > MOST_ROWS else ()
    rows = tuple(tuple(map(Entry, map(str, row))) for row in shown.itertuples(index=False))
    return TableView("Launches that did not complete, newest first", tuple(shown.columns), rows, notes)


def _paths(values: np.ndarray, known: np.ndarray, starts: Sequence[int]) -> tuple[str, ...]:
    low, high = float(values[known].min()), float(values[known].max())
    middle = HEIGHT / 2
    scale = (HEIGHT - 2 * EDGE) / (high - low) if high > low else 0.0
    across = np.rint(known * (WIDTH / max(1, len(values) - 1))).astype(int)
    down = np.rint(HEIGHT - EDGE - (values[known] - low) * scale) if scale else np.full(len(known), middle)
    points = [f"{x} {y}" for x, y in zip(across.tolist(), down.astype(int).tolist(), strict=True)]
    bounds = [*np.searchsorted(known, starts).tolist(), len(known)]
    return tuple(
        f"M{'L'.join(points[begin:end])}{'h1' if end - begin == 1 else ''}"
        for begin, end in itertools.pairwise(bounds)
        if end > begin
    )


def _x(place: int, nights: int) -> int:
    return round(place * WIDTH / max(1, nights - 1))


def _data(group: Group, digits: Mapping[int, int]) -> Markup:
    content = {
        "nights": group.nights,
        "commits": group.commits,
        "night": group.night.tolist(),
        "commit": group.commit.tolist(),
        "launch": group.launch.tolist(),
        "attempt": group.attempt,
        "foreign": _ones(group.foreign),
        "values": [_encoded(group.values[:, place], digits.get(place, 0)) for place in range(len(group.quantities))],
    }
    return Markup(json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"))


def _ones(flags: Iterable[object]) -> list[int]:
    return [number for number, flag in enumerate(flags) if flag]


def _encoded(values: np.ndarray, digits: int) -> str:
    """Numbers in base 64, little-endian, of 32 bits or, where these hold fewer digits than are shown, of 64."""
    return base64.b64encode(values.astype("<f8" if digits > DIGITS_OF_32_BITS else "<f4").tobytes()).decode()
