"""Hygon and AMD boards by hwmon, with rocm-smi or hy-smi beside it as a second opinion or in its place."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.base import STATUS_ERROR, Probe, Reading, Sensor, checked_reading
from collectors.tools import rocm_smi_text
from collectors.tools.command import TIMEOUT_S, Answer, absence, ask, excerpt
from collectors.tools.hwmon import AMD, HYGON, VENDORS, Board, Machine, find_machine
from collectors.tools.rocm_smi_text import Row
from collectors.visible_rocm import visible_rocm

CLI_PERIOD_S = 1.0
"""Least time between two calls. A call takes about 1.3 s on a DCU node and is then followed by the next at once."""


@dataclass(frozen=True)
class Tool:
    """A program: for which vendors, its calls in order of preference, and how to read what they print.

    The table comes first: it alone gives power, cap and use in one call. `addresses` is the call that gives PCI
    addresses by device number and `read_addresses` reads them.
    """

    program: str
    vendors: tuple[int, ...]
    calls: tuple[tuple[str, ...], ...] = ((), ("--showpower", "--showuse"), ("--showpower", "--json"))
    addresses: tuple[str, ...] = ("--showbus",)
    read: Callable[[str], dict[int, Row]] = rocm_smi_text.rows
    read_addresses: Callable[[str], dict[int, str]] = rocm_smi_text.bus_addresses


@dataclass(frozen=True)
class Found:
    """What a tool printed when it was first asked: the call that worked, its devices, and how long it took."""

    call: tuple[str, ...]
    rows: dict[int, Row]
    addresses: dict[int, str]
    duration_s: float


class SmiCollector:
    """Power in watts of each board that the job's environment shows.

    A board with power in hwmon is read there, at hwmon's rate; the program runs in a thread of its own and is a sensor
    that checks the first. A board without is read by the program alone. Where both work they must agree (accounting
    compares them). The program of another vendor under the same name is not believed, and neither is one that lists
    other devices than at first: it may have numbered them anew.
    """

    tool: Tool
    name: str

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        sys_root: Path = Path("/sys"),
        dev_root: Path = Path("/dev"),
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._roots = sys_root, dev_root
        self._timeout_s = timeout_s
        self._boards: dict[str, Board] = {}
        self._rows: dict[int, str] = {}
        self._call: tuple[str, ...] = ()
        self._listed: set[int] = set()
        self._answers: deque[Answer] = deque(maxlen=1000)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def probe(self) -> Probe:
        """One sensor a visible board, one more where the program gives a second opinion, or why there is none."""
        machine = find_machine(self.tool.vendors, *self._roots)
        found, problem = self._ask_tool(machine)
        devices = machine.devices or _devices_of(found)
        if not devices:
            names = " or ".join(VENDORS[vendor] for vendor in self.tool.vendors)
            reason = "none may be opened by this process" if machine.boards else f"no {names} board in sysfs"
            return Probe(reason=f"{problem or self.tool.program}; {reason}")
        visible = visible_rocm([uuid for _, uuid in devices], self._environ)
        if visible.reason:
            return Probe(reason=visible.reason)
        numbers = _numbers(machine, found, devices)
        numbered: dict[str, list[int]] = {}
        for logical, position in enumerate(visible.positions):
            numbered.setdefault(_powered(machine, found, numbers, devices[position][0]), []).append(logical)
        self._boards, self._rows = {}, {}
        sensors: list[Sensor] = []
        for pci, held in numbered.items():
            sensors += self._sensors(machine, pci, tuple(held), found, numbers.get(pci), problem)
        self._call = found.call if found else ()
        self._listed = set(found.rows) if found else set()
        if not sensors:
            told = problem or f"{self.tool.program} does not tell which of its devices these are"
            return Probe(reason=f"no power in hwmon of {', '.join(numbered)}; {told}")
        return Probe(tuple(sensors))

    def _ask_tool(self, machine: Machine) -> tuple[Found | None, str | None]:
        """What the program prints, or why it is not used."""
        program = self.tool.program
        if reason := absence(program):
            return None, reason
        problem = None
        for call in self.tool.calls:
            answer = ask([program, *call], self._timeout_s)
            told = answer.problem or f"{program} gives no power"
            problem = problem or (f"{told}: {text}" if (text := excerpt(answer.text)) else told)
            vendor = rocm_smi_text.vendor_of_output(answer.text)
            vendors = {board.vendor for board in machine.boards} or set(self.tool.vendors)
            if vendor is not None and vendor not in vendors:
                boards = " and ".join(sorted(VENDORS[number] for number in vendors))
                return None, f"the {program} on PATH is {VENDORS[vendor]}'s and the boards are {boards}'s: not used"
            if (answer.t1_ns - answer.t0_ns) / 1e9 >= self._timeout_s:
                return None, problem
            rows = {} if answer.problem else self.tool.read(answer.text)
            if any(row.power_w for row in rows.values()):
                told_addresses = ask([program, *self.tool.addresses], self._timeout_s)
                addresses = {} if told_addresses.problem else self.tool.read_addresses(told_addresses.text)
                return Found(call, rows, addresses, (answer.t1_ns - answer.t0_ns) / 1e9), None
        return None, problem

    def _sensors(
        self,
        machine: Machine,
        pci: str,
        devices: tuple[int, ...],
        found: Found | None,
        number: int | None,
        problem: str | None,
    ) -> list[Sensor]:
        board = machine.by_pci.get(pci)
        shared = _shared(machine, board, devices)
        sensors = []
        measured = board is not None and (board.power is not None or board.energy is not None)
        if board and measured:
            self._boards[pci] = board
            sensors.append(board.sensor(devices, shared, problem))
        row = found.rows.get(number) if found and number is not None else None
        if found and number is not None and row and row.power_w:
            sensor_id = f"{pci}/{self.tool.program}" if measured else pci
            self._rows[number] = sensor_id
            period_s = max(CLI_PERIOD_S, found.duration_s)
            sensors.append(
                Sensor(
                    id=sensor_id,
                    scope="card",
                    kind="average_window",
                    name=board.name if board else "",
                    update_period_s=period_s + found.duration_s / 2,
                    power_cap_w=row.cap_w or (board.cap_w if board else None),
                    devices=devices,
                    checks=pci if measured else None,
                    shared=shared,
                    tool_version=" ".join([self.tool.program, *found.call]),
                )
            )
        return sensors

    def start(self, period_s: float) -> None:
        """Starts asking the program in a thread, where it is used."""
        self._stopped.clear()
        if self._rows:
            self._thread = threading.Thread(target=self._follow, name=self.tool.program, daemon=True)
            self._thread.start()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            due_s = time.monotonic() + CLI_PERIOD_S
            answer = ask([self.tool.program, *self._call], self._timeout_s, self._stopped)
            if not self._stopped.is_set():
                self._answers.append(answer)
            self._stopped.wait(max(0.0, due_s - time.monotonic()))

    def sample(self) -> Sequence[Reading]:
        """One reading of each board by hwmon, and those of every call of the program that ended since the last time."""
        readings = []
        while self._answers:
            readings += self._readings(self._answers.popleft())
        return readings + [board.read() for board in self._boards.values() if board.power]

    def _readings(self, answer: Answer) -> list[Reading]:
        rows = {} if answer.problem else self.tool.read(answer.text)
        problem = answer.problem or f"lists devices {_enumerated(rows)}, at first {_enumerated(self._listed)}"
        readings = []
        for number, sensor in self._rows.items():
            row = rows.get(number) if set(rows) == self._listed else None
            if row is None or row.power_w is None:
                told = row.raw if row else f"{problem}: {excerpt(answer.text)}"
                readings.append(Reading(answer.t0_ns, answer.t1_ns, sensor, None, STATUS_ERROR, told))
            else:
                readings.append(
                    checked_reading(answer.t0_ns, answer.t1_ns, sensor, row.power_w, row.raw, row.utilisation)
                )
        return readings

    def read_counter(self, sensor: str) -> float | None:
        """The energy counter of hwmon in joules, None where there is none."""
        board = self._boards.get(sensor)
        return board.read_energy_j() if board else None

    def stop(self) -> None:
        """Ends the program and its thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None


