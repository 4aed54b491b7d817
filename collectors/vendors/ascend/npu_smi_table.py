"""The device table of `npu-smi info`, read by its titles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collectors.vendors.ascend.npu_smi_columns import Title, first_of, rest_of, suits, titles_of, values_of
from collectors.vendors.ascend.npu_smi_text import AICORE, LOGIC, PHYSICAL, ChipPower
from collectors.vendors.ascend.visible_ascend import NpuChip
from collectors.vendors.command import excerpt, whole_lines
from collectors.vendors.pci import pci_address
from collectors.vendors.quantity import fraction, watts, whole_number

CARD = ("npu", "npu id")
CHIP = ("chip", "chip id")
MEMORIES = ("hbm-usage", "memory-usage")
VERSIONS = re.compile(r"npu-smi\s+(\S+)\s+Version:\s*(\S+)")
Titles = list[list[list[Title]]]


@dataclass(frozen=True)
class NpuTable:
    """Powers and PCI addresses by card and chip, and the versions in the table's head."""

    powers: dict[tuple[int, int], ChipPower]
    chips: tuple[NpuChip, ...] = ()
    addresses: dict[tuple[int, int], str] = field(default_factory=dict)
    tool_version: str | None = None
    driver_version: str | None = None


@dataclass(frozen=True)
class TableDevice:
    """Values by title of one device, and the unit of its power. Without `fits` a value cannot be under its title."""

    values: dict[str, str | None]
    power_unit: str | None
    fits: bool


def parse_table(text: str) -> NpuTable:
    """The device table of `npu-smi info`; the table of processes below it is passed over.

    A device of which a value cannot stand under its title, or that is listed twice, has no power.
    """
    powers: dict[tuple[int, int], ChipPower] = {}
    chips: list[NpuChip] = []
    addresses: dict[tuple[int, int], str] = {}
    versions = VERSIONS.search(text)
    titles: Titles = []
    for rows in _groups(whole_lines(text)):
        heads = [[titles_of(cell) for cell in row] for row in rows]
        names = {title.name for row in heads for cell in row for title in cell}
        if names & {*CARD} and not any(name.isdigit() for name in names):
            titles = heads if "power" in names else []
            continue
        for start in range(0, len(rows) if titles else 0, len(titles) or 1):
            own = rows[start : start + len(titles)]
            device = _device(titles, own)
            fields = device.values
            card, chip = whole_number(first_of(fields, CARD)), _chip(fields)
            if card is None or chip is None:
                continue
            read = _power(device, excerpt("\n".join("|".join(row) for row in own)))
            powers[card, chip] = ChipPower(None, "listed twice") if (card, chip) in powers else read
            logic, physical = whole_number(first_of(fields, LOGIC)), whole_number(first_of(fields, PHYSICAL))
            chips.append(NpuChip(card, chip, logic, physical, _name(titles, own)))
            if address := pci_address(fields.get("bus-id") or ""):
                addresses[card, chip] = address.upper()
    return NpuTable(powers, tuple(chips), addresses, *(versions.groups() if versions else (None, None)))


def _power(device: TableDevice, line: str) -> ChipPower:
    value = device.values.get("power")
    if not value or not device.fits:
        return ChipPower(None, line)
    return ChipPower(
        watts(value, device.power_unit), value, fraction(first_of(device.values, AICORE)), _taken_bytes(device.values)
    )


def _taken_bytes(values: Mapping[str, str | None]) -> int | None:
    """Of `59718/ 65536` MB in the first memory that the chip has: HBM, else DDR."""
    for title in MEMORIES:
        taken, _, size = (values.get(title) or "").partition("/")
        taken_mb, size_mb = whole_number(taken.strip()), whole_number(size.strip())
        if taken_mb is not None and size_mb:
            return taken_mb << 20 if 0 < taken_mb <= size_mb else None
    return None


def _chip(fields: dict[str, str | None]) -> int | None:
    """The chip's number on its card, 0 where the table has no column of chips."""
    return whole_number(first_of(fields, CHIP)) if set(CHIP) & set(fields) else 0


def _groups(lines: Iterable[str]) -> list[list[list[str]]]:
    """Rows between two rules of a table, each as its cells."""
    groups: list[list[list[str]]] = [[]]
    for line in lines:
        if line.lstrip().startswith("|"):
            groups[-1].append(line.strip().strip("|").split("|"))
        else:
            groups.append([])
    return [group for group in groups if group]


def _device(titles: Titles, rows: list[list[str]]) -> TableDevice:
    """Values by title of one device, empty where its rows have not the cells of the title rows."""
    values: dict[str, str | None] = {}
    unit, fits = None, True
    if [len(row) for row in rows] != [len(row) for row in titles]:
        return TableDevice(values, None, False)
    for heads, cells in zip(titles, rows, strict=True):
        for columns, cell in zip(heads, cells, strict=True):
            for title, value in zip(columns, values_of(columns, cell), strict=True):
                values[title.name] = None if title.name in values else value
                unit = title.unit if title.name == "power" else unit
                fits = fits and suits(title, value)
    return TableDevice(values, unit, fits)


def _name(titles: Titles, rows: list[list[str]]) -> str:
    for heads, cells in zip(titles, rows, strict=False):
        for columns, cell in zip(heads, cells, strict=False):
            if any(title.name == "name" for title in columns):
                return rest_of(columns, "name", cell)
    return ""
