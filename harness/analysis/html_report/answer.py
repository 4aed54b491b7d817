"""What the page opens with: the lines of the screen that ends a bench, with bars and intervals beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import log

from harness.analysis.cells import Cell
from harness.analysis.comparison.pair import Comparison
from harness.analysis.figures.names import people
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.tables.brief import (
    COLUMNS,
    COSTS,
    ENERGY,
    RATIO,
    Line,
    Part,
    beside_their_bases,
    has_energy,
    line_of,
    notes,
)
from harness.analysis.tables.parts import failure_lines
from harness.porting.parity.certificate import Certificate

MOST_WARNINGS = 3
MOST_CELLS = 60
"""Cells for which a first screen has room; the tables of each model show all."""

COLUMN_TITLES = {
    "": "cell",
    "step": "training step",
    "infer": "inference step",
    "J/epoch": "energy, epoch",
    "epoch, ratio": "epoch, ratio to baseline",
    "same": "same forecast",
    "beats": "beats persistence",
}
"""What the page calls columns for whose names a terminal has no room."""

WIDTH, EDGE = 100, 4
"""Of the drawing of an interval, in units of its own."""

AXIS = (0.8, 1.25)
"""Ratios that the axis of the intervals holds at least, so that small differences look small."""

Warned = tuple[str, str]
"""A warning and the link to what it is about."""


@dataclass(frozen=True)
class Interval:
    """A ratio on a logarithmic axis as places from left to right: its value, its bounds, and 1."""

    value: float
    low: float
    high: float
    one: float


@dataclass(frozen=True)
class Told:
    """A cell of the table; `share` is its part of the greatest of its model, None where no bar is drawn."""

    text: str
    href: str | None = None
    share: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class ModelLines:
    """The lines of the cells of a group under its title."""

    title: str
    href: str
    rows: tuple[tuple[Told, ...], ...]


@dataclass(frozen=True)
class AnswerView:
    """The first screen of a suite: `columns` and `models`, `notes` below them, and warnings, the `gravest` first.

    `left_out` counts the cells for which there is no room.
    """

    columns: tuple[str, ...]
    models: tuple[ModelLines, ...]
    left_out: int
    notes: tuple[str, ...]
    gravest: tuple[Warned, ...]
    warnings: tuple[Warned, ...]


def answer_view(
    parts: Sequence[Part],
    certificates: Sequence[Certificate],
    anchors: Mapping[Cell, str],
    group_anchors: Sequence[str],
) -> AnswerView:
    """The answer of a suite whose parts stand under the group anchors, and their cells under the others."""
    cells = [cell for part in parts for cell in part.group.cells]
    kept = [place for place in range(len(COLUMNS)) if place != ENERGY or has_energy(cells)]
    with_bases = beside_their_bases(parts, certificates)
    lines = [[line_of(part, cell) for cell in part.group.cells] for part in with_bases]
    axis = _Axis.of(line.ratio for of_part in lines for line in of_part)
    models: list[ModelLines] = []
    shown = 0
    for part, anchor, of_part in zip(with_bases, group_anchors, lines, strict=True):
        if shown and shown + len(of_part) > MOST_CELLS:
            break
        shown += len(of_part)
        models.append(ModelLines(people(part.group.title), f"#{anchor}", _rows(of_part, anchors, kept, axis)))
    warned = _warnings(parts, group_anchors)
    gravest = [each for rank in zip_longest(*warned) for each in rank if each][:MOST_WARNINGS]
    others = [each for of_part in warned for each in of_part if each not in gravest]
    return AnswerView(
        columns=tuple(COLUMN_TITLES.get(COLUMNS[place], COLUMNS[place]) for place in kept),
        models=tuple(models),
        left_out=len(cells) - shown,
        notes=tuple(notes(with_bases)) if cells else (),
        gravest=tuple(gravest),
        warnings=tuple(others),
    )


@dataclass(frozen=True)
class _Axis:
    """The logarithmic axis of all ratios of a suite, from the least bound to the greatest."""

    least: float
    most: float

    @staticmethod
    def of(ratios: Iterable[Quantity | None]) -> "_Axis":
        bounds = [bound for ratio in ratios for bound in _bounds(ratio)]
        return _Axis(min([*AXIS, *bounds]), max([*AXIS, *bounds]))

    def place(self, ratio: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * log(ratio / self.least) / log(self.most / self.least), 1)

    def interval(self, ratio: Quantity | None) -> Interval | None:
        if not (bounds := _bounds(ratio)):
            return None
        value, low, high = map(self.place, bounds)
        return Interval(value, low, high, self.place(1.0))


def _bounds(ratio: Quantity | None) -> tuple[float, ...]:
    """Value, low and high, which are the value where there is no interval; nothing where a logarithm is not defined."""
    if ratio is None or ratio.value is None:
        return ()
    found = tuple(ratio.value if bound is None else bound for bound in (ratio.value, ratio.low, ratio.high))
    return found if min(found) > 0 else ()


def _rows(
    lines: Sequence[Line], anchors: Mapping[Cell, str], kept: Sequence[int], axis: _Axis
) -> tuple[tuple[Told, ...], ...]:
    greatest = [_greatest([line.costs[place] for line in lines]) for place in range(len(COSTS))]
    found = []
    for line in lines:
        row = []
        for place in kept:
            text = line.texts[place]
            href = f"#{anchors[line.cell]}" if place == 0 or any(map(str.isdigit, text)) else None
            share = None
            if 0 < place <= len(COSTS) and (cost := line.costs[place - 1]) and cost.value and greatest[place - 1]:
                share = round(cost.value / greatest[place - 1], 3)
            interval = axis.interval(line.ratio) if place == RATIO else None
            row.append(Told(people(text) if place == 0 else text, href, share, interval))
        found.append(tuple(row))
    return tuple(found)


def _greatest(costs: Sequence[Quantity | None]) -> float:
    return max((cost.value for cost in costs if cost and cost.value), default=0.0)


def _warnings(parts: Sequence[Part], group_anchors: Sequence[str]) -> list[list[Warned]]:
    """Those of each part, the gravest first: launches that failed, what is not compared, cautions, what is absent."""
    found = []
    for part, anchor in zip(parts, group_anchors, strict=True):
        group, comparisons = part.group, part.comparisons
        lines = [*failure_lines(group), *(_refused(part, cell, comparisons[cell]) for cell in group.cells)]
        lines += part.warnings
        lines += [f"{group.label_of_absent(entry)}: did not run: {entry.reason}" for entry in group.absent]
        titled = (f"{group.title}: {line}" if len(parts) > 1 else line for line in lines if line)
        found.append([(line, f"#{anchor}") for line in titled])
    return found


def _refused(part: Part, cell: Cell, comparison: Comparison) -> str:
    return f"{part.group.label(cell)}: not compared: {'; '.join(comparison.refusal)}" if comparison.refusal else ""
