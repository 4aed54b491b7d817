"""Of a cell that was measured more than once: what each day and commit measured."""

from collections.abc import Iterator, Sequence

from harness.analysis.cells import Cell, Group, age
from harness.analysis.content import Count, Heading, Number, Row, Words
from harness.analysis.html.views import Link, TableView, table_view
from harness.analysis.number_format import MISSING, readable_unit, typical_size
from harness.analysis.quantities.quantity import Measured, median_over
from harness.analysis.quantities.speed import INFERENCE_STEP, epoch_times, speed_of
from harness.suggesting import command

MOST_DAYS = 10
"""Latest days and commits of a cell that are shown."""

COMMIT_CHARACTERS = 12
Made = tuple[str, str]
"""A day and a commit."""


def history_tables(groups: Sequence[Group], links: Sequence[Link]) -> tuple[TableView, ...]:
    """A table for each group with a cell whose launches are of several days or commits."""
    found = []
    for group, link in zip(groups, links, strict=True):
        made = {cell: _made(cell) for cell in group.cells if cell.launches}
        if any(len(each) > 1 for each in made.values()):
            found.append(_table(group, made, link))
    return tuple(found)


def history_lines(groups: Sequence[Group]) -> tuple[str, ...]:
    """When and from what the launches were made, and what draws more of them."""
    cells = [cell for group in groups for cell in group.cells if cell.launches]
    made = sorted({each for cell in cells for each in _made(cell)})
    if not made:
        return ()
    days, commits = sorted({day for day, _ in made}), list(dict.fromkeys(commit for _, commit in made))
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    what = f"from {commits[0]}" if len(commits) == 1 else f"from {len(commits)} commits"
    return (f"Made on {when} {what}; {command('history', results=cells[0].results)} lists the series of all nights.",)


def _table(group: Group, made: dict[Cell, dict[Made, list[int]]], link: Link) -> TableView:
    measured = {cell: _quantities(cell) for cell in made}
    titles = ("epoch", "infer step")
    units = []
    for place, title in enumerate(titles):
        values = [value for found in measured.values() if (each := found[place]) for value in each.values.values()]
        divisor, unit = readable_unit("s", typical_size(values))
        units.append((divisor, Heading(title, unit)))
    columns: Row = ("cell", "day", "commit", "launches", *(heading for _, heading in units))
    rows = [
        row for cell, days in made.items() for row in _rows(group, cell, days, measured[cell], [of for of, _ in units])
    ]
    left = sum(max(0, len(days) - MOST_DAYS) for days in made.values())
    notes = (f"{left} earlier days and commits are left out.",) if left else ()
    return table_view(f"Days and commits: {group.title}", columns, rows, notes, link)


def _rows(
    group: Group,
    cell: Cell,
    days: dict[Made, list[int]],
    measured: Sequence[Measured | None],
    divisors: Sequence[float],
) -> Iterator[Row]:
    for (day, commit), launches in list(days.items())[-MOST_DAYS:]:
        numbers = []
        for each, divisor in zip(measured, divisors, strict=True):
            values = {launch: each.values[launch] for launch in launches if launch in each.values} if each else {}
            numbers.append(Number(median_over(values, "s", cell), divisor) if values else MISSING)
        told = (Words(text, (cell,)) for text in (group.label(cell), day, commit))
        yield (*told, Count(len(launches), (cell,)), *numbers)


def _quantities(cell: Cell) -> tuple[Measured | None, Measured | None]:
    epochs = epoch_times(cell)
    return (epochs[-1] if epochs else None), speed_of(cell).get(INFERENCE_STEP)


def _made(cell: Cell) -> dict[Made, list[int]]:
    """Launch numbers by day and commit, of a record without one by the version of the program, in order of time."""
    found: dict[Made, list[int]] = {}
    for record in sorted(cell.launches, key=age):
        built = record.environment
        commit = built.git_commit[:COMMIT_CHARACTERS] if built.git_commit else f"version {built.crosscast_version}"
        found.setdefault((record.started_at[:10], commit), []).append(record.launch)
    return found
