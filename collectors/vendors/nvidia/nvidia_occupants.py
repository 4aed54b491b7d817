"""Processes on NVIDIA boards: through NVML, or through nvidia-smi where NVML cannot be loaded."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from collectors.occupancy.occupants import DeviceOccupants, DeviceProcess, LookError
from collectors.vendors.command import absence, ask, excerpt
from collectors.vendors.nvidia.nvml import list_boards
from collectors.vendors.nvidia.visible_cuda import Gpu, VisibleGpus, visible_gpus

MIB = 1 << 20
LISTS = ("Compute", "Graphics", "MPSCompute")
"""What NVML lists apart: CUDA contexts, drawing, and clients of the multi-process service."""

PROGRAM = "nvidia-smi"
QUERY = ("--query-compute-apps=pid,gpu_uuid,used_memory", "--format=csv")
BOARDS = ("--query-gpu=uuid,name,pci.bus_id", "--format=csv,noheader")
INSTANCE = re.compile(r"^\s*(GPU|MIG)\b.*\(UUID: ([^)\s]+)\)", re.MULTILINE)
EMPTY = re.compile(r"no running (compute )?processes found", re.IGNORECASE)


class NvmlOccupants:
    """Asks NVML, which answers within a millisecond."""

    name = "nvml"
    period_s = 10.0

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._nvml: Any = None
        self._handles: list[tuple[int | None, str, Any]] = []

    def find(self) -> str | None:
        """Opens NVML and the boards that the job sees; it stays open."""
        try:
            import pynvml
        except ImportError as error:
            return f"nvidia-ml-py cannot be imported: {error}"
        try:
            pynvml.nvmlInit()
            boards, unreadable = list_boards(pynvml)
        except pynvml.NVMLError as error:
            return f"NVML: {error}"
        visible = visible_gpus([gpu for gpu, _ in boards], self._environ)
        if visible.reason:
            return "; ".join([visible.reason, *unreadable])
        handles = {gpu.uuid: handle for gpu, handle in boards}
        self._handles = [(number, uuid, handles[uuid]) for number, uuid in _numbers(visible)]
        self._nvml = pynvml
        return None

    def look(self) -> tuple[list[DeviceOccupants], list[DeviceProcess]]:
        """Processes of all kinds on each board, each once."""
        return [DeviceOccupants(number, uuid, self._processes(handle)) for number, uuid, handle in self._handles], []

    def _processes(self, handle: Any) -> tuple[DeviceProcess, ...]:
        found: dict[int, DeviceProcess] = {}
        for kind in LISTS:
            for process in self._list(kind, handle):
                held = process.usedGpuMemory
                if process.pid not in found or found[process.pid].memory_bytes is None:
                    found[process.pid] = DeviceProcess(process.pid, None if held is None else int(held))
        return tuple(found.values())

    def _list(self, kind: str, handle: Any) -> list[Any]:
        """One list; drivers before 510 have an older call, and boards need not have all kinds."""
        error: Exception | None = None
        for version in ("_v3", "_v2"):
            try:
                listed: list[Any] = getattr(self._nvml, f"nvmlDeviceGet{kind}RunningProcesses{version}")(handle)
                return listed
            except self._nvml.NVMLError_FunctionNotFound as missing:
                error = missing
            except self._nvml.NVMLError as failed:
                error = failed
                break
        if kind == "Compute":
            raise LookError(f"NVML: {error}")
        return []


class NvidiaSmiOccupants:
    """Asks nvidia-smi, which lists CUDA contexts and no drawing."""

    name = PROGRAM
    period_s = 60.0

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._boards: list[tuple[int | None, str]] = []
        self._board_of: dict[str, str] = {}

    def find(self) -> str | None:
        """Lists boards and their MIG instances."""
        if reason := absence(PROGRAM):
            return reason
        told = ask([PROGRAM, *BOARDS])
        rows = [[cell.strip() for cell in line.split(",")] for line in told.text.splitlines()]
        boards = [row for row in rows if len(row) == 3 and row[0].startswith("GPU-")]
        if told.problem or not boards:
            return told.problem or f"{PROGRAM} lists no GPU: {excerpt(told.text)}"
        board, instances = "", defaultdict[str, list[str]](list)
        for sort, uuid in INSTANCE.findall(ask([PROGRAM, "-L"]).text):
            if sort == "GPU":
                board = uuid
            else:
                instances[board].append(uuid)
                self._board_of[uuid] = board
        visible = visible_gpus(
            [Gpu(uuid, name, bus, bool(instances[uuid]), tuple(instances[uuid])) for uuid, name, bus in boards],
            self._environ,
        )
        self._boards = _numbers(visible)
        return visible.reason

    def look(self) -> tuple[list[DeviceOccupants], list[DeviceProcess]]:
        """Rows of the CSV by board; a header without rows is an empty list."""
        answer = ask([PROGRAM, *QUERY])
        if answer.problem:
            raise LookError(f"{answer.problem}: {excerpt(answer.text)}")
        held = compute_apps(answer.text)
        processes = defaultdict[str, list[DeviceProcess]](list)
        for uuid, process in held:
            processes[self._board_of.get(uuid, uuid)].append(process)
        return [DeviceOccupants(number, uuid, tuple(processes[uuid])) for number, uuid in self._boards], []


def compute_apps(text: str) -> list[tuple[str, DeviceProcess]]:
    """Board and process of each row of `--query-compute-apps` by its titles. Raises LookError for another output."""
    titles: list[str] | None = None
    found = []
    for line in filter(str.strip, text.splitlines()):
        cells = [cell.strip() for cell in line.split(",")]
        names = [cell.split(" [")[0] for cell in cells]
        if titles is None and {"pid", "gpu_uuid"} <= set(names):
            titles = names
            continue
        row = dict(zip(titles, cells, strict=False)) if titles and len(cells) == len(titles) else {}
        if not row.get("pid", "").isdecimal():
            if EMPTY.search(line):
                titles = titles or []
                continue
            raise LookError(f"{PROGRAM} lists no processes: {excerpt(line)}")
        memory = re.fullmatch(r"(\d+)(?: MiB)?", row.get("used_gpu_memory") or row.get("used_memory") or "")
        process = DeviceProcess(int(row["pid"]), int(memory[1]) * MIB if memory else None)
        found.append((row["gpu_uuid"], process))
    if titles is None:
        raise LookError(f"{PROGRAM} printed nothing")
    return found


def _numbers(visible: VisibleGpus) -> list[tuple[int | None, str]]:
    """Number and UUID of the boards of a job, each board once, under its first number."""
    first = {uuid: number for number, uuid in reversed(list(enumerate(visible.uuids)))}
    return [
        (number if visible.numbered else None, uuid) for uuid, number in sorted(first.items(), key=lambda each: each[1])
    ]
