"""A table as files: Markdown, CSV, HTML and LaTeX."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from harness.analysis.html.renderer import render
from harness.analysis.html.views import table_view
from harness.analysis.tables.latex import to_latex
from harness.analysis.tables.table import Section, Table, make_folder, rehearsed
from harness.files import write_atomically
from harness.text import csv_text, markdown, markdown_cell


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


FORMATS: Mapping[str, Callable[[Table, Sequence[str]], str]] = {
    "md": to_markdown,
    "csv": lambda table, _: csv_text(*table.data),
    "tex": to_latex,
    "html": to_html,
}
"""What a file holds, by the end of its name."""

USUAL = ("md", "csv")
"""One for people and one for machines; `crosscast report` and `crosscast paper` have the tables as HTML and LaTeX."""


def write_table(
    table: Table, warnings: Sequence[str], folder: Path, formats: Collection[str] = tuple(FORMATS)
) -> tuple[Path, ...]:
    """Write NAME.md and the like into a folder, made where it is missing; return their paths.

    Files are of `formats`, and of those of which there is a file already, which would keep the numbers of other
    records. Raises UserError where the folder cannot be written.
    """
    make_folder(folder)
    table = rehearsed(table)
    paths = {suffix: folder / f"{table.name}.{suffix}" for suffix in FORMATS}
    written = tuple(suffix for suffix, path in paths.items() if suffix in formats or path.exists())
    for suffix in written:
        write_atomically(paths[suffix], FORMATS[suffix](table, warnings))
    return tuple(paths[suffix] for suffix in written)
