"""A table as LaTeX: floats with booktabs rules and siunitx numbers, to be read with \\input into a paper."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from harness.analysis.cells import Cell
from harness.analysis.content import NO_INTERVAL, UNCERTIFIED, Content, Count, Heading, Number, Row, Verdict
from harness.analysis.number_format import MISSING, Digits
from harness.analysis.tables.parts import PARITY, STAR
from harness.analysis.tables.table import Section, Table
from harness.analysis.units import factors
from harness.text import one_line

PREAMBLE = r"\usepackage{array,booktabs,graphicx,siunitx}"
ROWS_PER_FLOAT = 40
FLOAT_POINTS, LINE_POINTS, GAP_POINTS = 570, 9.5, 4
"""Heights of what a page has room for below a caption of some lines, of a row or a line of notes, and of white."""

NOTE_CHARACTERS = 120
"""Of a line of notes."""

MOST_FLOATS = 8
"""Floats after which LaTeX is made to place those that wait: its older versions take no more than 18, newer ones 52."""

PLACED = r"\clearpage"
LONG_TEXT = 34
HOST = re.compile(r"(?:,| on) (?:no host|hosts?) |; ")
"""Where the part of a title begins that other records or hosts change."""

LONG_TEXT_WIDTH = "5.5cm"
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
    "degC": r"\degreeCelsius",
    "deg_C": r"\degreeCelsius",
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
    "µ": r"$\mu$",
    MISSING: "--",
    UNCERTIFIED: r"$\dagger$",
    **{character: f"\\{character}" for character in "&%$#_"},
}


def to_latex(
    table: Table, warnings: Iterable[str], caption_end: Callable[[Sequence[Cell]], str] = lambda cells: ""
) -> str:
    """The table as floats of at most 40 rows, each as wide as the text at most; needs the packages of PREAMBLE.

    A page ends after every MOST_FLOATS of them, where more follow. Notes that a float has no room for
    are text after it.

    A number stands in a column aligned at its point, its interval beside it. Definitions and warnings are comments, but
    what the star and the dagger mean stands below every float that holds one. Each section has a \\label that stays the
    same when its records or their hosts change. Captions are the titles, and then what `caption_end` says of the cells
    of a section.
    """
    parts = [
        f"% {one_line(table.title)}",
        f"% {PREAMBLE} % siunitx 3 or later",
        *(f"% {one_line(line)}" for line in (*table.definitions, *warnings)),
    ]
    counts: Counter[str] = Counter()
    floats: list[list[str]] = []
    for section in table.sections:
        name = label_of_section(table, section)
        counts[name] += 1
        label = name if counts[name] == 1 else f"{name}-{counts[name]}"
        said = caption_end(section.cells)
        floats += _floats(section, label, f". {said}" if said else "")
    for number, lines in enumerate(floats):
        parts += [PLACED, *lines] if number and number % MOST_FLOATS == 0 else lines
    return "\n".join(parts) + "\n"


def label_of_section(table: Table, section: Section) -> str:
    """What \\ref calls a section: suite, kind of table, and of its title what no host, baseline or record changes."""
    _, found, suite = table.title.rpartition(", suite ")
    subject = HOST.split(section.title)[0]
    return "tab:" + "-".join(filter(None, map(_slug, (suite if found else "", table.name, subject))))


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


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


def _floats(section: Section, label: str, caption_end: str) -> list[list[str]]:
    rows = section.rows
    kinds = [_kind([row[place] for row in rows]) for place in range(len(section.columns))]
    found = []
    for first in range(0, max(len(rows), 1), ROWS_PER_FLOAT):
        held = rows[first : first + ROWS_PER_FLOAT]
        contents = [content for row in held for content in row]
        notes = [STAR] if any(_is_starred(content) for content in contents) else []
        notes += [PARITY] if any(_is_marked(content) for content in contents) else []
        last = section.notes if first + ROWS_PER_FLOAT >= len(rows) else ()
        fits = _height_points(held, last) <= FLOAT_POINTS
        notes += last if fits else ()
        lines = [
            r"\begin{table*}",
            rf"\caption{{{escape(section.title)}{' (continued)' if first else escape(caption_end)}}}",
            *([] if first else [rf"\label{{{label}}}"]),
            r"\smallskip\centering\footnotesize",
            rf"\sbox0{{\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
            r"\toprule",
            _head(section.columns, kinds),
            r"\midrule",
            *_body(held, kinds),
            r"\bottomrule",
            r"\end{tabular}}%",
            r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi",
            *(rf"\par\raggedright {escape(line)}" for line in notes),
            r"\end{table*}",
        ]
        found.append(lines if fits else [*lines, *_beside(label, last)])
    return found


def _height_points(rows: Sequence[Row], notes: Sequence[str]) -> float:
    """The height of rows, of the white between those of different beginnings, and of notes below them."""
    lines = len(rows) + sum(-(-len(note) // NOTE_CHARACTERS) for note in notes)
    gaps = sum(str(row[0]) != str(above[0]) for above, row in pairwise(rows))
    return lines * LINE_POINTS + gaps * GAP_POINTS


def _beside(label: str, notes: Sequence[str]) -> list[str]:
    """Notes as text of the page, for which a float has no room."""
    return [
        rf"{{\footnotesize\raggedright\noindent Table~\ref{{{label}}}:",
        *(rf"{escape(note)}\par" for note in notes),
        "}",
    ]


def _is_starred(content: Content) -> bool:
    return isinstance(content, Number) and content.mark == NO_INTERVAL


def _is_marked(content: Content) -> bool:
    return isinstance(content, Verdict) and not content.certified


def _kind(cells: Sequence[Content]) -> str:
    """The column's type: numbers with intervals, text, or long text that is wrapped."""
    numbers = [found for cell in cells if isinstance(cell, Number) and (found := cell.digits) and _has_a_point(found)]
    if any(number.low is not None for number in numbers):
        values = [number.value.lstrip("+-").partition(".") for number in numbers]
        sign = "+" if any(number.value[0] in "+-" for number in numbers) else ""
        whole, decimals = max(len(value[0]) for value in values), max(len(value[2]) for value in values)
        return rf"S[table-format={sign}{whole}.{decimals}]@{{\,}}l"
    if max((len(str(cell)) for cell in cells), default=0) > LONG_TEXT:
        return rf">{{\raggedright\arraybackslash}}p{{{LONG_TEXT_WIDTH}}}"
    return "l"


