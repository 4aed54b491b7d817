"""What rocm-smi and hy-smi print, read by title and label: tables, lines, JSON and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from collectors.vendors.command import excerpt, lines_of
from collectors.vendors.host.hwmon import AMD, HYGON
from collectors.vendors.hygon_amd.rocm_smi_table import table_rows
from collectors.vendors.pci import pci_address
from collectors.vendors.quantity import fraction, watts
from collectors.vendors.smi_row import SECOND_DIE, Row, partition_of

BOARD_POWER = re.compile(
    r"(?:(average|avg) |current |instantaneous )?(?:(?:socket )?(?:graphics )?package|board|card) power"
)
"""Labels of the power of the whole board. Those of its core, memory or voltage rails are none."""

CAP = re.compile(r"max\b|cap\b|limit\b")
USE = re.compile(r"(?:gpu|dcu|hcu) use")
MODE = re.compile(r"mode|compute partition")
LABEL = re.compile(r"([^()]*)(?:\(([^()]*)\))?$")
CARD = re.compile(r'"(?:card|gpu|dcu|hcu|device)\[?(\d{1,4})\]?"\s*:\s*\{', re.IGNORECASE)
PAIRS = re.compile(r'"([^"\n]*)"\s*:\s*(?:"([^"\n]*)"|([^",\s}]+))')
DEVICE = re.compile(r"[A-Za-z]+\[(\d{1,4})\]\s*:")
NUMBERED = re.compile(r"[A-Za-z]*(\d{1,4})")
LONGEST_CARD = 20_000
VENDOR_SIGNS = {HYGON: re.compile(r"\b[DH]CU\b"), AMD: re.compile(r"ROCm System Management Interface|\bGPU%")}
Labels = Sequence[tuple[str, str]]


def rows(text: str) -> dict[int, Row]:
    """Devices by the number that the tool gives them, in order; empty where the text is none of the known layouts.

    A device that the text names without a power is there without one, and so is one that is told of twice in one layout
    with different powers. Of several layouts the first that gives a power counts.
    """
    without_power: dict[int, Row] = {}
    for layout in (_json_rows, _csv_rows, table_rows, _line_rows):
        found: dict[int, Row] = {}
        for index, row in layout(text):
            earlier = found.setdefault(index, row)
            if earlier.power_w != row.power_w:
                found[index] = replace(row, power_w=None, raw=f"told twice: {earlier.raw}; {row.raw}")
        found = dict(sorted(found.items()))
        if any(row.power_w is not None for row in found.values()):
            return found
        without_power = without_power or found
    return without_power


def vendor_of_output(text: str) -> int | None:
    """The vendor whose tool prints this, by titles and prefixes; None where it cannot be told."""
    return next((vendor for vendor, sign in VENDOR_SIGNS.items() if sign.search(text)), None)


def bus_addresses(text: str) -> dict[int, str]:
    """PCI addresses by device number from what `--showbus` prints; a device told of twice has none."""
    found: dict[int, set[str]] = {}
    for index, labels in _devices(text).items():
        for label, value in labels:
            address = pci_address(value) if label.casefold().startswith("pci bus") else None
            if address:
                found.setdefault(index, set()).add(address)
    return {index: next(iter(addresses)) for index, addresses in found.items() if len(addresses) == 1}


def _labelled_row(labels: Labels) -> Row:
    """The row of a device from its labels and values.

    An average power goes before a current one: both are the board's, and one tool must not change between them. A label
    that is told twice with different values has no power.
    """
    powers: dict[str, set[str]] = {}
    cap_w, utilisation, partition = None, None, None
    for label, value in labels:
        match = LABEL.fullmatch(" ".join(label.casefold().split()))
        name, unit = (match[1].strip(), match[2]) if match else ("", None)
        if BOARD_POWER.fullmatch(name):
            powers.setdefault(f"{name} ({unit or ''})", set()).add(value)
        elif "power" in name and CAP.search(name):
            cap_w = watts(value, unit)
        elif USE.fullmatch(name) and unit == "%":
            utilisation = fraction(value)
        elif MODE.fullmatch(name):
            partition = partition_of(value)
    told = [f"{label}: {value}" for label, value in labels if "power" in label.casefold()]
    row = Row(None, excerpt("; ".join(told)) or "no power is told", cap_w, utilisation, partition=partition)
    values = [value for told_values in powers.values() for value in told_values]
    if any(SECOND_DIE.search(value) for value in values):
        return replace(row, second_die=True)
    for name in sorted(powers, key=lambda name: not name.startswith(("average", "avg"))):
        unit = name.rpartition("(")[2].rstrip(")")
        told_w = {watts(value, unit) for value in powers[name]}
        if len(told_w) > 1:
            return row
        if told_w != {None}:
            return replace(row, power_w=told_w.pop())
    return row


def _json_rows(text: str) -> Iterator[tuple[int, Row]]:
    """Cards of a JSON text, which may stand between other lines and have commas too many.

    A card that is cut off, or holds more than labels and values, has no power.
    """
    for card in CARD.finditer(text):
        limit = card.end() + LONGEST_CARD
        end = min((place for sign in "{}" if (place := text.find(sign, card.end(), limit)) >= 0), default=-1)
        if end < 0 or text[end] == "{":
            yield int(card[1]), Row(None, excerpt(text[card.start() : card.start() + 200]))
            continue
        pairs = PAIRS.findall(text, card.end(), end)
        yield int(card[1]), _labelled_row([(key, quoted or bare) for key, quoted, bare in pairs])


def _csv_rows(text: str) -> Iterator[tuple[int, Row]]:
    """Devices of a CSV. A last line without its end may be cut and has no power."""
    titles: list[str] = []
    place = 0
    for line in lines_of(text):
        cells = _csv_cells(line)
        lowered = [cell.casefold() for cell in cells]
        if "device" in lowered and len(cells) > 1:
            titles, place = cells, lowered.index("device")
        elif titles and len(cells) > place + 1 and (number := NUMBERED.fullmatch(cells[place])):
            whole = len(cells) == len(titles) and line.endswith("\n")
            raw = excerpt(line)
            row = _labelled_row(list(zip(titles, cells, strict=True))) if whole else Row(None, raw)
            yield int(number[1]), replace(row, raw=raw)


def _csv_cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def _line_rows(text: str) -> Iterator[tuple[int, Row]]:
    for index, labels in _devices(text).items():
        yield index, _labelled_row(labels)


def _devices(text: str) -> dict[int, list[tuple[str, str]]]:
    """Labels and values by device of lines as `GPU[0] : label: value`. A last line without its end may be cut."""
    devices: dict[int, list[tuple[str, str]]] = {}
    for line in lines_of(text):
        match = DEVICE.match(line.lstrip())
        if match:
            labels = devices.setdefault(int(match[1]), [])
            label, colon, value = line.lstrip()[match.end() :].partition(":")
            if colon and line.endswith("\n"):
                labels.append((label.strip(), value.strip()))
    return devices
