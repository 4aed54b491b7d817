"""What npu-smi prints, read by titles and labels: mapping, listing, table, watch rows and blocks of labelled values.

A value whose column or unit cannot be told is None with the raw text; what is not there at all is not in the result.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from collectors.tools.command import excerpt
from collectors.visible_ascend import NpuChip

UNITS_W = {"W": 1.0, "mW": 1e-3, "kW": 1e3}
ABSENT = "-"
"""Printed instead of the power by a die whose power is in that of the card's first die."""

TITLE = re.compile(r"[^\s(|]+(?: [^\s(|]+)*(?: ?\([^)|]*\))?")
TOKEN = re.compile(r"[^\s/]+\s*/\s*[^\s/]+|-?\d[\d.,]*\s?[mk]?W\b|\S+")
LABEL = re.compile(r"\s*(\S[^:\uff1a]*?)\s*[:\uff1a]\s*(.*?)\s*$")
REAL_TIME = re.compile(r"(?:npu |chip )?real-time power")
DISSIPATION = "power dissipation"
AICORE = ("aicore", "ai core", "aicore usage rate")
LOGIC = ("chip logic id", "device")
PHYSICAL = ("chip phy-id", "chip physical id", "phy-id")
OTHER_CHIPS = ("mcu", "3559")


@dataclass(frozen=True)
class ChipPower:
    """The power of a chip in watts, None where `raw` holds no power. `utilisation` is the busy part of its AI cores."""

    power_w: float | None
    raw: str
    utilisation: float | None = None

    @property
    def absent(self) -> bool:
        """Whether the chip prints the sign of a die without a power of its own."""
        return self.power_w is None and self.raw == ABSENT


@dataclass(frozen=True)
class CardPower:
    """Powers of the chips of one card. `board` is that of the whole card, where no chip has one of its own."""

    chips: dict[int, ChipPower] = field(default_factory=dict)
    board: ChipPower | None = None


@dataclass(frozen=True)
class Table:
    """The table of `npu-smi info`: powers and PCI addresses by card and chip, and the versions in its head."""

    powers: dict[tuple[int, int], ChipPower]
    chips: tuple[NpuChip, ...] = ()
    addresses: dict[tuple[int, int], str] = field(default_factory=dict)
    tool_version: str | None = None
    driver_version: str | None = None


@dataclass(frozen=True)
class Title:
    """A column: its title in small letters without the unit, the unit, and where the title starts."""

    name: str
    unit: str | None
    start: int


def whole_lines(text: str) -> list[str]:
    """Lines of a text; a last one without its end may have been cut and is left out."""
    return text.split("\n")[:-1]


def watts(value: str, unit: str | None) -> float | None:
    """A power in watts, None for what is no number, has no or two units, or a comma that may divide thousands."""
    match = re.fullmatch(r"([-+]?\d+(?:[.,]\d+)?)\s*([A-Za-z]*)", value.strip())
    if not match or re.fullmatch(r"[-+]?\d+,\d{3}", match[1]):
        return None
    scale = UNITS_W.get(match[2] or unit or "")
    if scale is None or (match[2] and unit and match[2] != unit):
        return None
    return float(match[1].replace(",", ".")) * scale


def fraction(value: str | None) -> float | None:
    """Per cent as a fraction, None for what is not between 0 and 100."""
    match = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*%?", (value or "").strip())
    percent = float(match[1].replace(",", ".")) if match else -1.0
    return percent / 100 if 0 <= percent <= 100 else None


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


def values_of(titles: Sequence[Title], line: str) -> list[str | None]:
    """The value under each title, None where it cannot be told which one it is.

    With as many values as titles, those count that order and place agree on. With more (a name of two words) or fewer
    (an empty column), those that start where their title starts.
    """
    if not titles:
        return []
    tokens = [(match[0], match.start()) for match in TOKEN.finditer(line)]
    ends = [title.start for title in titles[1:]] + [len(line) + 1]
    first_start = min(titles[0].start, tokens[0][1] if tokens else 0)
    values: list[str | None] = []
    for index, (title, end) in enumerate(zip(titles, ends, strict=True)):
        start = first_start if index == 0 else title.start
        under = [number for number, (_, place) in enumerate(tokens) if start <= place < end]
        if len(tokens) == len(titles):
            values.append(tokens[index][0] if under == [index] else None)
        else:
            values.append(next((token for token, place in tokens if place == title.start), None))
    return values


