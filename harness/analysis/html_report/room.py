"""What a page has room for, so that one of ten thousand records is still written and loaded within seconds.

Folders of up to MOST_RECORDS records are shown whole. Of larger ones the page says what it leaves out, and where that
is to be found.
"""

from collections.abc import Callable, Sequence

from harness.analysis.cells import Cell, Group
from harness.analysis.figures.subject import FigureSubject, Illustrator, subjects
from harness.suggesting import command

MOST_RECORDS = 1_000

MOST_VALUES = 100
"""Of a larger folder, records whose values are shown one by one: the same number of each cell, one at least."""

MOST_DRAWN = 200
"""Of a larger folder, cells in all figures of a suite together, each counted as often as it is drawn."""

LEFT_OUT = f"of more than {MOST_RECORDS:,} records a page draws {MOST_DRAWN} cells at most; {{}} draws all"


def is_large(cells: Sequence[Cell]) -> bool:
    """Whether something must be left out."""
    return sum(len(cell.records) for cell in cells) > MOST_RECORDS


def records_of_a_cell(cells: Sequence[Cell]) -> int | None:
    """The number of records of each cell that are shown one by one; None: all."""
    return max(1, MOST_VALUES // len(cells)) if is_large(cells) else None


def left_out(
    groups: Sequence[Group], illustrators: Sequence[Illustrator]
) -> Callable[[FigureSubject, Illustrator], str | None]:
    """Why the figures of a subject by an illustrator have no room; None where they have.

    Those of the first illustrators have, for one subject after the other.
    """
    cells = [cell for group in groups for cell in group.cells]
    if not is_large(cells):
        return lambda subject, illustrate: None
    wanted: set[tuple[str, Illustrator]] = set()
    drawn = 0
    for illustrate in illustrators:
        for subject in subjects(groups):
            drawn += sum(bool(cell.launches) for group in subject.groups for cell in group.cells)
            if drawn <= MOST_DRAWN:
                wanted.add((subject.stem, illustrate))
    why = LEFT_OUT.format(command("figures", results=cells[0].results))
    return lambda subject, illustrate: None if (subject.stem, illustrate) in wanted else why
