"""Ascend's chips as npu-smi and the version files of driver and CANN tell of them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from collectors.vendors.ascend.npu_smi_inventory import take_inventory
from collectors.vendors.ascend.npu_smi_text import parse_board
from collectors.vendors.ascend.visible_ascend import NpuChip, visible_npus
from collectors.vendors.command import absence
from harness.machine.accelerators.told import number, output_of, version_in
from harness.results.devices import UNORDERED, Accelerator, Device, DeviceState

PROGRAM = "npu-smi"
ROOT = Path("/usr/local/Ascend")
HOMES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "ASCEND_OPP_PATH")
"""Variables that set_env.sh of CANN sets; the last names a folder inside the home."""

MIB = 2**20


def describe(environ: Mapping[str, str], devices: int | None) -> Accelerator:
    """Driver, firmware, CANN, its kernels and the chips of the first `devices` logical devices, None for all."""
    missing: list[str] = []
    chips, driver = _chips(environ, devices, missing)
    boards = {card: _ask("board", card, missing) for card in {chip.card for chip in chips}}
    found = tuple(_device(index, chip, boards[chip.card], missing) for index, chip in enumerate(chips))
    homes = _homes(environ)
    root = Path(environ.get("ASCEND_DRIVER_PATH", str(ROOT / "driver")))
    driver = driver or version_in([root / "version.info"])
    firmware = next((each.firmware for each in found), None) or version_in([ROOT / "firmware" / "version.info"])
    toolkit = version_in(file for home in homes for file in _toolkit_files(home))
    kernels = version_in(file for home in homes for file in _kernel_files(home))
    versions = {"driver": driver, "firmware": firmware, "CANN": toolkit, "kernel package": kernels}
    missing += [f"the version of the {what} is told nowhere" for what, version in versions.items() if version is None]
    return Accelerator(
        vendor="ascend",
        driver=driver,
        firmware=firmware,
        toolkit=toolkit and f"CANN {toolkit}",
        kernels=kernels,
        devices=found,
        missing=tuple(dict.fromkeys(missing)),
    )


def states(environ: Mapping[str, str], devices: int, when: Literal["before", "after"]) -> tuple[DeviceState, ...]:
    """Clock and temperature of the first `devices` logical devices; of a card with several chips, not known."""
    found = []
    for index, chip in enumerate(_chips(environ, devices, [])[0]):
        told = _ask("common", chip.card, []) if chip.chip == 0 else {}
        clock = told.get("aicore curfreq(mhz)")
        found.append(
            DeviceState(
                index=index, when=when, clock_mhz=number(clock), temperature_c=number(told.get("temperature(c)"))
            )
        )
    return tuple(found)


def _chips(environ: Mapping[str, str], devices: int | None, missing: list[str]) -> tuple[list[NpuChip], str | None]:
    """The job's chips in its order, as far as that is known, and the driver's version."""
    if reason := absence(PROGRAM):
        missing.append(reason)
        return [], None
    inventory = take_inventory()
    if isinstance(inventory, str):
        missing.append(inventory)
        return [], None
    visible = visible_npus(inventory.chips, environ)
    if visible.reason:
        missing.append(visible.reason)
        return [], inventory.driver_version
    by_key = {chip.key: chip for chip in inventory.chips}
    ordered = [by_key[key] for key in sorted(visible.numbers, key=lambda key: visible.numbers[key])]
    if visible.numbered:
        return ordered[:devices], inventory.driver_version
    missing.append(f"the order in which CANN counts the chips {UNORDERED}")
    return ordered, inventory.driver_version


def _device(index: int, chip: NpuChip, board: Mapping[str, str], missing: list[str]) -> Device:
    usages = _ask("usages", chip.card, missing)
    common = _ask("common", chip.card, missing)
    memory_mib = number(usages.get("hbm capacity(mb)"))
    return Device(
        index=index,
        name=chip.name or None,
        memory_bytes=int(memory_mib * MIB) if memory_mib else None,
        clock_mhz_max=number(common.get("aicore freq(mhz)")),
        firmware=board.get("firmware version"),
    )


def _ask(kind: str, card: int, missing: list[str]) -> dict[str, str]:
    """What npu-smi tells of the first chip of a card, names in small letters."""
    text = output_of(PROGRAM, "info", "-t", kind, "-i", str(card), missing=missing)
    first: dict[str, str] = {}
    for name, value in (line.split(":", 1) for line in text.splitlines() if ":" in line):
        first.setdefault(name.strip().lower(), value.strip())
    return first or parse_board(text)


def _homes(environ: Mapping[str, str]) -> list[Path]:
    named = [Path(environ[name]) for name in HOMES if environ.get(name)]
    named = [path.parent if path.name == "opp" else path for path in named]
    return [*named, ROOT / "cann", ROOT / "ascend-toolkit" / "latest", ROOT / "nnae" / "latest"]


def _toolkit_files(home: Path) -> Sequence[Path]:
    arch = f"{os.uname().machine}-linux"
    names = (f"{arch}/ascend_toolkit_install.info", f"{arch}/ascend_nnae_install.info", "runtime/version.info")
    return [home / name for name in names]


def _kernel_files(home: Path) -> Sequence[Path]:
    arch = f"{os.uname().machine}-linux"
    return [home / name for name in ("opp_kernel/version.info", f"{arch}/ascend_ops_install.info", "opp/version.info")]
