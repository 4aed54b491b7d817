"""What the templates show of tables: texts, the records that numbers come from, and what to sort by."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from harness.analysis.content import Content, Count, Number, Row, Sources, sources_of
from harness.analysis.number_format import MISSING

Link = Callable[[Sources], str | None]
"""Where the records of cells are shown; None where nowhere."""


class Entry(NamedTuple):
    """A cell of a table as text; `href` is where the numbers in it come from, None where it is no number.

    `order` is the number to sort by, None for text and empty for a missing value.
    """

    text: str
    href: str | None = None
    order: str | None = None


@dataclass(frozen=True)
class TableView:
    """A table under its title; `others` are linked below it: columns for which it has no room."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    others: tuple[Entry, ...] = ()


def no_link(sources: Sources) -> None:
    """Of a page that shows no records."""


def table_view(
    title: str, columns: Iterable[Content], rows: Iterable[Row], notes: tuple[str, ...] = (), link: Link = no_link
) -> TableView:
    """A table whose numbers, and texts that hold one, lead to their records."""
    shown = tuple([tuple([entry(content, link) for content in row]) for row in rows])
    return TableView(title, tuple(map(str, columns)), shown, notes)


def entry(content: Content, link: Link = no_link) -> Entry:
    """A cell of a table."""
    text = str(content)
    has_number = link is not no_link and any(map(str.isdigit, text))
    return Entry(text, link(sources_of(content)) if has_number else None, _order(content, text))


def _order(content: Content, text: str) -> str | None:
    if isinstance(content, Count):
        return text
    if isinstance(content, Number):
        return found.value if (found := content.digits) else ""
    return "" if text in (MISSING, "") else None
