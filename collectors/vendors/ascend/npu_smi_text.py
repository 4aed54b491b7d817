"""What npu-smi prints, read by titles and labels: mapping, listing, board, watch rows and blocks of labelled values.

A value whose column or unit cannot be told is None with the raw text; what is not there at all is not in the result.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from collectors.vendors.ascend.npu_smi_columns import (
    NOTHING,
    Title,
    first_of,
    rest_of,
    suits,
    titles_of,
    tokens_of,
    values_of,
)
from collectors.vendors.ascend.visible_ascend import NpuChip
from collectors.vendors.command import excerpt, whole_lines
from collectors.vendors.quantity import fraction, watts, whole_number

ABSENT = "-"
"""Printed instead of the power by a die whose power is in that of the card's first die."""

REAL_TIME = re.compile(r"(?:npu |chip )?real-time power")
DISSIPATION = "power dissipation"
AICORE = ("aicore", "ai core", "aicore usage rate", "npu util")
LOGIC = ("chip logic id", "device")
PHYSICAL = ("chip phy-id", "chip physical id", "phy-id")
CONTROLLER = "controller"
CONTROLLERS = ("mcu", "3559")
MOST_CHIPS = 256
"""More than this in one list is no answer of a machine."""


@dataclass(frozen=True)
class ChipPower:
    """The power of a chip in watts, None where `raw` holds no power. `utilisation` is the busy part of its AI cores.

    `taken_bytes` is what is taken of its memory, which the table alone tells in bytes.
    """

    power_w: float | None
    raw: str
    utilisation: float | None = None
    taken_bytes: int | None = None

    @property
    def absent(self) -> bool:
        """Whether the chip prints the sign of a die without a power of its own."""
        return self.power_w is None and self.raw == ABSENT


@dataclass(frozen=True)
class CardPower:
    """Powers of the chips of one card. `board` is that of the whole card, where no chip has one of its own.

    `by_controller` tells that the board's power stands in the block of the controller, whose own it is on a 910.
    """

    chips: dict[int, ChipPower] = field(default_factory=dict)
    board: ChipPower | None = None
    by_controller: bool = False


def parse_mapping(text: str) -> list[NpuChip]:
    """Chips that compute, from `npu-smi info -m`; rows without any number (the controller) are left out.

    Empty where a chip or number stands there twice, and where there are more than any machine has.
    """
    chips: list[NpuChip] = []
    titles: list[Title] = []
    for line in (line.expandtabs() for line in whole_lines(text) if line.strip()):
        found = titles_of(line)
        names = {title.name for title in found}
        if "npu id" in names and names & {*LOGIC, *PHYSICAL}:
            titles = found
            continue
        row = _mapping_row(titles, line)
        card = whole_number(row.get("npu id"))
        logic, physical = whole_number(first_of(row, LOGIC)), whole_number(first_of(row, PHYSICAL))
        chip = whole_number(row.get("chip id")) if "chip id" in row else 0
        if card is not None and chip is not None and (logic is not None or physical is not None):
            chips.append(NpuChip(card, chip, logic, physical, row.get("chip name") or ""))
    logics = Counter(chip.logic for chip in chips if chip.logic is not None)
    twice = [*Counter(chip.key for chip in chips).values(), *logics.values()]
    return [] if any(count > 1 for count in twice) or len(chips) > MOST_CHIPS else chips


def _mapping_row(titles: Sequence[Title], line: str) -> dict[str, str | None]:
    """Values by title: numbers in their order and then the name, which may hold spaces; else by their places."""
    if not titles:
        return {}
    names = [title.name for title in titles]
    numbers = list(itertools.takewhile(lambda value: re.fullmatch(r"\d+|-", value), line.split()))
    if names[-1:] == ["chip name"] and len(numbers) == len(names) - 1:
        return dict(zip(names, [*numbers, " ".join(line.split()[len(numbers) :])], strict=True))
    return dict(zip(names, values_of(titles, line), strict=True)) | {"chip name": rest_of(titles, "chip name", line)}


def parse_listing(text: str) -> list[NpuChip]:
    """Chips from `npu-smi info -l`, which tells how many each card has and not their logic ids."""
    chips: list[NpuChip] = []
    card = None
    for line in whole_lines(text):
        label, value = _labelled(line)
        if label == "npu id":
            card = whole_number(value)
        elif label == "chip count" and card is not None:
            count = whole_number(value) or 0
            if len(chips) + count > MOST_CHIPS:
                return []
            chips += [NpuChip(card, chip) for chip in range(count)]
            card = None
    return chips


def parse_board(text: str) -> dict[str, str]:
    """Labels in small letters and values of `npu-smi info -t board`, without those that say nothing."""
    pairs = (_labelled(line) for line in whole_lines(text))
    return {label: value for label, value in pairs if label and value.casefold() not in NOTHING}


