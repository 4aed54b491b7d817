"""Foreign text, of records, files and tools, made harmless before it is shown."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"\s*[=+\-@]")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
MARKDOWN = re.compile(
    r"`|(?<=\])(?=\()|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\\(?=[!-/:-@\[-`{-~])"
    r"|\*(?=\S)|(?<=\S)\*|(?<![^\W_])_|_(?![^\W_])|~"
)
"""What Markdown would take for code, a link, HTML, an escape or emphasis; a star between spaces it leaves alone."""

ENTITIES = {"<": "&lt;", "&": "&amp;", "": "\\"}


def one_line(text: str) -> str:
    """Text on one line, words one space apart; what a terminal would obey or hide stands as its escape, as \\x1b."""
    return escaped(" ".join(text.split()))


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun, with an s but for one where no plural is given: 1 night, 2 nights."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def listed(texts: Iterable[object], most: int = 12) -> str:
    """Texts with commas between them, of more than `most` the first and how many there are: 0, 5, ... (648 in all)."""
    every = [str(text) for text in texts]
    return ", ".join(every[:most]) + (f", ... ({len(every)} in all)" if len(every) > most else "")


def escaped(text: str, keep: str = "") -> str:
    """Text in which control and format characters and surrogates stand as their escapes, but for those to keep."""
    if text.isprintable():
        return text
    return "".join(
        character if _is_plain(character) or character in keep else character.encode("unicode_escape").decode()
        for character in text
    )


def csv_file(frame: "pd.DataFrame", float_format: str | None = None) -> str:
    """A frame as `csv_text` writes its rows, floats in a format where one is given, as %.9g."""
    return csv_text(frame.columns, frame.itertuples(index=False, name=None), float_format)


def csv_text(names: Iterable[str], rows: Iterable[Sequence[object]], float_format: str | None = None) -> str:
    """Rows of plain values as CSV as pandas writes it: None and NaN are empty, 5 beside 0.5 or None is 5.0.

    Text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    columns = [_csv_column(column, float_format) for column in zip(*rows, strict=True)]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(map(_csv_text, names))
    writer.writerows(zip(*columns, strict=True))
    return written.getvalue()


def _csv_column(values: Sequence[object], float_format: str | None) -> Iterable[object]:
    kinds = set(map(type, values))
    if int in kinds and len(kinds) > 1 and kinds <= {int, float, type(None)}:
        values, kinds = [float(value) if isinstance(value, int) else value for value in values], {float}
    return [_csv_value(value, float_format) for value in values] if kinds & {str, float} else values


def _csv_value(value: object, float_format: str | None) -> object:
    if isinstance(value, float):
        return "" if value != value else float_format % value if float_format else value
    return _csv_text(value)


def _is_plain(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _csv_text(value: object) -> object:
    return _no_formula(value) if isinstance(value, str) else value


@lru_cache(maxsize=2**12)
def _no_formula(text: str) -> str:
    line = one_line(text)
    return f"'{line}" if FORMULA.match(line) and not NUMBER.fullmatch(line) else line


def markdown(text: str) -> str:
    """Text on one line as Markdown prints it: no HTML, links, code or emphasis."""
    return MARKDOWN.sub(lambda found: ENTITIES.get(found[0], f"\\{found[0]}"), one_line(text))


@lru_cache(maxsize=2**12)
def markdown_cell(text: str) -> str:
    """Text as Markdown prints it in a table."""
    return markdown(text).replace("|", "\\|")
