"""Columns of what npu-smi prints: titles, the values under them, and the form that each value must have."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors.vendors.pci import pci_address
from collectors.vendors.quantity import whole_number

TITLE = re.compile(r"[^\s(|]+(?: [^\s(|]+)*(?: ?\([^()|]*\))?")
TOKEN = re.compile(r"[^\s/]+\s*/\s*[^\s/]+|-?\d[\d.,]*\s?[mku]?W\b|\S+")
NOTHING = frozenset({"", "-", "--", "na", "n/a", "none", "unknown"})
"""Words, in small letters, that stand where there is no value."""

NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?\s?(?:%|\u00b0?C)?")
PAIR = re.compile(r"(\S+)\s*/\s*(\S+)")
HEALTH = re.compile(r"[A-Za-z][A-Za-z ]*")
NAMES = frozenset({"name", "chip name"})
WHOLE = frozenset({"npu", "npu id", "npuid", "chip", "chip id", "chipid", "phy-id", "chip phy-id", "device"})
NUMERIC_UNITS = frozenset({"%", "C", "mV", "MHZ", "MHz"})
PAIR_UNITS = frozenset({"MB", "page"})


@dataclass(frozen=True)
class Title:
    """A column: its title in small letters without the unit, the unit, and where the title starts."""

    name: str
    unit: str | None
    start: int


def titles_of(line: str) -> list[Title]:
    """Titles of a line or cell, which two spaces, a closing bracket or the words Chip and NPU set apart."""
    found = []
    for match in TITLE.finditer(line):
        start = match.start()
        for part in re.split(r"(?<=\S)( )(?=(?:Chip|NPU) )", match[0]):
            if part.strip():
                name, _, unit = part.partition("(")
                found.append(Title(name.strip().casefold(), unit.rstrip(")").strip() or None, start))
            start += len(part)
    return found


def tokens_of(line: str) -> list[tuple[str, int]]:
    """Words of a line and where they start; the two sides of a "/" and a number with its watts are one."""
    return [(match[0], match.start()) for match in TOKEN.finditer(line)]


def values_of(titles: Sequence[Title], line: str) -> list[str | None]:
    """The value under each title, None where it cannot be told which one it is.

    With as many values as titles, those count that order and place agree on. With more (a name of two words) or fewer
    (an empty column), those that stand alone under their title and start where it starts. A name may have many words.
    """
    if not titles:
        return []
    tokens = tokens_of(line)
    starts = [title.start for title in titles]
    starts[0] = min(starts[0], tokens[0][1] if tokens else 0)
    under: list[list[int]] = [[] for _ in titles]
    for number, (_, place) in enumerate(tokens):
        under[bisect_right(starts, place) - 1].append(number)
    values: list[str | None] = []
    for index, (title, own) in enumerate(zip(titles, under, strict=True)):
        if len(tokens) == len(titles):
            found = own == [index]
        else:
            found = bool(own) and tokens[own[0]][1] == title.start and (len(own) == 1 or title.name in NAMES)
        values.append(tokens[own[0]][0] if found else None)
    return values


def rest_of(titles: Sequence[Title], name: str, line: str) -> str:
    """The text under a title up to the next one, which may hold spaces."""
    for title, after in zip(titles, [*titles[1:], None], strict=True):
        if title.name == name:
            return " ".join(line[title.start : after.start if after else None].split())
    return ""


def suits(title: Title, value: str | None) -> bool:
    """Whether a value can stand in a column, as far as its title or unit tells what it holds.

    So a row that slipped under the titles of another one is seen. What is missing or unknown suits.
    """
    if value is None or value.casefold() in NOTHING:
        return True
    if title.name in WHOLE:
        return whole_number(value) is not None
    if title.name == "bus-id":
        return pci_address(value) is not None
    if title.name == "health":
        return HEALTH.fullmatch(value) is not None
    if title.unit in PAIR_UNITS:
        pair = PAIR.fullmatch(value)
        return all(_is_number(side) for side in (pair.groups() if pair else (value,)))
    return title.unit not in NUMERIC_UNITS or _is_number(value)


def first_of(row: Mapping[str, str | None], names: Iterable[str]) -> str | None:
    """The value under the first of some titles that there is."""
    return next((row[name] for name in names if name in row), None)


def _is_number(value: str) -> bool:
    return value.casefold() in NOTHING or NUMBER.fullmatch(value) is not None