def parse_mapping(text: str) -> list[NpuChip]:
    """Chips that compute, from `npu-smi info -m`; rows without any number (the controller) are left out.

    Empty where a chip or number stands there twice.
    """
    chips: list[NpuChip] = []
    titles: list[Title] = []
    for line in (line.expandtabs() for line in whole_lines(text)):
        found = titles_of(line)
        names = {title.name for title in found}
        if "npu id" in names and names & {*LOGIC, *PHYSICAL}:
            titles = found
            continue
        row = _mapping_row(titles, line)
        card, logic, physical = _whole(row.get("npu id")), _whole(_first(row, LOGIC)), _whole(_first(row, PHYSICAL))
        chip = _whole(row.get("chip id")) if "chip id" in row else 0
        if card is not None and chip is not None and (logic is not None or physical is not None):
            chips.append(NpuChip(card, chip, logic, physical, row.get("chip name") or ""))
    logics = Counter(chip.logic for chip in chips if chip.logic is not None)
    twice = [*Counter(chip.key for chip in chips).values(), *logics.values()]
    return [] if any(count > 1 for count in twice) else chips


def _mapping_row(titles: Sequence[Title], line: str) -> dict[str, str | None]:
    """Values by title: numbers in their order and then the name, which may hold spaces; else by their places."""
    if not titles:
        return {}
    names = [title.name for title in titles]
    numbers = list(itertools.takewhile(lambda value: re.fullmatch(r"\d+|-", value), line.split()))
    if names[-1:] == ["chip name"] and len(numbers) == len(names) - 1:
        return dict(zip(names, [*numbers, " ".join(line.split()[len(numbers) :])], strict=True))
    return dict(zip(names, values_of(titles, line), strict=True)) | {"chip name": _rest(titles, "chip name", line)}


def parse_listing(text: str) -> list[NpuChip]:
    """Chips from `npu-smi info -l`, which tells how many each card has and not their logic ids."""
    chips: list[NpuChip] = []
    card = None
    for line in whole_lines(text):
        label, value = _labelled(line)
        if label == "npu id":
            card = _whole(value)
        elif label == "chip count" and card is not None:
            chips += [NpuChip(card, chip) for chip in range(_whole(value) or 0)]
            card = None
    return chips


def parse_board(text: str) -> dict[str, str]:
    """Labels in small letters and values of `npu-smi info -t board`, without those that say nothing."""
    pairs = (_labelled(line) for line in whole_lines(text))
    return {label: value for label, value in pairs if label and value.casefold() not in ("", "-", "na", "n/a", "none")}


def parse_blocks(text: str) -> CardPower:
    """Powers of one card from `-t power` or `-t common`: `Chip ID` after the values or before them.

    The block of the controller never stands for a chip. Its `Power Dissipation(W)` is the power of the whole card
    where no chip has a line of its own (310, whose chips print their rated power).
    """
    chips: dict[int, ChipPower] = {}
    board: ChipPower | None = None
    for owner, lines in _owned(whole_lines(text)):
        power, dissipation, utilisation = None, None, None
        for label, value in map(_labelled, lines):
            name, _, unit = label.partition("(")
            read = ChipPower(watts(value, unit.rstrip(")").replace("w", "W") or None), value)
            if REAL_TIME.fullmatch(name.strip()):
                power = read
            elif name.strip() == DISSIPATION:
                dissipation = read
            elif name.strip() in AICORE:
                utilisation = fraction(value)
        told = power or dissipation
        if owner == "other":
            board = board or dissipation
        elif told:
            number = int(owner)
            clash = number in chips and chips[number].power_w != told.power_w
            chips[number] = ChipPower(None if clash else told.power_w, told.raw, utilisation)
    return CardPower(chips, None if chips else board)


class WatchRows:
    """Rows of `npu-smi info watch`, of which a title line tells the columns."""

    def __init__(self) -> None:
        self._titles: list[Title] = []

    def read(self, line: str) -> tuple[tuple[int, int], ChipPower] | None:
        """Card, chip and power of a row; None for a title line and what is no row. A cut row has no power."""
        line = line.expandtabs()
        found = titles_of(line)
        names = {title.name for title in found}
        if "npuid" in names:
            self._titles = found
            return None
        if not self._titles:
            return None
        values = values_of(self._titles, line)
        row = {title.name: value for title, value in zip(self._titles, values, strict=True)}
        card = _whole(row.get("npuid"))
        chip = _whole(row.get("chipid")) if "chipid" in row else 0
        if card is None or chip is None:
            return None
        unit = next((title.unit for title in self._titles if title.name in ("pwr", "power")), None)
        value = row.get("pwr", row.get("power"))
        whole = len(TOKEN.findall(line)) >= len(self._titles)
        if value is None or not whole:
            return (card, chip), ChipPower(None, excerpt(line))
        return (card, chip), ChipPower(watts(value, unit), value, fraction(_first(row, AICORE)))