class RocmSmiCollector(SmiCollector):
    """rocm-smi of ROCm, or of a DTK before hy-smi."""

    name = "rocm-smi"
    tool = Tool("rocm-smi", (HYGON, AMD))


class HySmiCollector(SmiCollector):
    """hy-smi of a newer DTK."""

    name = "hy-smi"
    tool = Tool("hy-smi", (HYGON,))


def _devices_of(found: Found | None) -> list[tuple[str, str | None]]:
    """Devices as the program lists them, where sysfs shows no board."""
    return [(found.addresses.get(number, f"device {number}"), None) for number in found.rows] if found else []


def _numbers(machine: Machine, found: Found | None, devices: Sequence[tuple[str, str | None]]) -> dict[str, int]:
    """The program's number of each board: by PCI address, else by order where both list as many."""
    if not found:
        return {}
    if found.addresses:
        return {pci: number for number, pci in found.addresses.items() if number in found.rows}
    boards = [board.pci for board in machine.boards] or [pci for pci, _ in devices]
    return dict(zip(boards, found.rows, strict=True)) if len(boards) == len(found.rows) else {}


def _powered(machine: Machine, found: Found | None, numbers: Mapping[str, int], pci: str) -> str:
    """The board that reports the power of this one: itself, or the first die of its card."""
    board = machine.by_pci.get(pci)
    row = found.rows.get(numbers.get(pci, -1)) if found else None
    if not (row and row.second_die) and not (board and board.second_of_two):
        return pci
    order = sorted(machine.by_pci) or sorted(numbers, key=lambda other: numbers[other])
    place = order.index(pci) if pci in order else 0
    return order[place - 1] if place else pci


def _enumerated(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none"


def _shared(machine: Machine, board: Board | None, devices: Sequence[int]) -> str | None:
    if board is None:
        return None
    if board.partition:
        return f"{board.partition} partitions: the power is that of the whole board"
    order = [other.pci for other in machine.boards]
    place = order.index(board.pci) + 1
    two = place < len(order) and machine.boards[place].second_of_two
    return "the power is that of both dies of the card" if two and len(devices) < 2 else None
