"""What rocm-smi and hy-smi print, read by title and label: tables, lines, JSON and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from collectors.tools.hwmon import AMD, HYGON

INDEX_TITLES = {"DCU", "HCU", "GPU", "Device"}
POWER_TITLES = {"avgpwr", "avgpower", "power", "pwr", "avg power"}
CAP_TITLES = {"pwrcap", "powercap", "pwr_cap", "power cap"}
USE_TITLES = {"dcu%", "hcu%", "gpu%", "gfx%"}
ABSENT = re.compile(r"n/?a|none|-+|unknown|unsupported|not supported", re.IGNORECASE)
SECOND_DIE = re.compile(r"secondary die", re.IGNORECASE)
UNITS_W = {"w": 1.0, "mw": 1e-3}
Span = tuple[int, int, str]


@dataclass(frozen=True)
class Row:
    """What a tool says of one device. `power_w` is None where it cannot be told from `raw`, the text it stands in."""

    power_w: float | None
    raw: str
    cap_w: float | None = None
    utilisation: float | None = None
    second_die: bool = False


def rows(text: str) -> dict[int, Row]:
    """Devices by the number that the tool gives them, in order; empty where the text is none of the known layouts.

    A device that is told of twice in one layout with different powers has none.
    """
    for layout in (_json_rows, _csv_rows, _table_rows, _line_rows):
        found: dict[int, Row] = {}
        for index, row in layout(text):
            earlier = found.setdefault(index, row)
            if earlier.power_w != row.power_w:
                found[index] = replace(row, power_w=None, raw=f"told twice: {earlier.raw}; {row.raw}")
        if found:
            return dict(sorted(found.items()))
    return {}


def vendor_of_output(text: str) -> int | None:
    """The vendor whose tool prints this, by titles and prefixes; None where it cannot be told."""
    if re.search(r"\b[DH]CU\b", text):
        return HYGON
    return AMD if re.search(r"ROCm System Management Interface|\bGPU%", text) else None


def bus_addresses(text: str) -> dict[int, str]:
    """PCI addresses by device number from what `--showbus` prints."""
    found = re.findall(r"^\w+\[(\d{1,9})\]\s*:\s*PCI Bus\s*:\s*([0-9A-Fa-f:.]+)\s*$", text, re.MULTILINE)
    return {int(index): address.lower() for index, address in found}


def watts(value: str, unit: str | None = None) -> float | None:
    """Watts of "38.0W", "103,5 W", "900 mW", or of a bare number where `unit` is known; None for anything else.

    A comma with three digits after it may separate decimals or thousands and is refused.
    """
    match = re.fullmatch(r"(\d+)(?:\.(\d+)|,(\d{1,2}|\d{4,}))?\s*([a-zA-Z]*)", value.strip())
    if not match:
        return None
    factor = UNITS_W.get((match[4] or unit or "").lower())
    return None if factor is None else float(f"{match[1]}.{match[2] or match[3] or 0}") * factor


def percent(value: str) -> float | None:
    """The fraction of "34.2%" or "34.2"; None where it is no percentage."""
    match = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*%?", value.strip())
    fraction = float(match[1].replace(",", ".")) / 100 if match else None
    return fraction if fraction is not None and fraction <= 1 else None


def _labelled_row(labels: Sequence[tuple[str, str]], raw: str) -> Row | None:
    """The row of a device from its labels and values; None where no label is that of a power or use.

    An average power goes before a current one: both are the card's, and one tool must not change between them.
    """
    powers, cap_w, utilisation = [], None, None
    for label, value in labels:
        lowered = label.lower()
        unit = re.search(r"\((m?w)\)", lowered)
        if "power" in lowered and unit and re.search(r"max|cap\b|limit", lowered):
            cap_w = watts(value, unit[1])
        elif "power" in lowered and unit and not re.search(r"min|default|rated|profile", lowered):
            powers.append((not lowered.startswith("average"), value, unit[1]))
        elif re.fullmatch(r"(gpu|dcu|hcu) use \(%\)", lowered):
            utilisation = percent(value)
    if not powers:
        return None
    _, value, unit_name = min(powers, key=lambda power: power[0])
    return Row(watts(value, unit_name), raw, cap_w, utilisation, bool(SECOND_DIE.search(value)))


def _json_rows(text: str) -> Iterator[tuple[int, Row]]:
    """Cards of a JSON text, which may stand between other lines and have commas too many."""
    for index, body in re.findall(r'"[A-Za-z]+\[?(\d{1,9})\]?"\s*:\s*\{([^{}]*)\}', text):
        labels = [(key, quoted or bare) for key, quoted, bare in PAIRS.findall(body)]
        row = _labelled_row(labels, "; ".join(f"{key}: {value}" for key, value in labels if "ower" in key))
        if row:
            yield int(index), row


PAIRS = re.compile(r'"([^"\n]*)"\s*:\s*(?:"([^"\n]*)"|([^",\s}]+))')


def _csv_rows(text: str) -> Iterator[tuple[int, Row]]:
    titles: list[str] = []
    for line in text.splitlines():
        try:
            cells = next(csv.reader([line]), [])
        except csv.Error:
            continue
        if cells and cells[0].strip().lower() == "device":
            titles = cells
        elif titles and (number := re.fullmatch(r"[A-Za-z]*(\d{1,9})", cells[0].strip() if cells else "")):
            whole = len(cells) == len(titles)
            row = _labelled_row(list(zip(titles, cells, strict=True)), line) if whole else Row(None, line)
            if row:
                yield int(number[1]), row


def _line_rows(text: str) -> Iterator[tuple[int, Row]]:
    """Devices of lines as `GPU[0] : label: value`. A last line without its end may be cut and is left out."""
    devices: dict[int, list[tuple[str, str, str]]] = {}
    for line in text.splitlines(keepends=True):
        match = re.fullmatch(r"\s*\w+\[(\d{1,9})\]\s*:\s*(.+?)\s*:\s*(.*?)\s*\n", line)
        if match:
            devices.setdefault(int(match[1]), []).append((match[2], match[3], line))
    for index, lines in devices.items():
        powers = [item for item in lines if "power" in item[0].lower() and "(" in item[0]]
        values: dict[str, set[str]] = {}
        for label, value, _ in powers:
            values.setdefault(label, set()).add(value)
        raw = "; ".join(" ".join(line.split()) for _, _, line in powers)
        row = _labelled_row([(label, value) for label, value, _ in lines], raw)
        if row:
            told_twice = any(len(different) > 1 for different in values.values())
            yield index, replace(row, power_w=None) if told_twice else row


def _table_rows(text: str) -> Iterator[tuple[int, Row]]:
    titles = None
    for line in text.splitlines():
        words = [word for _, _, word in _words(line)]
        if words and words[0] in INDEX_TITLES and any(_is_power(word) for word in words):
            titles = line
        elif titles and words and re.fullmatch("[0-9]{1,9}", words[0]):
            row = _table_row(titles, line)
            yield int(words[0]), row


def _table_row(titles: str, line: str) -> Row:
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
    found = {_table_cells(pairs, raw) for pairs in fitting}
    if len({row.power_w for row in found}) != 1:
        return Row(None, raw)
    return next(iter(found))


def _is_credible(pairs: Sequence[tuple[str, str]]) -> bool:
    return any(_is_power(title) for title, _ in pairs) and all(_suits(title, cell) for title, cell in pairs)


def _table_cells(pairs: Sequence[tuple[str, str]], raw: str) -> Row:
    def cell(wanted: Callable[[str], bool]) -> str:
        return next((value for title, value in pairs if wanted(title)), "")

    power = cell(_is_power)
    return Row(
        watts(power, _unit(next((title for title, _ in pairs if _is_power(title)), ""))),
        raw,
        watts(cell(lambda title: title.lower() in CAP_TITLES)),
        percent(cell(lambda title: title.lower() in USE_TITLES)),
        bool(SECOND_DIE.search(raw)),
    )


def _is_power(title: str) -> bool:
    return re.sub(r"\s*\(.*\)$", "", title).lower() in POWER_TITLES


def _unit(title: str) -> str | None:
    match = re.search(r"\((m?w)\)", title.lower())
    return match[1] if match else None


def _suits(title: str, cell: str) -> bool:
    """Whether a value can belong to a title: a percentage, a temperature or a power where the title says so."""
    lowered = title.lower()
    if ABSENT.match(cell):
        return True
    if _is_power(title) or lowered in CAP_TITLES:
        return bool(re.fullmatch(r"[\d.,]+\s*[mM]?[wW]", cell)) or (_unit(title) is not None and cell[:1].isdigit())
    if lowered.endswith("%") or lowered == "fan":
        return cell.endswith("%")
    if lowered.startswith("temp"):
        return bool(re.fullmatch(r"[-\d.,]+\s*\S?[cC]", cell))
    if lowered.endswith("clk"):
        return cell.lower().endswith("hz")
    return not re.fullmatch(r"[\d.,]+\s*(%|[mM]?[wW])", cell)


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
