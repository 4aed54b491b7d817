"""A table as LaTeX: floats with booktabs rules and siunitx numbers, to be read with \\input into a paper."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from harness.analysis.number_format import MISSING
from harness.analysis.tables.parts import PARITY, UNCERTIFIED
from harness.analysis.tables.table import Section, Table
from harness.text import one_line

PREAMBLE = r"\usepackage{array,booktabs,graphicx,siunitx}"
ROWS_PER_FLOAT = 40
LONG_TEXT = 34
LONG_TEXT_WIDTH = "5.5cm"
NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)(?: \[([+-]?\d+(?:\.\d+)?), ([+-]?\d+(?:\.\d+)?)\])?( \*)?")
UNITS = {
    "s": r"\second",
    "ms": r"\milli\second",
    "µs": r"\micro\second",
    "GiB": "GiB",
    "MiB": "MiB",
    "KiB": "KiB",
    "%": r"\percent",
    "samples/s": "samples/s",
    "samples/J": "samples/J",
    "W": r"\watt",
    "J": r"\joule",
    "h": r"\hour",
    "m": r"\metre",
    "m/s": r"\metre\per\second",
    "K": r"\kelvin",
    "Pa": r"\pascal",
}
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "µ": r"\textmu{}",
    MISSING: "--",
    UNCERTIFIED: r"\textdagger{}",
    **{character: f"\\{character}" for character in "&%$#_"},
}


class Number(NamedTuple):
    """A value in a cell, the bounds of its interval, and whether it is marked for having none."""

    value: str
    low: str | None
    high: str | None
    marked: bool


def to_latex(table: Table, warnings: Iterable[str]) -> str:
    """The table as floats of at most 40 rows, each as wide as the text at most; needs the packages of PREAMBLE.

    A number stands in a column aligned at its point, its interval beside it. Definitions and warnings are comments, but
    what the dagger means stands below every float that holds one.
    """
    parts = [
        f"% {one_line(table.title)}",
        f"% {PREAMBLE} % siunitx 3 or later",
        *(f"% {one_line(line)}" for line in (*table.definitions, *warnings)),
    ]
    for section in table.sections:
        parts += _floats(section)
    return "\n".join(parts) + "\n"


@lru_cache(maxsize=2**12)
def escape(text: str) -> str:
    """Text as LaTeX prints it. Characters that fonts of the T1 and OT1 encodings lack are replaced or spelt out."""
    return "".join(map(_character, one_line(text)))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii() and character.isprintable():
        return character
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or f"[U+{ord(character):04X}]"


def _floats(section: Section) -> list[str]:
    rows = section.texts
    names = [str(name) for name in section.rows.columns]
    kinds = [_kind([row[place] for row in rows]) for place in range(len(names))]
    found = []
    for first in range(0, max(len(rows), 1), ROWS_PER_FLOAT):
        held = rows[first : first + ROWS_PER_FLOAT]
        notes = [PARITY] if any(UNCERTIFIED in cell for row in held for cell in row) else []
        notes += section.notes if first + ROWS_PER_FLOAT >= len(rows) else ()
        found += [
            r"\begin{table*}",
            rf"\caption{{{escape(section.title)}{' (continued)' if first else ''}}}",
            r"\smallskip\centering\footnotesize",
            rf"\sbox0{{\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
            r"\toprule",
            _head(names, kinds),
            r"\midrule",
            *_body(held, kinds),
            r"\bottomrule",
            r"\end{tabular}}%",
            r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi",
            *(rf"\par\raggedright {escape(line)}" for line in notes),
            r"\end{table*}",
        ]
    return found


def _kind(cells: Sequence[str]) -> str:
    """The column's type: numbers with intervals, text, or long text that is wrapped."""
    numbers = [number for cell in cells if (number := _number(cell))]
    if numbers and any(number.low for number in numbers):
        values = [number.value.lstrip("+-").partition(".") for number in numbers]
        sign = "+" if any(number.value[0] in "+-" for number in numbers) else ""
        whole, decimals = max(len(value[0]) for value in values), max(len(value[2]) for value in values)
        return rf"S[table-format={sign}{whole}.{decimals}]@{{\,}}l"
    if max(map(len, cells), default=0) > LONG_TEXT:
        return rf">{{\raggedright\arraybackslash}}p{{{LONG_TEXT_WIDTH}}}"
    return "l"


def _number(cell: str) -> Number | None:
    match = NUMBER.fullmatch(cell)
    return Number(match[1], match[2], match[3], bool(match[4])) if match else None


def _head(names: Sequence[str], kinds: Sequence[str]) -> str:
    cells = [
        rf"\multicolumn{{2}}{{c}}{{{_title(name)}}}" if kind[0] == "S" else _title(name)
        for name, kind in zip(names, kinds, strict=True)
    ]
    return " & ".join(cells) + r" \\"


def _body(rows: Sequence[Sequence[str]], kinds: Sequence[str]) -> list[str]:
    """Rows, a rule of white before each new value of the first column, which is printed once."""
    lines = []
    above: str | None = None
    for row in rows:
        if above is not None and row[0] != above:
            lines.append(r"\addlinespace")
        first = "" if row[0] == above and kinds[0][0] != "S" else _cell(row[0], kinds[0])
        lines.append(" & ".join([first, *map(_cell, row[1:], kinds[1:])]) + r" \\")
        above = row[0]
    return lines


def _cell(text: str, kind: str) -> str:
    if kind[0] != "S":
        number = _number(text)
        return rf"\num{{{number.value}}}" if number and not (number.low or number.marked) else _title(text)
    number = _number(text)
    if number is None:
        long = f"p{{{LONG_TEXT_WIDTH}}}" if len(text) > LONG_TEXT else "l"
        return rf"\multicolumn{{2}}{{{long}}}{{{escape(text)}}}"
    if number.low is None:
        return f"{number.value} & {'*' if number.marked else ''}"
    return rf"{number.value} & [\num{{{number.low}}}, \num{{{number.high}}}]"


def _title(text: str) -> str:
    """Text, whose unit after the last comma is set as one."""
    words, comma, unit = text.rpartition(", ")
    if comma and unit in UNITS:
        return rf"{escape(words)}, \unit{{{UNITS[unit]}}}"
    return escape(text)