def parse_table(text: str) -> Table:
    """The device table of `npu-smi info`; the table of processes below it is passed over."""
    powers: dict[tuple[int, int], ChipPower] = {}
    chips: list[NpuChip] = []
    addresses: dict[tuple[int, int], str] = {}
    versions = re.search(r"npu-smi\s+(\S+)\s+Version:\s*(\S+)", text)
    titles: list[list[list[Title]]] = []
    for rows in _groups(whole_lines(text)):
        heads = [[titles_of(cell) for cell in row] for row in rows]
        names = {title.name for row in heads for cell in row for title in cell}
        if "npu" in names and not any(name.isdigit() for name in names):
            titles = heads if any(title.name == "power" for row in heads for cell in row for title in cell) else []
            continue
        for start in range(0, len(rows) if titles else 0, len(titles) or 1):
            own = rows[start : start + len(titles)]
            fields, units = _device(titles, own)
            card, chip = _whole(fields.get("npu")), _whole(fields.get("chip")) if "chip" in fields else 0
            if card is None or chip is None:
                continue
            value = fields.get("power")
            read = ChipPower(watts(value, units["power"]), value) if value else ChipPower(None, excerpt(_joined(own)))
            if (card, chip) in powers:
                read = ChipPower(None, "listed twice")
            powers[card, chip] = replace(read, utilisation=fraction(_first(fields, AICORE)))
            logic, physical = _whole(_first(fields, LOGIC)), _whole(_first(fields, PHYSICAL))
            chips.append(NpuChip(card, chip, logic, physical, _name(titles, own)))
            if re.fullmatch(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]", fields.get("bus-id") or ""):
                addresses[card, chip] = str(fields["bus-id"]).upper()
    return Table(powers, tuple(chips), addresses, *(versions.groups() if versions else (None, None)))


def _groups(lines: Iterable[str]) -> list[list[list[str]]]:
    """Rows between two rules of a table, each as its cells."""
    groups: list[list[list[str]]] = [[]]
    for line in lines:
        if line.lstrip().startswith("|"):
            groups[-1].append(line.strip().strip("|").split("|"))
        else:
            groups.append([])
    return [group for group in groups if group]


def _device(
    titles: list[list[list[Title]]], rows: list[list[str]]
) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Values and units by title of one device, empty where its rows have not the cells of the title rows."""
    values: dict[str, str | None] = {}
    units: dict[str, str | None] = {}
    if [len(row) for row in rows] != [len(row) for row in titles]:
        return values, units
    for heads, cells in zip(titles, rows, strict=True):
        for columns, cell in zip(heads, cells, strict=True):
            for title, value in zip(columns, values_of(columns, cell), strict=True):
                values[title.name] = None if title.name in values else value
                units[title.name] = title.unit
    return values, units


def _name(titles: list[list[list[Title]]], rows: list[list[str]]) -> str:
    for heads, cells in zip(titles, rows, strict=False):
        for columns, cell in zip(heads, cells, strict=False):
            if any(title.name == "name" for title in columns):
                return _rest(columns, "name", cell)
    return ""


def _rest(titles: Sequence[Title], name: str, line: str) -> str:
    """The text under a title up to the next one, which may hold spaces."""
    for title, after in zip(titles, [*titles[1:], None], strict=True):
        if title.name == name:
            return " ".join(line[title.start : after.start if after else None].split())
    return ""


def _owned(lines: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Lines of each chip with its number, or "other" for what is no chip that computes."""
    owned: list[tuple[str, list[str]]] = []
    for block in _blocks(lines):
        owners = [(place, owner) for place, line in enumerate(block) if (owner := _owner(line)) is not None]
        if len(owners) <= 1:
            owned.append((owners[0][1] if owners else "0", block))
            continue
        before = owners[0][0] == 0
        starts = [place if before else place + 1 for place, _ in owners]
        cuts = [*starts, len(block)] if before else [0, *starts]
        owned += [(owner, block[cuts[k] : cuts[k + 1]]) for k, (_, owner) in enumerate(owners)]
    return owned


def _blocks(lines: Iterable[str]) -> list[list[str]]:
    """Lines between blank ones, without those that speak of the card."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        label, _ = _labelled(line)
        if not line.strip():
            blocks.append([])
        elif label and label not in ("npu id", "chip count"):
            blocks[-1].append(line)
    return [block for block in blocks if block]


def _owner(line: str) -> str | None:
    label, value = _labelled(line)
    if label == "chip id":
        return value if value.isdigit() else "other"
    return "other" if label == "chip name" and value.casefold() in OTHER_CHIPS else None


def _labelled(line: str) -> tuple[str, str]:
    """Label in small letters and value of a line, empty where it has none."""
    match = LABEL.match(line.expandtabs())
    return (" ".join(match[1].casefold().split()), match[2]) if match else ("", "")


def _whole(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch("[0-9]{1,9}", value) else None


def _first(row: dict[str, str | None], names: Iterable[str]) -> str | None:
    return next((row[name] for name in names if name in row), None)


def _joined(rows: list[list[str]]) -> str:
    return "\n".join("|".join(row) for row in rows)
