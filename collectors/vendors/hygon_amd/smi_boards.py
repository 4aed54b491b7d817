"""Which board's power each device has, from what a tool printed and what the kernel shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collectors.vendors.host.hwmon import TWO_DIES, Board, Machine
from collectors.vendors.pci import slot
from collectors.vendors.smi_row import Row


@dataclass(frozen=True)
class Found:
    """What a tool printed when it was first asked: the call that worked, its devices, and how long it took."""

    call: tuple[str, ...]
    rows: dict[int, Row]
    addresses: dict[int, str]
    duration_s: float


@dataclass(frozen=True)
class Boards:
    """Devices of the runtime in its order, each with the board that it is on and its UUID; partitions share a board.

    `numbers` are the tool's numbers of boards whose power it tells. `powered` names for each board the one that reports
    its power. `unknown` says why the tool's devices cannot be told apart, None where they can.
    """

    devices: tuple[tuple[str, str | None], ...]
    numbers: Mapping[str, int]
    powered: Mapping[str, str]
    unknown: str | None = None

    def sharing(self, board: str) -> int:
        """How many devices have their power in what this board reports."""
        return sum(self.powered[own] == board for own, _ in self.devices)

    def on(self, board: str) -> int:
        """How many devices are on this board."""
        return sum(own == board for own, _ in self.devices)


def find_boards(machine: Machine, found: Found | None) -> Boards:
    """The devices that the kernel shows, else those that the tool lists, and the tool's number of each board."""
    if machine.devices:
        numbers = _numbers(machine, found) if found else {}
        return _with_dies(machine, found, machine.devices, numbers, None)
    if not found:
        return Boards((), {}, {})
    if not found.addresses:
        devices = tuple((f"device {number}", None) for number in found.rows)
        numbers = {f"device {number}": number for number in found.rows}
        return _with_dies(machine, found, devices, numbers, _unknown(found.rows))
    own = _leaders(found.addresses)
    numbered = sorted({*found.rows, *found.addresses})
    devices = tuple((own.get(number, f"device {number} without an address"), None) for number in numbered)
    return _with_dies(machine, found, devices, _first_with_power(own, found.rows), None)


def shared_reason(board: Board | None, row: Row | None, boards: Boards, pci: str, held: int) -> str | None:
    """Why work other than the job's, which holds so many of its devices, may be in the power of a board."""
    mode = (board.partition if board else None) or (row.partition if row else None)
    if mode:
        return f"{mode} partitions: the power is that of the whole board"
    on_it = boards.on(pci)
    if on_it > 1 and board is None:
        return f"its {on_it} partitions have one power, that of the whole board"
    if held < boards.sharing(pci):
        return "the power is that of both dies of the card"
    return None


def one_power(found: Found | None, machine: Machine) -> str | None:
    """Why the powers of a tool's devices may be that of one board: all equal, and nothing tells the devices apart."""
    if found is None or found.addresses or machine.boards or len(found.rows) < 2:
        return None
    powers = {row.power_w for row in found.rows.values()}
    if len(powers) > 1:
        return None
    return f"all {len(found.rows)} devices print one power and no address: they may be partitions of one board"


def _unknown(rows: Mapping[int, Row]) -> str | None:
    """Why devices without addresses cannot be counted: only a table, which lists all, may begin at 1."""
    numbers = list(rows)
    first = numbers[0]
    whole = first == 0 or (first == 1 and all(row.in_table for row in rows.values()))
    if whole and numbers == list(range(first, first + len(numbers))):
        return None
    return (
        f"devices {enumerated(numbers)} are listed without addresses, so that the job's numbers of them are not known"
    )


def _numbers(machine: Machine, found: Found) -> dict[str, int]:
    """The tool's number of each board: by PCI address, else by order where both list as many."""
    if found.addresses:
        own = {}
        for number, address in found.addresses.items():
            board = next((pci for pci in (address, f"{slot(address)}.0") if pci in machine.by_pci), None)
            if board:
                own[number] = board
        return _first_with_power(own, found.rows)
    boards = [board.pci for board in machine.boards]
    if len(boards) != len(found.rows):
        return {}
    return dict(zip(boards, found.rows, strict=True))


def _leaders(addresses: Mapping[int, str]) -> dict[int, str]:
    """The board of each number: its address, or that of the first function of the same slot."""
    leaders: dict[str, str] = {}
    for number in sorted(addresses):
        leaders.setdefault(slot(addresses[number]), addresses[number])
    return {number: leaders[slot(address)] for number, address in sorted(addresses.items())}


def _first_with_power(own: Mapping[int, str], rows: Mapping[int, Row]) -> dict[str, int]:
    """For each board the first number that has a power, else the first that is listed."""
    numbers: dict[str, int] = {}
    for number in sorted(own):
        if number not in rows:
            continue
        first = numbers.setdefault(own[number], number)
        if rows[number].draws and not rows[first].draws:
            numbers[own[number]] = number
    return numbers


def _with_dies(
    machine: Machine,
    found: Found | None,
    devices: tuple[tuple[str, str | None], ...],
    numbers: Mapping[str, int],
    unknown: str | None,
) -> Boards:
    order = sorted(machine.by_pci) or sorted(numbers, key=lambda other: numbers[other])
    second = {pci for pci in order if _is_second(machine, found, numbers, order, pci)}
    powered = {pci: pci for pci, _ in devices}
    for pci in powered:
        place = order.index(pci) if pci in second else 0
        if place:
            powered[pci] = order[place - 1]
    return Boards(devices, numbers, powered, unknown)


def _is_second(machine: Machine, found: Found | None, numbers: Mapping[str, int], order: list[str], pci: str) -> bool:
    """Whether a board is a die whose power is in that of the one before: said to be, without one, or repeating it."""
    board = machine.by_pci.get(pci)
    row = found.rows.get(numbers.get(pci, -1)) if found else None
    if (row and row.second_die) or (board and board.second_of_two):
        return True
    dies = [die for die in order if machine.by_pci[die].device in TWO_DIES] if board else []
    if pci not in dies or dies.index(pci) % 2 == 0:
        return False
    first = dies[dies.index(pci) - 1]
    other = found.rows.get(numbers.get(first, -1)) if found else None
    if row and other and row.draws and row.power_w == other.power_w:
        return True
    reads = [machine.by_pci[die].read().power_w for die in (first, pci)]
    return reads[0] is not None and reads[0] == reads[1]


def enumerated(numbers: Iterable[int]) -> str:
    """Numbers in order, for a message."""
    return ", ".join(map(str, sorted(numbers))) or "none"
