"""Texts that fit where they stand: names broken into lines, ticks named as far as there is room."""

from collections.abc import Callable, Sequence
from textwrap import wrap

from matplotlib.axes import Axes

from harness.analysis.figures.names import unit
from harness.analysis.figures.style import POINTS_PER_INCH, printable

LABEL_CHARACTER_POINTS = 4.9
"""Mean width of a character of a label or a title."""

TICK_CHARACTER_INCHES, TICK_GAP_INCHES = 0.062, 0.05
FEWEST_CHARACTERS = 8
NO_BREAK = "\N{NO-BREAK SPACE}"


def broken(name: str, units: str, inches: float) -> str:
    """A name and its units, if any, as a figure shows them, on lines that are no longer than this.

    Names are broken at spaces and after underscores, units never.
    """
    characters = max(FEWEST_CHARACTERS, int(inches * POINTS_PER_INCH / LABEL_CHARACTER_POINTS))
    text = printable(name).replace("_", "_ ")
    if units:
        text += f" ({printable(unit(units)).replace(' ', NO_BREAK)})"
    return "\n".join(line.replace("_ ", "_").replace(NO_BREAK, " ") for line in wrap(text, characters))


def name_ticks(
    axes: Axes, values: Sequence[float], inches: float, place: Callable[[float], float] = lambda value: value
) -> None:
    """Ticks at ascending values of an x axis of this length, of which as many have a name as there is room for.

    The last one has a name, and the first. `place` tells where a value is on the axis, in any unit.
    """
    names = [f"{value:g}" for value in values]
    places = [place(value) for value in values]
    per_inch = (places[-1] - places[0]) / inches

    def has_room(one: int, other: int) -> bool:
        characters = (len(names[one]) + len(names[other])) / 2
        return places[other] - places[one] >= per_inch * (characters * TICK_CHARACTER_INCHES + TICK_GAP_INCHES)

    named = [len(names) - 1]
    for number in range(len(names) - 2, -1, -1):
        if has_room(number, named[-1]) and (number == 0 or has_room(0, number)):
            named.append(number)
    axes.set_xticks(list(values), [name if number in named else "" for number, name in enumerate(names)])
