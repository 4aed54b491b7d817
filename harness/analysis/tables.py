"""A table as plain data, and its three forms: terminal, Markdown and CSV."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from harness.errors import UserError
from harness.record import write_atomically


@dataclass(frozen=True)
class Section:
    """A part of a table under its own title: cells of text for people, and notes below them."""

    title: str
    rows: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One kind of table: sections for people, and the same at full precision in `data`, units in the column names."""

    name: str
    title: str
    sections: tuple[Section, ...]
    data: pd.DataFrame
    definitions: tuple[str, ...] = ()


def print_table(table: Table, console: Console) -> None:
    """Print all sections on the terminal."""
    console.print(Text(f"\n{table.title}", style="bold underline"))
    for section in table.sections:
        shown = RichTable(
            box=box.SIMPLE_HEAD,
            title=Text(f"\n{section.title}", style="bold"),
            title_justify="left",
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for number, name in enumerate(section.rows.columns):
            shown.add_column(Text(str(name)), overflow="fold", no_wrap=number == 0)
        for row in section.rows.itertuples(index=False):
            shown.add_row(*(Text(str(value)) for value in row))
        console.print(shown)
        _print_lines(section.notes, console)
    _print_lines(table.definitions, console)


def print_warnings(warnings: Iterable[str], console: Console) -> None:
    """Print each warning on its own line."""
    for warning in warnings:
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)


def write_table(table: Table, warnings: Iterable[str], folder: Path) -> tuple[Path, Path]:
    """Write NAME.md and NAME.csv into a folder, which is made where it is missing, and return their paths.

    Raises UserError where the folder cannot be written.
    """
    make_folder(folder)
    markdown, csv = folder / f"{table.name}.md", folder / f"{table.name}.csv"
    write_atomically(markdown, to_markdown(table, warnings))
    write_atomically(csv, table.data.to_csv(index=False))
    return markdown, csv


def to_markdown(table: Table, warnings: Iterable[str]) -> str:
    """The table as GitHub's Markdown, with notes, definitions and warnings as lists."""
    parts = [f"# {table.title}"]
    for section in table.sections:
        escaped = section.rows.map(lambda value: str(value).replace("|", "\\|"))
        parts += [f"## {section.title}", escaped.to_markdown(index=False, disable_numparse=True), *_list(section.notes)]
    parts += _list(table.definitions)
    listed = _list(warnings)
    if listed:
        parts += ["## Warnings", *listed]
    return "\n\n".join(parts) + "\n"


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; raises UserError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}") from None


def _list(lines: Iterable[str]) -> list[str]:
    listed = "\n".join(f"- {line}" for line in lines)
    return [listed] if listed else []


def _print_lines(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(Text(f"  {line}", style="dim"))
