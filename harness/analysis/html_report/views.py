"""What the template shows: tables whose numbers link to the records that they are made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.analysis.cells import Cell, Group
from harness.analysis.number_format import MISSING
from harness.analysis.tables.table import Section

CELL_COLUMN = "cell"
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A cell of a table as text; `href` is where the numbers in it come from, None where it is no number.

    `order` is the number to sort by, None for text and empty for a missing value.
    """

    text: str
    href: str | None = None
    order: str | None = None


@dataclass(frozen=True)
class TableView:
    """A table under its title; the class of a row is in `row_classes`, which is empty where no row has one."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    row_classes: tuple[str, ...] = ()


def entry(text: str, href: str | None = None) -> Entry:
    """A cell of a table; it is linked where it holds a digit."""
    number = NUMBER.match(text)
    order = number.group(0) if number else ("" if text.split(" ")[0] in (MISSING, "") else None)
    return Entry(text, href if any(character.isdigit() for character in text) else None, order)


def section_view(section: Section, group: Group, anchors: Mapping[Cell, str], group_anchor: str) -> TableView:
    """A section of a table of one group.

    A number links to the cell that its row or its column names, else to those that the title names, else to all
    records of the group.
    """
    by_label = {group.label(cell): f"#{anchors[cell]}" for cell in group.cells}
    named = [href for label, href in by_label.items() if f"Deviation of {label} from" in section.title]
    default = named[0] if named else f"#{group_anchor}"
    columns = tuple(map(str, section.rows.columns))
    rows = []
    for values in section.rows.itertuples(index=False):
        texts = dict(zip(columns, map(str, values), strict=True))
        of_row = by_label.get(texts.get(CELL_COLUMN, ""), default)
        rows.append(tuple(_entry_of_column(column, text, by_label, of_row) for column, text in texts.items()))
    return TableView(section.title, columns, tuple(rows), section.notes)


def _entry_of_column(column: str, text: str, by_label: Mapping[str, str], of_row: str) -> Entry:
    if column == CELL_COLUMN and text in by_label:
        return Entry(text, by_label[text])
    return entry(text, by_label.get(column, of_row))
