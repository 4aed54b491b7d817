"""The stage of a chip: a folder with its device files, programs, libraries and packages, and an environment for it."""

import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path

from harness.errors import UserError
from harness.machine import rehearsal
from harness.rehearsal.building import STAND_INS, second_device, vendor_library
from harness.rehearsal.cards import CARDS, Card
from harness.rehearsal.programs import write_program
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig

CAST_FILE = "stage.json"
"""What the stand-ins read of a stage."""

DEVICE_FILE = {"ASCEND_RT_VISIBLE_DEVICES": "davinci0", "HIP_VISIBLE_DEVICES": "kfd", "CUDA_VISIBLE_DEVICES": "nvidia0"}


def card_of(chip_name: str) -> Card:
    """What stands in for a chip. Raises UserError for one that has no stand-in."""
    chip = catalogue.chip(chip_name)
    if chip.visible_devices not in DEVICE_FILE:
        raise UserError(f"{chip_name} needs no rehearsal: make bench CHIP={chip_name} runs here")
    card = CARDS.get(Path(chip_name).stem)
    if card is None:
        raise UserError(f"{chip_name} has no stand-in; choose from: {', '.join(CARDS)}")
    return card


def set_stage(chip_name: str, folder: Path) -> dict[str, str]:
    """Fill a folder, which is made or replaced, with all that stands in for a chip; the environment that finds it.

    Raises UserError for a chip without a stand-in, without a compiler, for a folder of anything else, and for one that
    cannot be written.
    """
    chip, card = catalogue.chip(chip_name), card_of(chip_name)
    variable = chip.visible_devices or ""
    device = next(entry.device for entry in chip.frameworks.values() if entry.device in ("npu", "cuda"))
    if os.pathsep in str(folder):
        raise UserError(f"{folder}: a list such as PATH cannot name it for its {os.pathsep!r}; choose another")
    if folder.exists() and not (folder / CAST_FILE).is_file():
        raise UserError(f"{folder} is there and is no stage of a rehearsal; choose another folder")
    library = second_device()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(STAND_INS / "site", folder / "site")
        for name in ("bin", "lib", "processes", "root/dev"):
            (folder / name).mkdir(parents=True)
        (folder / "root" / "dev" / DEVICE_FILE[variable]).touch()
        _write_cast(folder, device, library, card, is_hip=variable == "HIP_VISIBLE_DEVICES")
        further = {"npu": _ascend, "cuda": _nvidia}[device] if "HIP" not in variable else _hygon
        own = further(folder, card, chip)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; free space or choose another folder") from None
    return {
        **os.environ,
        rehearsal.VARIABLE: str(folder),
        "STUB_PROCESSES": str(folder / "processes"),
        "PATH": _first(folder / "bin", "PATH"),
        "PYTHONPATH": _first(folder / "site", "PYTHONPATH"),
        "LD_LIBRARY_PATH": _first(folder / "lib", "LD_LIBRARY_PATH"),
        variable: "0",
        **own,
    }


def _first(path: Path, variable: str) -> str:
    return os.pathsep.join([str(path), *filter(None, [os.environ.get(variable)])])


def _write_cast(folder: Path, device: str, library: Path, card: Card, *, is_hip: bool) -> None:
    acting = {"mindspore": "crosscast_stand_in_mindspore"} if device == "npu" else {"torch": "crosscast_stand_in_cuda"}
    cast = {
        "library": str(library),
        "device_name": card.name,
        "memory_bytes": int(card.memory_gib * 2**30),
        "acting": acting,
        "major": int((card.capability or "9").split(".")[0]),
        "cuda": None if is_hip else "12.8",
        "hip": "6.3.25" if is_hip else None,
    }
    (folder / CAST_FILE).write_text(json.dumps(cast, indent=1) + "\n")
    if device == "npu":
        _install(folder / "site", "torch_npu", version("torch").partition("+")[0])


def _install(site: Path, name: str, its_version: str) -> None:
    """What importlib.metadata finds of a package: its version, and that PyTorch loads it by itself."""
    info = site / f"{name}-{its_version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {its_version}\n")
    (info / "entry_points.txt").write_text(f"[torch.backends]\n{name} = {name}:_autoload\n")


def _ascend(folder: Path, card: Card, chip: ChipConfig) -> dict[str, str]:
    short = card.name.removeprefix("Ascend")
    write_program(folder / "bin" / "npu-smi", folder / "processes", card)
    shutil.copy(vendor_library("libdcmi.c"), folder / "lib" / "libdcmi.so")
    for path, text in {
        "driver/version.info": "Version=25.5.1\n",
        f"cann/{os.uname().machine}-linux/ascend_toolkit_install.info": "version=8.3.RC1\n",
        "cann/opp_kernel/version.info": "Version=8.3.0.1.200\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return {
        "ASCEND_DRIVER_PATH": str(folder / "driver"),
        "ASCEND_HOME_PATH": str(folder / "cann"),
        "STUB_CHIPS": f"0|0|0|0|{short}|c1|{round(card.rest_w * 10)}",
        "STUB_BUSY": str(round(card.busy_w * 10)),
    }


def _hygon(folder: Path, card: Card, chip: ChipConfig) -> dict[str, str]:
    write_program(folder / "bin" / "hy-smi", folder / "processes", card)
    told = folder / "dtk-25.04" / ".info" / "version"
    told.parent.mkdir(parents=True)
    told.write_text("25.04.2\n")
    return {"DTKROOT": str(told.parents[1])}


def _nvidia(folder: Path, card: Card, chip: ChipConfig) -> dict[str, str]:
    shutil.copy(vendor_library("libnvidia_ml.c"), folder / "lib" / "libnvidia-ml.so.1")
    return {
        "STUB_GPUS": f"GPU-0c1f5a7e-0000-4000-8000-00000000c0de|{card.name}|00000000:01:00.0|{card.capability}|",
        "STUB_MEMORY_GIB": str(card.memory_gib),
        "STUB_POWER_MW": str(round(card.rest_w * 1000)),
        "STUB_BUSY_MW": str(round(card.busy_w * 1000)),
    }
