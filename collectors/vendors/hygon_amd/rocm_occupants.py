"""Processes on Hygon and AMD boards, through hy-smi or rocm-smi."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.occupancy.occupants import DeviceOccupants, DeviceProcess, LookError
from collectors.vendors.command import Answer, absence, ask, excerpt
from collectors.vendors.host.hwmon import AMD, HYGON, find_machine
from collectors.vendors.hygon_amd.rocm_smi_text import bus_addresses
from collectors.vendors.hygon_amd.visible_rocm import visible_rocm

MIB = 1 << 20
NONE = re.compile(r"No KFD PIDs currently running")
TABLE_ROW = re.compile(r"^(\d+)\s+\S.*?\s+(\d+|UNKNOWN)\s+(\d+|UNKNOWN)\s+(\d+|UNKNOWN)\s+(\d+|UNKNOWN)\s*$")
BLOCK_PID = re.compile(r"^\s*PID\s*:\s*(\d+)\s*$")
BLOCK_DEVICES = re.compile(r"^\s*(?:HCU|DCU|GPU) Index\s*:\s*\[(.*)\]\s*$")
BLOCK_MEMORY = re.compile(r"^\s*VRAM USED\(MiB\)\s*:\s*(\d+)\s*$")
PID_DEVICES = re.compile(r"^PID (\d+) is using (\d+) (?:DRM|KFD) device\(s\)(:?)\s*$")


@dataclass(frozen=True)
class Held:
    """A process as the tool lists it: on these of its devices, None where it does not tell."""

    process: DeviceProcess
    devices: frozenset[int] | None


class RocmSmiOccupants:
    """Asks rocm-smi of ROCm or of an older DTK."""

    name = "rocm-smi"
    vendors: tuple[int, ...] = (HYGON, AMD)
    period_s = 60.0

    def __init__(
        self, environ: Mapping[str, str] | None = None, sys_root: Path = Path("/sys"), dev_root: Path = Path("/dev")
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._roots = sys_root, dev_root
        self._numbers: dict[int, tuple[int, str]] = {}
        self._count = 0

    def find(self) -> str | None:
        """Finds the tool's number of each device of the job, by PCI address, else by order."""
        if reason := absence(self.name):
            return reason
        machine = find_machine(self.vendors, *self._roots)
        addresses = bus_addresses(ask([self.name, "--showbus"]).text)
        if not addresses:
            return f"{self.name} lists no device"
        devices = list(machine.devices) or [(addresses[number], None) for number in sorted(addresses)]
        visible = visible_rocm([uuid for _, uuid in devices], self._environ)
        if visible.reason:
            return visible.reason
        numbers = {address: number for number, address in addresses.items()}
        for logical, position in enumerate(visible.positions):
            address = devices[position][0]
            if address not in numbers:
                return f"{self.name} does not list {address}"
            self._numbers[numbers[address]] = (logical, address)
        self._count = len(addresses)
        return None

    def look(self) -> tuple[list[DeviceOccupants], list[DeviceProcess]]:
        """Processes by device; those of which the tool does not tell the device apart, unless there is only one."""
        held = listed(ask([self.name, "--showpids"]))
        if any(each.devices is None for each in held):
            placed = devices_of_pids(ask([self.name, "--showpidgpus"]).text)
            held = [
                each if each.devices is not None else Held(each.process, placed.get(each.process.pid)) for each in held
            ]
        if self._count == 1:
            held = [each if each.devices is not None else Held(each.process, frozenset(self._numbers)) for each in held]
        devices = [
            DeviceOccupants(
                logical, address, tuple(each.process for each in held if each.devices and number in each.devices)
            )
            for number, (logical, address) in self._numbers.items()
        ]
        return devices, [each.process for each in held if each.devices is None]


class HySmiOccupants(RocmSmiOccupants):
    """Asks hy-smi of a newer DTK."""

    name = "hy-smi"
    vendors = (HYGON,)


def listed(answer: Answer) -> list[Held]:
    """Processes that `--showpids` lists, as a table or as blocks. Raises LookError for another output.

    The table counts the devices of a process; one that holds none, such as a daemon that asks for their state, is
    left out. hy-smi numbers them in its blocks, or leaves that empty.
    """
    if answer.problem:
        raise LookError(f"{answer.problem}: {excerpt(answer.text)}")
    if NONE.search(answer.text):
        return []
    found: list[Held] = []
    for line in answer.text.splitlines():
        if row := TABLE_ROW.match(line.strip()):
            if row[2] != "0":
                found.append(Held(DeviceProcess(int(row[1]), int(row[3]) if row[3].isdecimal() else None), None))
        elif start := BLOCK_PID.match(line):
            found.append(Held(DeviceProcess(int(start[1])), None))
        elif found and (numbers := BLOCK_DEVICES.match(line)):
            told = frozenset(map(int, re.findall(r"\d+", numbers[1])))
            found[-1] = Held(found[-1].process, told or None)
        elif found and (memory := BLOCK_MEMORY.match(line)):
            found[-1] = Held(DeviceProcess(found[-1].process.pid, int(memory[1]) * MIB), found[-1].devices)
    if not found and "PROCESS NAME" not in answer.text:
        raise LookError(f"no processes in {excerpt(answer.text) or 'an empty output'}")
    return found


def devices_of_pids(text: str) -> dict[int, frozenset[int]]:
    """Device numbers of each process from `--showpidgpus`, whose lists may go over several lines."""
    found: dict[int, set[int]] = {}
    current: set[int] | None = None
    for line in text.splitlines():
        if start := PID_DEVICES.match(line.strip()):
            current = found.setdefault(int(start[1]), set())
        elif current is not None and re.fullmatch(r"[\d\s,]+", line.strip() or "-"):
            current.update(map(int, re.findall(r"\d+", line)))
        else:
            current = None
    return {pid: frozenset(numbers) for pid, numbers in found.items()}
