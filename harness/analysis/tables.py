"""A table as plain data, and on the terminal."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from harness.errors import UserError

ROWS_ON_TERMINAL = 200


@dataclass(frozen=True)
class Section:
    """A part of a table under its own title: cells of text for people, and notes below them."""

    title: str
    rows: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def texts(self) -> list[list[str]]:
        """The cells, row by row."""
        return [[str(cell) for cell in row] for row in self.rows.to_numpy(dtype=object).tolist()]


@dataclass(frozen=True)
class Table:
    """One kind of table: sections for people, and the same at full precision in `data`, units in the column names."""

    name: str
    title: str
    sections: tuple[Section, ...]
    data: pd.DataFrame
    definitions: tuple[str, ...] = ()


def print_table(table: Table, console: Console) -> None:
    """Print the sections on the terminal, up to the one that makes ROWS_ON_TERMINAL full, and say how many are left."""
    console.print(Text(f"\n{table.title}", style="bold underline"))
    rows = 0
    for number, section in enumerate(table.sections):
        if rows and rows + len(section.rows) > ROWS_ON_TERMINAL:
            left = len(table.sections) - number
            console.print(Text(f"\n{left} more sections of this table are in the files alone.", style="yellow"))
            break
        rows += len(section.rows)
        console.print(Text(f"\n{section.title}", style="bold"))
        shown = RichTable(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for place, name in enumerate(section.rows.columns):
            shown.add_column(Text(str(name)), overflow="fold", no_wrap=place == 0)
        for row in section.texts:
            shown.add_row(*map(Text, row))
        console.print(shown)
        _print_lines(section.notes, console)
    _print_lines(table.definitions, console)


def print_warnings(warnings: Iterable[str], console: Console) -> None:
    """Print each warning on its own line."""
    for warning in warnings:
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; raises UserError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}") from None


def _print_lines(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(Text(f"  {line}", style="dim"))
