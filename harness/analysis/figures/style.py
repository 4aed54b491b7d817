"""How all figures look: sizes for papers, colours that everyone can tell apart, legends that fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.typing import LineStyleType

from harness.analysis.figures.names import people, power_of_ten
from harness.text import one_line

STYLE: Any = dict(mpl.rc_params_from_file(Path(__file__).with_name("crosscast.mplstyle"), use_default_template=False))
ONE_COLUMN_INCHES = 3.35
TWO_COLUMNS_INCHES = 6.9
PNG_DPI = STYLE["savefig.dpi"]

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's colours; the yellow last, as it is faint on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
REFERENCE_COLOUR = "0.45"

POINTS_PER_INCH = 72
CHARACTER_POINTS = 4.4
"""Mean width of a character of a legend."""

TITLE_CHARACTER_POINTS = 5.2
HANDLE_POINTS = 34
"""Width of a legend's handle and the space around an entry."""

LEGEND_LINE_INCHES = 0.155
MOST_TICKS = 12


@dataclass(frozen=True)
class MarkerStyle:
    """How a cell is drawn; `prominence` from 1 for the first cell of a figure down to 0, which lies on top."""

    colour: str
    marker: str
    prominence: float

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of a line; that of a prominent cell is wide, so that it shows where another lies on it."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linewidth": 1.0 + 1.6 * self.prominence,
            "markersize": 3.0 + 3.2 * self.prominence,
        }


class DrawnOnce(Figure):
    """A figure that is drawn once for each file: matplotlib would draw all of it to find its layout, and again."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw; but find the layout alone where a file is begun, whose drawing follows with the layout as it is."""
        engine = self.get_layout_engine()
        if self.axes and isinstance(engine, ConstrainedLayoutEngine) and self.canvas.is_saving():
            engine.execute(self)
        else:
            super().draw(renderer)


def looks(machines: Sequence[str], kinds: Sequence[object]) -> list[MarkerStyle]:
    """The looks of cells given by their chip and host and by their framework, execution and what else they differ in.

    On several machines a colour is a machine and a marker a kind, as long as there are enough of both. Else each of the
    first 64 that differ has a colour and a marker together that no other has.
    """
    distinct_machines, distinct_kinds = list(dict.fromkeys(machines)), list(dict.fromkeys(kinds))
    pairs = list(zip(machines, kinds, strict=True))
    places = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
    laps = -(-len(distinct_machines) // len(OKABE_ITO))
    by_machine = len(distinct_machines) > 1 and laps * len(distinct_kinds) <= len(MARKERS)
    found = []
    for index, pair in enumerate(pairs):
        if by_machine:
            lap, colour = divmod(distinct_machines.index(pair[0]), len(OKABE_ITO))
            marker = distinct_kinds.index(pair[1]) + lap * len(distinct_kinds)
        else:
            lap, colour = divmod(places[pair], len(OKABE_ITO))
            marker = colour + lap
        prominence = 1 - index / (len(pairs) - 1) if len(pairs) > 1 else 0.0
        found.append(MarkerStyle(OKABE_ITO[colour], MARKERS[marker % len(MARKERS)], prominence))
    return found


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """A figure that draws without a display; make and fill it within `mpl.rc_context(STYLE)`."""
    figure = DrawnOnce(figsize=(width_inches, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def printable(text: str) -> str:
    """A text of a record as a figure shows it: on one line, names as people write them.

    Characters that the font lacks stand as their escapes.
    """
    return "".join(
        character if ord(character) in _glyphs() else character.encode("unicode_escape").decode()
        for character in people(one_line(text))
    )


def sentence(line: str) -> str:
    """A line with a full stop at its end, as captions have."""
    return line if line.endswith(".") else f"{line}."


def set_logarithmic(axes: Axes, *names: Literal["x", "y"]) -> None:
    """Logarithmic axes of these names, labelled with plain numbers at 1, 2 and 5 of each decade."""
    for name in names:
        axes.set(**{f"{name}scale": "log"})
        axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=MOST_TICKS))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def set_decades(axes: Axes, ticks: int = 5) -> None:
    """A logarithmic y axis of many decades, at most `ticks` of them labelled."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    axes.yaxis.set_minor_locator(NullLocator())


def add_title(figure: Figure, title: str) -> None:
    """A title above all axes, over several lines where it is long."""
    lines = wrap(printable(title), _title_characters(figure.get_figwidth()))
    figure.suptitle("\n".join(lines), fontsize=STYLE["axes.titlesize"])


def title_lines(title: str, width_inches: float) -> int:
    """The number of lines of the title that `add_title` draws."""
    return len(wrap(printable(title), _title_characters(width_inches)))


def _title_characters(width_inches: float) -> int:
    return int(width_inches * POINTS_PER_INCH / TITLE_CHARACTER_POINTS)


def add_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend below the axes; long labels take several lines."""
    width = figure.get_figwidth()
    for entry in handles:
        entry.set_label("\n".join(_lines(str(entry.get_label()), width)))
    if handles:
        columns = _columns([str(entry.get_label()) for entry in handles], width)
        figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def legend_inches(labels: Sequence[str], width_inches: float) -> float:
    """Height of the legend that `add_legend` draws."""
    shown = [_lines(label, width_inches) for label in labels]
    columns = _columns(["\n".join(lines) for lines in shown], width_inches)
    return LEGEND_LINE_INCHES * max(map(len, shown), default=1) * -(-len(labels) // columns) + 0.05


def _columns(labels: Sequence[str], width_inches: float) -> int:
    """As many columns as fit beside each other."""
    longest = max((len(line) for label in labels for line in label.splitlines()), default=1)
    return max(1, min(4, int(width_inches * POINTS_PER_INCH / (HANDLE_POINTS + CHARACTER_POINTS * longest))))


def _lines(label: str, width_inches: float) -> list[str]:
    return wrap(printable(label), int((width_inches * POINTS_PER_INCH - HANDLE_POINTS) / CHARACTER_POINTS))


def handle(label: str, look: MarkerStyle, linestyle: LineStyleType = "-") -> Line2D:
    """The entry of a cell in a legend."""
    return Line2D([], [], color=look.colour, marker=look.marker, markersize=4, linestyle=linestyle, label=label)


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=STYLE["font.family"]))).get_charmap())
