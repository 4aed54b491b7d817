"""The table that rocm-smi and hy-smi print without options, read by its titles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from collectors.vendors.command import lines_of
from collectors.vendors.quantity import fraction, watts, whole_number
from collectors.vendors.smi_row import ABSENT, PARTITION, SECOND_DIE, Row, partition_of

INDEX_TITLES = frozenset({"DCU", "HCU", "GPU", "Device"})
POWER_TITLES = frozenset({"avgpwr", "avgpower", "power", "pwr", "avg power"})
CAP_TITLES = frozenset({"pwrcap", "powercap", "pwr_cap", "power cap"})
USE_TITLES = frozenset({"dcu%", "hcu%", "gpu%", "gfx%"})
MEMORY_TITLES = frozenset({"vram%"})
MODE_TITLES = frozenset({"mode", "partitions", "partition"})
WORD_TITLES = frozenset({"perf", "mode"})
MOST_COLUMNS = 64
POWER = re.compile(r"[\d.,]+\s*[mku]?w", re.IGNORECASE)
PERCENT = re.compile(r"[\d.,]+\s*%")
TEMPERATURE = re.compile(r"[-\d.,]+\s*\S?[cC]")
BRACKETS = re.compile(r"\(([^()]*)\)$")
Span = tuple[int, int, str]
Pairs = Sequence[tuple[str, str]]


def table_rows(text: str) -> Iterator[tuple[int, Row]]:
    """Number and row of each device of a table.

    A last line without its end may be cut and has no power, unless the unit behind the number shows that it is whole.
    """
    titles, units_in_cells = None, True
    for line in lines_of(text):
        words = [word for _, _, word in _words(line)]
        if words and words[0] in INDEX_TITLES and any(_is_power(word) for word in words):
            titles = line.rstrip("\n") if len(words) <= MOST_COLUMNS else None
            units_in_cells = not any(_unit(title) for _, _, title in _wide(line))
        elif titles and words and (number := whole_number(words[0])) is not None:
            ended = line.endswith("\n")
            if not ended and len(words) == 1:
                continue
            whole = (ended or units_in_cells) and len(words) <= MOST_COLUMNS
            yield number, _row(titles, line) if whole else Row(None, " ".join(words[:MOST_COLUMNS]), in_table=True)


def _row(titles: str, line: str) -> Row:
    """The cells of a line under their titles: by number where both have as many, else by place.

    Every reading that suits all titles must give the same power, else there is none.
    """
    raw = " ".join(line.split())
    line = re.sub(r",[ \t]+", lambda gap: "," + "_" * (len(gap[0]) - 1), line)
    fitting = [
        [(title[2], cell[2]) for title, cell in zip(heads, cells, strict=True)]
        for heads in (_wide(titles), _words(titles))
        for cells in (_wide(line), _words(line))
        if len(heads) == len(cells)
    ]
    fitting = [pairs for pairs in fitting if _is_credible(pairs)]
    if not fitting and (placed := _by_place(_wide(titles), _wide(line))):
        fitting = [placed] if _is_credible(placed) else []
    found = {_cells(pairs, raw) for pairs in fitting}
    return found.pop() if len({row.power_w for row in found}) == 1 else Row(None, raw, in_table=True)


def _is_credible(pairs: Pairs) -> bool:
    return any(_is_power(title) for title, _ in pairs) and all(_suits(title, cell) for title, cell in pairs)


def _cells(pairs: Pairs, raw: str) -> Row:
    def cell(wanted: Callable[[str], bool]) -> str:
        return next((value for title, value in pairs if wanted(title)), "")

    mode = cell(lambda title: BRACKETS.sub("", title).strip().lower() in MODE_TITLES)
    parts = PARTITION.search(mode)
    return Row(
        watts(cell(_is_power), _unit(next((title for title, _ in pairs if _is_power(title)), ""))),
        raw,
        watts(cell(lambda title: title.lower() in CAP_TITLES)),
        fraction(cell(lambda title: title.lower() in USE_TITLES)),
        bool(SECOND_DIE.search(raw)),
        parts[0] if parts else None if "," in mode else partition_of(mode),
        fraction(cell(lambda title: title.lower() in MEMORY_TITLES)) or None,
        in_table=True,
    )


def _is_power(title: str) -> bool:
    return BRACKETS.sub("", title).strip().lower() in POWER_TITLES


def _unit(title: str) -> str | None:
    """The unit in the title's brackets, None where what stands there is none of power."""
    match = BRACKETS.search(title)
    return match[1] if match and POWER.fullmatch(f"1{match[1]}") else None


def _suits(title: str, cell: str) -> bool:
    """Whether a value can belong to a title: a percentage, a temperature or a power where the title says so."""
    lowered = title.lower()
    if ABSENT.match(cell):
        return True
    if _is_power(title) or lowered in CAP_TITLES:
        return bool(POWER.fullmatch(cell)) or (_unit(title) is not None and cell[:1].isdigit())
    if lowered.endswith(("%", " od")) or lowered == "fan":
        return cell.endswith("%")
    if lowered.startswith("temp"):
        return bool(TEMPERATURE.fullmatch(cell))
    if lowered.endswith("clk"):
        return cell.lower().endswith("hz")
    return not POWER.fullmatch(cell) and not (lowered in WORD_TITLES and PERCENT.fullmatch(cell))


def _by_place(titles: Sequence[Span], cells: Sequence[Span]) -> list[tuple[str, str]] | None:
    """Each cell under the one title that it overlaps, None where one overlaps none or two, or two the same."""
    pairs = []
    for start, end, cell in cells:
        above = [title for title in titles if start < title[1] and title[0] < end]
        if len(above) != 1:
            return None
        pairs.append((above[0][2], cell))
    return pairs if len({title for title, _ in pairs}) == len(pairs) else None


def _wide(line: str) -> list[Span]:
    """Parts of a line that two spaces or a tab separate."""
    return [(match.start(), match.end(), match[0]) for match in re.finditer(r"\S+(?: \S+)*", line)]


def _words(line: str) -> list[Span]:
    return [(match.start(), match.end(), match[0]) for match in re.finditer(r"\S+", line)]
