"""One screen of what a bench found: each cell a line, the gravest warnings, and where the rest is."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness.analysis.tables.brief import COLUMNS, COSTS, ENERGY, Part, has_energy, line_of, name_of, notes
from harness.analysis.tables.table import PROGRAM
from harness.suggesting import command
from harness.text import counted, one_line

MOST_WARNINGS = 3
CELLS_OF_A_SCREEN = 14
LONGEST = 165
"""Letters of a warning or a reason before it is cut; crosscast tables shows it whole."""

NUMBERS = range(1, 1 + len(COSTS))


def print_screen(title: str, parts: Sequence[Part], console: Console) -> None:
    """Print medians over launches, the ratio of an epoch with its verdict, and at how many scores cells agree.

    Of several training stages the last is shown. Energy has a column where there is any; where it lacks, its reason
    stands in a line.
    """
    cells = [cell for part in parts for cell in part.group.cells]
    lines: list[tuple[str, ...] | str] = []
    shown, titles = 0, Counter(part.title for part in parts)
    for part in parts:
        if shown and shown + len(part.group.cells) > CELLS_OF_A_SCREEN:
            break
        shown += len(part.group.cells)
        lines.append(part.title if titles[part.title] == 1 else part.group.title)
        for cell in part.group.cells:
            label, *texts = line_of(part, cell).texts
            lines.append((f"  {label}", *texts))
    console.print(Text(f"\n{title}", style="bold underline"))
    for line, is_heading in _laid_out(lines, console.width, with_energy=has_energy(cells)):
        console.print(Text(line, style="bold" if is_heading else ""), soft_wrap=True)
    said = notes(parts)
    if shown < len(cells):
        said = [f"{len(cells) - shown} more cells: {command('tables', results=cells[0].results)} shows all", *said]
    for note in said:
        console.print(Text(note if PROGRAM in note else _cut(note), style="dim"), soft_wrap=PROGRAM in note)
    _print_warnings(parts, console)


def _laid_out(lines: Sequence[tuple[str, ...] | str], width: int, *, with_energy: bool) -> Iterable[tuple[str, bool]]:
    """Each line with its columns below each other, and whether it is a heading."""
    kept = [place for place in range(len(COLUMNS)) if with_energy or place != ENERGY]
    rows = [COLUMNS, *(line for line in lines if isinstance(line, tuple))]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    between = "  " if sum(widths[place] for place in kept) + 2 * len(kept) <= width else " "

    def text(row: tuple[str, ...]) -> str:
        parts = [" " * (widths[place] - cell_len(row[place])) for place in kept]
        return between.join(
            f"{blank}{row[place]}" if place in NUMBERS else f"{row[place]}{blank}"
            for place, blank in zip(kept, parts, strict=True)
        ).rstrip()

    yield text(COLUMNS), True
    for line in lines:
        yield (line, True) if isinstance(line, str) else (text(line), False)


def _print_warnings(parts: Sequence[Part], console: Console) -> None:
    """The gravest of every table first."""
    models: dict[str, list[str]] = {}
    for rank in zip_longest(*([(part, line) for line in part.warnings] for part in parts)):
        for part, line in filter(None, rank):
            models.setdefault(line, []).append(name_of(part, parts))
    lines = [_of_models(named, len(parts)) + line for line, named in models.items()]
    results = next((cell.results for part in parts for cell in part.group.cells), None)
    all_of_them = command("tables", results=results)
    for line in lines[:MOST_WARNINGS]:
        shown = _cut(line)
        console.print(Text(f"warning: {shown}", style="yellow"), soft_wrap=PROGRAM in shown)
    if len(lines) > MOST_WARNINGS:
        left = f"{counted(len(lines) - MOST_WARNINGS, 'more warning')}: {all_of_them}"
        console.print(Text(left, style="yellow"), soft_wrap=True)


def _of_models(named: Sequence[str], parts: int) -> str:
    """What stands before a warning of one of several tables, or of several of them."""
    if parts == 1:
        return ""
    return "all models, " if len(named) == parts else f"{', '.join(dict.fromkeys(named))}, "


def _cut(line: str) -> str:
    """The beginning of a line, with a command to copy whole where it begins there."""
    text = one_line(line)
    begins = text.find(PROGRAM, 0, LONGEST)
    ends = text.find(";", begins) if begins >= 0 else LONGEST
    return text if ends < 0 or len(text) <= LONGEST else f"{text[: max(ends, LONGEST)]} ..."
