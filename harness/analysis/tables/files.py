"""A table as files: Markdown, CSV, HTML and LaTeX."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.analysis.html.renderer import render
from harness.analysis.html.views import table_view
from harness.analysis.tables.latex import to_latex
from harness.analysis.tables.table import Section, Table, make_folder, rehearsed
from harness.files import write_atomically
from harness.text import csv_file, markdown, markdown_cell


def write_table(table: Table, warnings: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """Write NAME.md, NAME.csv, NAME.tex and NAME.html into a folder, made where it is missing; return their paths.

    Raises UserError where the folder cannot be written.
    """
    make_folder(folder)
    table = rehearsed(table)
    contents = {
        "md": to_markdown(table, warnings),
        "csv": csv_file(table.data),
        "tex": to_latex(table, warnings),
        "html": to_html(table, warnings),
    }
    paths = tuple(folder / f"{table.name}.{suffix}" for suffix in contents)
    for path, content in zip(paths, contents.values(), strict=True):
        write_atomically(path, content)
    return paths


def to_markdown(table: Table, warnings: Iterable[str]) -> str:
    """The table as GitHub's Markdown, with notes, definitions and warnings as lists."""
    parts = [f"# {markdown(table.title)}"]
    for section in table.sections:
        parts += [f"## {markdown(section.title)}", _markdown_rows(section), *_list(section.notes)]
    parts += _list(table.definitions)
    listed = _list(warnings)
    if listed:
        parts += ["## Warnings", *listed]
    return "\n\n".join(parts) + "\n"


def to_html(table: Table, warnings: Iterable[str]) -> str:
    """The table as a page that needs nothing else."""
    views = [table_view(each.title, each.columns, each.rows, each.notes) for each in table.sections]
    return render("tables.html", table=table, tables=views, warnings=tuple(warnings))


def _markdown_rows(section: Section) -> str:
    lines = [_escaped(section.names), *map(_escaped, section.texts)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [":" + "-" * (width + 1) for width in widths]
    padded = [[f" {cell:<{width}} " for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"|{'|'.join(line)}|" for line in [padded[0], rule, *padded[1:]])


def _escaped(cells: Iterable[object]) -> list[str]:
    return [markdown_cell(str(cell)) for cell in cells]


def _list(lines: Iterable[str]) -> list[str]:
    listed = "\n".join(f"- {markdown(line)}" for line in lines)
    return [listed] if listed else []
