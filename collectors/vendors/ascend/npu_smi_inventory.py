"""What npu-smi lists: chips, what they are known by, and versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from collectors.vendors.ascend.ascend_errors import error_in
from collectors.vendors.ascend.npu_smi_reader import ASK_LIMIT_S, PROGRAM, in_parallel
from collectors.vendors.ascend.npu_smi_table import parse_table
from collectors.vendors.ascend.npu_smi_text import parse_board, parse_listing, parse_mapping
from collectors.vendors.ascend.visible_ascend import NpuChip
from collectors.vendors.command import Answer, ask, excerpt
from collectors.vendors.pci import pci_address


@dataclass(frozen=True)
class Inventory:
    """Chips, by card and chip the PCI address or serial number of each that has one, and versions."""

    chips: tuple[NpuChip, ...]
    addresses: Mapping[tuple[int, int], str]
    tool_version: str | None
    driver_version: str | None


def take_inventory() -> Inventory | str:
    """What `-m`, else `-l`, else the table lists, or why nothing."""
    mapping = _ask("-m")
    chips = parse_mapping(mapping.text)
    asked = {"info -m": mapping}
    if not chips:
        if mapping.problem and "did not end" in mapping.problem:
            return mapping.problem
        asked["info -l"] = _ask("-l")
        chips = parse_listing(asked["info -l"].text)
    asked["info"] = _ask()
    table = parse_table(asked["info"].text)
    chips = chips or list(table.chips)
    if not chips:
        return _nothing(asked)
    named = {chip.key: chip for chip in table.chips}
    chips = [_completed(chip, named.get(chip.key)) for chip in chips]
    addresses = dict(table.addresses)
    without = {chip.card for chip in chips if chip.key not in addresses}
    boards = in_parallel(lambda card: parse_board(_ask("-t", "board", "-i", str(card)).text), sorted(without))
    for chip in chips:
        address = _stable_id(boards.get(chip.card, {}))
        if address and chip.key not in addresses:
            addresses[chip.key] = address
    driver = next((board["software version"] for board in boards.values() if "software version" in board), None)
    return Inventory(tuple(chips), addresses, table.tool_version, table.driver_version or driver)


def _ask(*options: str) -> Answer:
    return ask([PROGRAM, "info", *options], ASK_LIMIT_S)


def _nothing(asked: Mapping[str, Answer]) -> str:
    """The error that npu-smi tells, else what it said to each question."""
    told = next((error for answer in asked.values() if (error := error_in(answer.text))), None)
    if told:
        return told
    said: dict[str, list[str]] = {}
    for title, answer in asked.items():
        said.setdefault(excerpt(answer.text) or answer.problem or "no output", []).append(title)
    each = (f"{text} ({', '.join(titles)})" for text, titles in said.items())
    return f"lists no NPU: {'; '.join(each)}"


def _completed(chip: NpuChip, row: NpuChip | None) -> NpuChip:
    """A chip with what the table adds; the table's names tell more than "Ascend" does."""
    if row is None:
        return chip
    return replace(
        chip,
        name=row.name or chip.name,
        logic=row.logic if chip.logic is None else chip.logic,
        physical=row.physical if chip.physical is None else chip.physical,
    )


def _stable_id(board: Mapping[str, str]) -> str | None:
    address = pci_address(board.get("pcie bus info", ""))
    return address.upper() if address else board.get("serial number")
