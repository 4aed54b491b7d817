"""A table as files: Markdown, CSV, HTML and LaTeX."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.analysis.tables.latex import to_latex
from harness.analysis.tables.table import Section, Table, make_folder
from harness.files import write_atomically
from harness.text import csv_file, markdown, markdown_cell

STYLE = (
    "body{font:14px/1.4 sans-serif;margin:2em;max-width:75em}table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.2em .8em .2em 0;text-align:left;vertical-align:top;font-variant-numeric:tabular-nums}"
    "thead th{border-bottom:1px solid;border-top:2px solid}tbody tr:last-child td{border-bottom:2px solid}"
)


def write_table(table: Table, warnings: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """Write NAME.md, NAME.csv, NAME.tex and NAME.html into a folder, made where it is missing; return their paths.

    Raises UserError where the folder cannot be written.
    """
    make_folder(folder)
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
    parts = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(table.title)}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{html.escape(table.title)}</h1>",
    ]
    for section in table.sections:
        parts += [f"<h2>{html.escape(section.title)}</h2>", _html_rows(section), _html_list(section.notes)]
    parts.append(_html_list(table.definitions))
    listed = _html_list(warnings)
    if listed:
        parts += ["<h2>Warnings</h2>", listed]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _markdown_rows(section: Section) -> str:
    lines = [_escaped(section.rows.columns), *map(_escaped, section.texts)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [":" + "-" * (width + 1) for width in widths]
    padded = [[f" {cell:<{width}} " for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"|{'|'.join(line)}|" for line in [padded[0], rule, *padded[1:]])


def _escaped(cells: Iterable[object]) -> list[str]:
    return [markdown_cell(str(cell)) for cell in cells]


def _list(lines: Iterable[str]) -> list[str]:
    listed = "\n".join(f"- {markdown(line)}" for line in lines)
    return [listed] if listed else []


def _html_rows(section: Section) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in section.rows.columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in section.texts)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def _html_list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""