def _has_a_point(number: Digits) -> bool:
    """Whether it can stand in a column that is aligned at the point: without a power of ten."""
    return not any(part is not None and "e" in part for part in number)


def _head(columns: Row, kinds: Sequence[str]) -> str:
    cells = [
        rf"\multicolumn{{2}}{{c}}{{{_text(name)}}}" if kind[0] == "S" else _text(name)
        for name, kind in zip(columns, kinds, strict=True)
    ]
    return " & ".join(cells) + r" \\"


def _body(rows: Sequence[Row], kinds: Sequence[str]) -> list[str]:
    """Rows, a rule of white before each new value of the first column, which is printed once."""
    lines = []
    above: str | None = None
    for row in rows:
        here = str(row[0])
        if above is not None and here != above:
            lines.append(r"\addlinespace")
        first = "" if here == above and kinds[0][0] != "S" else _cell(row[0], kinds[0])
        lines.append(" & ".join([first, *map(_cell, row[1:], kinds[1:])]) + r" \\")
        above = here
    return lines


def _cell(content: Content, kind: str) -> str:
    if kind[0] != "S":
        return _text(content)
    if isinstance(content, Count):
        return f"{content} & "
    found = content.digits if isinstance(content, Number) else None
    if found is None or not isinstance(content, Number) or not _has_a_point(found):
        text = str(content)
        long = f"p{{{LONG_TEXT_WIDTH}}}" if len(text) > LONG_TEXT else "l"
        return rf"\multicolumn{{2}}{{{long}}}{{{_text(content)}}}"
    if found.low is None:
        return f"{found.value} & {content.mark}"
    return rf"{found.value} & [\num{{{found.low}}}, \num{{{found.high}}}]"


def _unit(text: str) -> str | None:
    """A unit as siunitx sets it; None of one that is no product of powers, or a name alone."""
    if text in UNITS:
        return UNITS[text]
    found = factors(text)
    if found is None or not text.isascii() or all(power == 1 for _, power in found):
        return None
    return ".".join(escape(name) + ("" if power == 1 else f"^{{{power}}}") for name, power in found)


def _text(content: Content) -> str:
    """Content in running text: numbers and units as siunitx sets them."""
    if isinstance(content, Number) and (found := content.digits):
        bounds = "" if found.low is None else rf" [\num{{{found.low}}}, \num{{{found.high}}}]"
        return rf"\num{{{found.value}}}{bounds}{f' {content.mark}' if content.mark else ''}"
    if isinstance(content, Count):
        return rf"\num{{{content}}}"
    if isinstance(content, Heading) and (unit := _unit(content.unit)):
        return rf"{escape(content.name)}, \unit{{{unit}}}"
    return escape(str(content))
