"""Hygon and AMD boards by hwmon, with rocm-smi or hy-smi beside it as a second opinion or in its place."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.base import STATUS_ERROR, Probe, Reading, Sensor, checked_reading
from collectors.vendors.command import TIMEOUT_S, Answer, absence, ask, excerpt
from collectors.vendors.host.hwmon import AMD, HYGON, VENDORS, Board, Machine, find_machine
from collectors.vendors.hygon_amd import rocm_smi_text
from collectors.vendors.hygon_amd.smi_boards import Boards, Found, enumerated, find_boards, one_power, shared_reason
from collectors.vendors.hygon_amd.visible_rocm import visible_rocm
from collectors.vendors.smi_row import BadOutputError, Row

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
        boards = find_boards(machine, found)
        if not boards.devices:
            names = " or ".join(VENDORS[vendor] for vendor in self.tool.vendors)
            reason = "none may be opened by this process" if machine.boards else f"no {names} board in sysfs"
            return Probe(reason=f"{problem or self.tool.program}; {reason}")
        if boards.unknown:
            return Probe(reason=f"{self.tool.program}: {boards.unknown}")
        visible = visible_rocm([uuid for _, uuid in boards.devices], self._environ)
        if visible.reason:
            return Probe(reason=visible.reason)
        numbered: dict[str, list[int]] = {}
        for logical, position in enumerate(visible.positions):
            numbered.setdefault(boards.powered[boards.devices[position][0]], []).append(logical)
        self._boards, self._rows = {}, {}
        sensors: list[Sensor] = []
        for pci, held in numbered.items():
            sensors += self._sensors(machine, boards, pci, tuple(held), found, problem)
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
            try:
                rows = {} if answer.problem else self.tool.read(answer.text)
            except BadOutputError as error:
                problem = f"{program} cannot be read: {error}: {excerpt(answer.text)}"
                continue
            if any(row.draws for row in rows.values()):
                return Found(call, rows, self._addresses(), (answer.t1_ns - answer.t0_ns) / 1e9), None
        return None, problem

    def _addresses(self) -> dict[int, str]:
        """PCI addresses by the program's number, empty where it does not tell them."""
        answer = ask([self.tool.program, *self.tool.addresses], self._timeout_s)
        try:
            return {} if answer.problem else self.tool.read_addresses(answer.text)
        except BadOutputError:
            return {}

    def _sensors(
        self,
        machine: Machine,
        boards: Boards,
        pci: str,
        devices: tuple[int, ...],
        found: Found | None,
        problem: str | None,
    ) -> list[Sensor]:
        board = machine.by_pci.get(pci)
        number = boards.numbers.get(pci)
        row = found.rows.get(number) if found and number is not None else None
        shared = shared_reason(board, row, boards, pci, len(devices)) or one_power(found, machine)
        sensors = []
        measured = board is not None and (board.power is not None or board.energy is not None)
        if board and measured:
            self._boards[pci] = board
            sensors.append(board.sensor(devices, shared, problem))
        if found and number is not None and row and row.draws:
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
        rows: dict[int, Row] = {}
        problem = answer.problem
        try:
            rows = {} if problem else self.tool.read(answer.text)
        except BadOutputError as error:
            problem = str(error)
        problem = problem or f"lists devices {enumerated(rows)}, at first {enumerated(self._listed)}"
        readings = []
        for number, sensor in self._rows.items():
            row = rows.get(number) if set(rows) == self._listed else None
            if row is None or row.power_w is None:
                told = row.raw if row else f"{problem}: {excerpt(answer.text)}"
                readings.append(Reading(answer.t0_ns, answer.t1_ns, sensor, None, STATUS_ERROR, told))
            else:
                t0_ns, t1_ns, use = answer.t0_ns, answer.t1_ns, row.utilisation
                readings.append(checked_reading(t0_ns, t1_ns, sensor, row.power_w, row.raw, use, None, row.taken))
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
