"""AMD and Hygon boards as the kernel shows them: power, energy, cap and use in sysfs, and the order of the runtime."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collectors.base import STATUS_ERROR, Reading, Sensor, checked_reading

AMD, HYGON = 0x1002, 0x1D94
VENDORS = {AMD: "AMD", HYGON: "Hygon"}
"""PCI vendor ids (PCI ID database)."""

TWO_DIES = frozenset({0x7408, 0x740C})
"""PCI device ids of MI250X and MI250, of whose two dies the first reports the power of both."""

MICRO = 1e-6
UPDATE_PERIOD_S = 0.1
"""How often to read. The driver asks the board's firmware at each read; how often that renews it is not published."""


@dataclass(frozen=True)
class Board:
    """One PCI function with a display or compute driver. Powers in watts, read when the board was found.

    `power` and `energy` are the files of a power in microwatts and a counter in microjoules, None where there is none
    or it cannot be read; `partition` is the compute partition mode where there is one; `render` names its render node.
    """

    pci: str
    vendor: int
    device: int
    folder: Path
    name: str
    render: str | None
    uuid: str | None
    partition: str | None
    power: Path | None
    energy: Path | None
    cap_w: float | None

    @property
    def second_of_two(self) -> bool:
        """Whether this is a die whose power is reported by the die before it."""
        return self.device in TWO_DIES and self.power is None

    def sensor(self, devices: tuple[int, ...], shared: str | None, note: str | None) -> Sensor:
        """What the kernel's files say of the power of this board."""
        averaged = self.power is not None and self.power.name.endswith("average")
        return Sensor(
            id=self.pci,
            scope="card",
            kind="average_window" if averaged else "instant",
            name=self.name,
            update_period_s=UPDATE_PERIOD_S,
            resolution_w=MICRO,
            has_counter=self.energy is not None,
            counter_resolution_j=MICRO if self.energy else None,
            power_cap_w=self.cap_w,
            devices=devices,
            shared=shared,
            tool_version="; ".join(filter(None, [f"hwmon {self.power.name}" if self.power else "hwmon", note])),
        )

    def read(self) -> Reading:
        """Power, use and memory taken now. A file that cannot be read is a failed reading with its error."""
        t0_ns = time.monotonic_ns()
        try:
            if self.power is None:
                raise FileNotFoundError(f"{self.folder} has no power")
            power_uw = int(self.power.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            return Reading(t0_ns, time.monotonic_ns(), self.pci, None, STATUS_ERROR, f"{self.power}: {error}")
        t1_ns = time.monotonic_ns()
        use = _number(self.folder / "gpu_busy_percent")
        utilisation = use / 100 if use is not None and 0 <= use <= 100 else None
        taken_bytes = _number(self.folder / "mem_info_vram_used") or None
        return checked_reading(t0_ns, t1_ns, self.pci, power_uw * MICRO, f"{power_uw} uW", utilisation, taken_bytes)

    def read_energy_j(self) -> float | None:
        """The energy counter in joules, None where it cannot be read."""
        energy_uj = _number(self.energy) if self.energy else None
        return None if energy_uj is None else energy_uj * MICRO


@dataclass(frozen=True)
class Machine:
    """The boards of some vendors in PCI order, and for each device of the runtime, in its order, board and UUID.

    A board that this process may not open is among the boards and not among the devices.
    """

    boards: tuple[Board, ...] = ()
    devices: tuple[tuple[str, str | None], ...] = ()
    by_pci: dict[str, Board] = field(default_factory=dict)


def find_machine(vendors: Sequence[int], sys_root: Path = Path("/sys"), dev_root: Path = Path("/dev")) -> Machine:
    """Boards of these vendors. Never raises.

    The runtime counts the nodes of the KFD topology that may be read, in their order; without a topology, the boards
    in PCI order.
    """
    found: dict[str, Board] = {}
    for card in sorted(sys_root.glob("class/drm/card*")):
        board = _board(card / "device") if re.fullmatch(r"card\d+", card.name) else None
        if board and board.vendor in vendors:
            found[board.pci] = board
    boards = tuple(found[pci] for pci in sorted(found))
    nodes = dev_root / "dri"
    hidden = {board.pci for board in boards if nodes.is_dir() and board.render and not (nodes / board.render).exists()}
    devices = _kfd_devices(sys_root / "class/kfd/kfd/topology/nodes", found)
    if devices is None:
        devices = [(board.pci, board.uuid) for board in boards]
    return Machine(boards, tuple(device for device in devices if device[0] not in hidden), found)


def _board(folder: Path) -> Board | None:
    """The board behind a DRM card, None where it is not a PCI function."""
    vendor, device = _number(folder / "vendor"), _number(folder / "device")
    pci = folder.resolve().name
    if vendor is None or device is None or not re.fullmatch(r"[0-9a-f]{4,8}(:[0-9a-f]{2}){2}\.[0-7]", pci):
        return None
    monitors = sorted(folder.glob("hwmon/hwmon*"))
    cap_uw = next((cap for monitor in monitors if (cap := _number(monitor / "power1_cap"))), None)
    partition = _text(folder / "current_compute_partition")
    return Board(
        pci=pci,
        vendor=vendor,
        device=device,
        folder=folder,
        name=_text(folder / "product_name") or f"{VENDORS.get(vendor, hex(vendor))} {device:#06x}",
        render=next((path.name for path in sorted(folder.glob("drm/renderD*"))), None),
        uuid=f"GPU-{unique}" if (unique := _text(folder / "unique_id")) else None,
        partition=partition if partition not in ("SPX", "UNKNOWN") else None,
        power=_readable(monitors, ("power1_average", "power1_input")),
        energy=_readable(monitors, ("energy1_input",)),
        cap_w=cap_uw * MICRO if cap_uw else None,
    )


def _readable(monitors: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first file that holds a number above 0: a board that draws nothing is one that is not measured."""
    for name in names:
        for monitor in monitors:
            if (_number(monitor / name) or 0) > 0:
                return monitor / name
    return None


def _kfd_devices(nodes: Path, boards: dict[str, Board]) -> list[tuple[str, str | None]] | None:
    """Board and UUID of each compute node in order, None where there is no topology."""
    if not nodes.is_dir():
        return None
    devices: list[tuple[str, str | None]] = []
    for node in sorted(nodes.iterdir(), key=lambda path: int(path.name) if path.name.isdigit() else -1):
        properties = dict(re.findall(r"^(\w+)[ \t]+(\d+)$", _text(node / "properties") or "", re.MULTILINE))
        if not int(properties.get("simd_count", 0)):
            continue
        location, domain = int(properties.get("location_id", 0)), int(properties.get("domain", 0))
        slot = f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}."
        pci = next((pci for pci in (f"{slot}{location & 7}", f"{slot}0") if pci in boards), None)
        unique = int(properties.get("unique_id", 0))
        if pci:
            devices.append((pci, f"GPU-{unique:016x}" if unique else boards[pci].uuid))
    return devices


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _number(path: Path) -> int | None:
    try:
        return int(_text(path) or "", 0)
    except ValueError:
        return None
