"""A table as plain data, and on the terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness.analysis.cells import Cell
from harness.analysis.content import Content, Row, sources_of
from harness.errors import UserError
from harness.machine import rehearsal
from harness.text import one_line

ROWS_ON_TERMINAL = 300
RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
PROGRAM = "crosscast "
"""What a line holds that suggests a command: it is not broken, so that it can be copied."""

WORD_WIDTH = 24
"""Columns of the terminal that a word has at least before it is broken: more than any number takes."""


@dataclass(frozen=True)
class Section:
    """A part of a table under its own title: columns, rows of typed cells, and notes below them.

    `cell` is the one that all rows without cells of their own are about; None where there is no such cell.
    """

    title: str
    columns: Row
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    cell: Cell | None = None

    def __post_init__(self) -> None:
        for content in (*self.columns, *(each for row in self.rows for each in row)):
            if not isinstance(content, Content):
                raise TypeError(f"a table of measurements takes no {type(content).__name__}")

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that it is about."""
        contents = (*self.columns, *(content for row in self.rows for content in row))
        own = () if self.cell is None else (self.cell,)
        return tuple(dict.fromkeys((*own, *(cell for content in contents for cell in sources_of(content)))))

    @property
    def names(self) -> list[str]:
        """The columns as plain text."""
        return [str(name) for name in self.columns]

    @cached_property
    def texts(self) -> list[list[str]]:
        """The rows as plain text."""
        return [[str(content) for content in row] for row in self.rows]


class Data(NamedTuple):
    """Rows of plain values at full precision, None where there is none, and the names of their columns."""

    names: Sequence[str] = ()
    rows: Sequence[tuple[object, ...]] = ()

    @staticmethod
    def of(rows: Sequence[Mapping[str, object]]) -> "Data":
        """Rows that do not all have the same columns, which stand in the order of their first appearance."""
        names = tuple(dict.fromkeys(name for row in rows for name in row))
        return Data(names, [tuple([row.get(name) for name in names]) for row in rows])


@dataclass(frozen=True)
class Table:
    """One kind of table: sections for people, and the same at full precision in `data`, units in the column names.

    `make_data` is called where a file asks for `data`: a page has no use for it.
    """

    name: str
    title: str
    sections: tuple[Section, ...]
    make_data: Callable[[], Data]
    definitions: tuple[str, ...] = ()

    @cached_property
    def data(self) -> Data:
        """The rows of the file."""
        return self.make_data()


def rehearsed(table: Table) -> Table:
    """The table as it is; where a chip is rehearsed under a name and titles that tell it from one of measurements."""
    if rehearsal.stage() is None:
        return table
    sections = tuple(replace(section, title=rehearsal.titled(section.title)) for section in table.sections)
    return replace(table, name=rehearsal.named(table.name), title=rehearsal.titled(table.title), sections=sections)


def print_table(table: Table, console: Console) -> None:
    """Print the sections on the terminal, up to the one that makes ROWS_ON_TERMINAL full, and say how many are left.

    A terminal that is too narrow for the longest word of each column gets lines that are longer than it is wide.
    """
    table = rehearsed(table)
    console.print(Text(f"\n{table.title}", style="bold underline"))
    rows = 0
    for number, section in enumerate(table.sections):
        if rows and rows + len(section.rows) > ROWS_ON_TERMINAL:
            left = len(table.sections) - number
            console.print(Text(f"\n{left} more sections of this table are in the files alone.", style="yellow"))
            break
        rows += len(section.rows)
        console.print(Text(f"\n{section.title}", style="bold"))
        console.print(_laid_out(section, console), soft_wrap=True)
        _print_lines(section.notes, console)
    _print_lines(table.definitions, console)


def print_warnings(warnings: Iterable[str], console: Console) -> None:
    """Print each warning on its own line."""
    for warning in warnings:
        console.print(Text(f"warning: {one_line(warning)}", style="yellow"), soft_wrap=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; raises UserError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}") from None


def _laid_out(section: Section, console: Console) -> Text:
    """Columns beside each other under a rule; texts that are wider than theirs go on below."""
    rows = [section.names, *([one_line(text) for text in row] for row in section.texts)]
    between = 2 * (len(section.names) - 1)
    widths = _column_widths(list(zip(*rows, strict=True)), console.width - between)

    def lines(row: Sequence[str]) -> Iterable[str]:
        wrapped = [_wrapped(text, width, console) for text, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            yield "  ".join(part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True))

    head, *body = ("\n".join(lines(row)) for row in rows)
    return Text("\n").join([Text(head, style="bold"), Text(RULE * (sum(widths) + between)), *map(Text, body)])


def _wrapped(text: str, width: int, console: Console) -> Sequence[str]:
    if cell_len(text) <= width:
        return (text,)
    return [line.plain for line in Text(text).wrap(console, width, overflow="fold")]


def _column_widths(columns: Sequence[Sequence[str]], available: int) -> list[int]:
    """Widths that break no word of WORD_WIDTH or less; the first column is not wrapped where there is room."""
    whole = [max(map(cell_len, column)) for column in columns]
    words = [min(WORD_WIDTH, max(map(cell_len, " ".join(column).split()), default=0)) for column in columns]
    least = [whole[0], *words[1:]]
    if sum(least) > available:
        least = words
    for most in range(max(whole), 0, -1):
        widths = [max(low, min(high, most)) for low, high in zip(least, whole, strict=True)]
        if sum(widths) <= available:
            return widths
    return least


def _print_lines(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(Text(f"  {one_line(line)}", style="dim"), soft_wrap=PROGRAM in line)