def parse_blocks(text: str) -> CardPower:
    """Powers of one card from `-t power` or `-t common`: `Chip ID` after the values or before them.

    A power that names no chip is that of a card's only chip and else of none: what names it may have been cut off. The
    controller's block never stands for a chip. Its power is that of the whole card where no chip has a line of its own:
    dissipation on a 310, whose chips print their rated power, real-time power on a 310P, whose chips are listed
    without one.
    """
    labels = [_labelled(line) for line in whole_lines(text)]
    cards = {value for label, value in labels if label == "npu id"}
    if len(cards) > 1:
        return CardPower()
    counts = {whole_number(value) for label, value in labels if label == "chip count"}
    pieces = _owned(labels)
    alone = len(pieces) == 1 and pieces[0][0] is None and counts == {1}
    chips: dict[int, ChipPower] = {}
    controller: list[tuple[bool, ChipPower]] = []
    listed = any(whole_number(owner) is not None for owner, _ in pieces)
    for owner, lines in pieces:
        real_time, dissipation, utilisation = _powers(lines)
        told = real_time or dissipation
        number = 0 if alone else whole_number(owner)
        if owner == CONTROLLER:
            controller += [(False, dissipation)] if dissipation else []
            controller += [(True, real_time)] if real_time and listed else []
        elif told and number is not None:
            clash = number in chips and chips[number].power_w != told.power_w
            chips[number] = ChipPower(None if clash else told.power_w, told.raw, utilisation)
    if chips or not controller:
        return CardPower(chips)
    by_controller, board = min(controller, key=lambda power: power[0])
    return CardPower(chips, board, by_controller)


def _powers(lines: Sequence[tuple[str, str]]) -> tuple[ChipPower | None, ChipPower | None, float | None]:
    """Real-time power, dissipation and use that the lines of one owner tell. With a label told twice none is known."""
    real_time, dissipation, utilisation = None, None, None
    twice = len({label for label, _ in lines}) < len(lines)
    for label, value in lines:
        name, _, unit = label.partition("(")
        read = ChipPower(None if twice else watts(value, unit.rstrip(") ")), value)
        if REAL_TIME.fullmatch(name.strip()):
            real_time = read
        elif name.strip() == DISSIPATION:
            dissipation = read
        elif name.strip() in AICORE:
            utilisation = fraction(value)
    return real_time, dissipation, utilisation


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
        card = whole_number(row.get("npuid"))
        chip = whole_number(row.get("chipid")) if "chipid" in row else 0
        if card is None or chip is None:
            return None
        unit = next((title.unit for title in self._titles if title.name in ("pwr", "power")), None)
        value = row.get("pwr", row.get("power"))
        whole = len(tokens_of(line)) >= len(self._titles)
        fits = all(suits(title, row[title.name]) for title in self._titles)
        if value is None or not whole or not fits:
            return (card, chip), ChipPower(None, excerpt(line))
        return (card, chip), ChipPower(watts(value, unit), value, fraction(first_of(row, AICORE)))


def _owned(labels: Sequence[tuple[str, str]]) -> list[tuple[str | None, list[tuple[str, str]]]]:
    """Labels and values of each owner: a chip's number, the controller, or None where the lines do not say whose.

    Owners come before their values, unless a power stands in front of the first of them.
    """
    blocks = _blocks(labels)
    named = [[(place, owner) for place, line in enumerate(block) if (owner := _owner(line))] for block in blocks]
    fronts = (block[: places[0][0]] for block, places in zip(blocks, named, strict=True) if places)
    before = not any("power" in label for label, _ in next(fronts, ()))
    owned: list[tuple[str | None, list[tuple[str, str]]]] = []
    for block, places in zip(blocks, named, strict=True):
        cuts = [place if before else place + 1 for place, _ in places]
        owners = [owner for _, owner in places]
        edges = [0, *cuts, len(block)]
        whose = [None, *owners] if before else [*owners, None]
        pieces = zip(whose, edges, edges[1:], strict=False)
        owned += [(owner, block[start:end]) for owner, start, end in pieces if end > start]
    return owned


def _blocks(labels: Iterable[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Labelled lines between blank ones, without those that speak of the card."""
    blocks: list[list[tuple[str, str]]] = [[]]
    for label, value in labels:
        if not label and not value:
            blocks.append([])
        elif label and label not in ("npu id", "chip count"):
            blocks[-1].append((label, value))
    return [block for block in blocks if block]


def _owner(line: tuple[str, str]) -> str | None:
    label, value = line
    if label == "chip id":
        return value if whole_number(value) is not None else CONTROLLER
    return CONTROLLER if label == "chip name" and value.casefold() in CONTROLLERS else None


def _labelled(line: str) -> tuple[str, str]:
    """Label in small letters and value of a line; a line without a colon is a value without a label."""
    label, colon, value = line.replace("\uff1a", ":").partition(":")
    return (" ".join(label.casefold().split()), value.strip()) if colon else ("", line.strip())
