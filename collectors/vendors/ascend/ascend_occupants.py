"""Processes on Ascend NPUs, through npu-smi: `info -t proc-mem` of each chip, else the table of `npu-smi info`."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Mapping

from collectors.occupancy.occupants import DeviceOccupants, DeviceProcess, LookError
from collectors.vendors.ascend.ascend_errors import error_in
from collectors.vendors.ascend.npu_smi_inventory import take_inventory
from collectors.vendors.ascend.npu_smi_reader import ASK_LIMIT_S, PROGRAM
from collectors.vendors.ascend.visible_ascend import visible_npus
from collectors.vendors.command import Answer, absence, ask, excerpt

MIB = 1 << 20
Key = tuple[int, int]

PROCESS = re.compile(r"Process id\s*:\s*(\d+)\s+Process name\s*:(.*?)\s*Process memory\(MB\)\s*:\s*(\d+)")
"""The name may be empty: npu-smi does not find that of a process in a container."""

CHIP = re.compile(r"^\s*Chip ID\s*:\s*(\d+)\s*$")
NO_PROCESS = re.compile(r"No process in device")
NO_PROCESS_IN_TABLE = re.compile(r"No running processes found in NPU (\d+)")


class NpuSmiOccupants:
    """Asks npu-smi for the chips that the job's environment shows."""

    name = PROGRAM
    period_s = 60.0

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._devices: list[tuple[int | None, Key]] = []
        self._uses_table = False

    def find(self) -> str | None:
        """Takes the inventory and finds the job's chips in it."""
        if reason := absence(PROGRAM):
            return reason
        inventory = take_inventory()
        if isinstance(inventory, str):
            return f"{PROGRAM}: {inventory}"
        visible = visible_npus(inventory.chips, self._environ)
        self._devices = [(number if visible.numbered else None, key) for key, number in sorted(visible.numbers.items())]
        return visible.reason

    def look(self) -> tuple[list[DeviceOccupants], list[DeviceProcess]]:
        """Processes on each chip. The table stands in for a version that does not know proc-mem."""
        keys = [key for _, key in self._devices]
        if not self._uses_table:
            try:
                return self._told({key: self._of_chip(key) for key in keys}), []
            except LookError as error:
                table = ask([PROGRAM, "info"], ASK_LIMIT_S)
                try:
                    held = table_processes(table.text, keys)
                except LookError:
                    raise error from None
                self._uses_table = True
                return self._told(held), []
        return self._told(table_processes(ask([PROGRAM, "info"], ASK_LIMIT_S).text, keys)), []

    def _of_chip(self, key: Key) -> tuple[DeviceProcess, ...]:
        card, chip = map(str, key)
        answer = ask([PROGRAM, "info", "-t", "proc-mem", "-i", card, "-c", chip], ASK_LIMIT_S)
        return proc_mem(answer, key[1])

    def _told(self, held: Mapping[Key, tuple[DeviceProcess, ...]]) -> list[DeviceOccupants]:
        return [DeviceOccupants(number, f"NPU {key[0]} chip {key[1]}", held[key]) for number, key in self._devices]


def proc_mem(answer: Answer, chip: int) -> tuple[DeviceProcess, ...]:
    """Processes on one chip from `info -t proc-mem`. Raises LookError for another output.

    The number of a chip stands below its processes. Without one all are taken for those of the chip asked for.
    """
    waiting: list[DeviceProcess] = []
    placed: dict[int, list[DeviceProcess]] = {}
    empty = False
    for line in answer.text.splitlines():
        if process := PROCESS.search(line):
            waiting.append(DeviceProcess(int(process[1]), int(process[3]) * MIB))
        elif NO_PROCESS.search(line):
            empty = True
        elif owner := CHIP.match(line):
            placed.setdefault(int(owner[1]), []).extend(waiting)
            waiting = []
    if not (waiting or any(placed.values()) or empty):
        told = error_in(answer.text) or answer.problem or f"{PROGRAM} lists no processes: {excerpt(answer.text)}"
        raise LookError(told)
    return (*placed.get(chip, ()), *waiting)


def table_processes(text: str, keys: Collection[Key]) -> dict[Key, tuple[DeviceProcess, ...]]:
    """Processes on the chips of these cards and numbers from the table of `npu-smi info`, by its titles.

    Where a column gives the number of a process in its container, that one is taken. Raises LookError for a table
    without a part for processes, or where that does not speak of a card.
    """
    titles: list[str] | None = None
    found: dict[Key, list[DeviceProcess]] = defaultdict(list)
    spoken: set[int] = set()
    for line in text.splitlines():
        cells = [" ".join(cell.split()) for cell in line.strip().strip("|").split("|")]
        if "Process id" in cells:
            titles = cells
        elif titles and (nothing := NO_PROCESS_IN_TABLE.search(line)):
            spoken.add(int(nothing[1]))
        elif titles and len(cells) == len(titles) and re.fullmatch(r"\d+( \d+)?", cells[0]):
            row = dict(zip(titles, cells, strict=True))
            own, memory = row.get("Process id in container", ""), row.get("Process memory(MB)", "")
            pid = own if own.isdecimal() else row["Process id"]
            if pid.isdecimal():
                card, *chip = map(int, cells[0].split())
                spoken.add(card)
                process = DeviceProcess(int(pid), int(memory) * MIB if memory.isdecimal() else None)
                found[card, chip[0] if chip else 0].append(process)
    missing = sorted({card for card, _ in keys} - spoken)
    if titles is None or missing:
        what = f"NPU {missing[0]}" if titles and missing else "processes"
        raise LookError(f"the table of {PROGRAM} does not tell of {what}: {error_in(text) or excerpt(text, 80)}")
    return {key: tuple(found[key]) for key in keys}
