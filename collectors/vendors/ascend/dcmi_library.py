"""libdcmi.so through ctypes: the few functions of the DCMI API that tell chips and their power."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_char, c_int, c_ubyte, c_uint, c_ulonglong
from typing import Any

from collectors.vendors.ascend.ascend_errors import meaning
from collectors.vendors.ascend.visible_ascend import NpuChip

LIBRARY = "libdcmi.so"
FOLDERS = (
    "/usr/local/dcmi",
    "/usr/local/Ascend/driver/lib64/driver",
    "/usr/local/Ascend/driver/lib64/common",
    "/usr/local/Ascend/driver/lib64",
)
"""Where the driver package puts it; the loader's own path, LD_LIBRARY_PATH first, is tried before."""

MAX_CARDS = 64
AICORE = 2
"""Kind of utilisation: AI core."""

UNITS_PER_W = 10
"""The library gives power in tenths of a watt."""


class DcmiError(Exception):
    """A call that failed or that the library does not have, in words."""


class PcieInfo(Structure):
    """struct dcmi_pcie_info_all, 64 bytes."""

    _fields_ = (
        ("vendor", c_uint),
        ("sub_vendor", c_uint),
        ("device", c_uint),
        ("sub_device", c_uint),
        ("domain", c_int),
        ("bus", c_uint),
        ("slot", c_uint),
        ("function", c_uint),
        ("reserve", c_ubyte * 32),
    )


class ChipInfo(Structure):
    """struct dcmi_chip_info, with room for what later versions append."""

    _fields_ = (
        ("kind", c_char * 32),
        ("name", c_char * 32),
        ("version", c_char * 32),
        ("aicore_count", c_uint),
        ("reserve", c_ubyte * 256),
    )


class HbmInfo(Structure):
    """struct dcmi_hbm_info, sizes in MB of 2^20 bytes, with room for what later versions append."""

    _fields_ = (
        ("size", c_ulonglong),
        ("mhz", c_uint),
        ("taken", c_ulonglong),
        ("celsius", c_int),
        ("bandwidth_percent", c_uint),
        ("reserve", c_ubyte * 64),
    )


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "dcmi_init": (),
    "dcmi_get_card_list": (POINTER(c_int), POINTER(c_int), c_int),
    "dcmi_get_card_num_list": (POINTER(c_int), POINTER(c_int), c_int),
    "dcmi_get_device_id_in_card": (c_int, POINTER(c_int), POINTER(c_int), POINTER(c_int)),
    "dcmi_get_device_num_in_card": (c_int, POINTER(c_int)),
    "dcmi_get_device_logic_id": (POINTER(c_int), c_int, c_int),
    "dcmi_get_device_phyid_from_logicid": (c_uint, POINTER(c_uint)),
    "dcmi_get_device_chip_info": (c_int, c_int, POINTER(ChipInfo)),
    "dcmi_get_device_pcie_info_v2": (c_int, c_int, POINTER(PcieInfo)),
    "dcmi_get_device_power_info": (c_int, c_int, POINTER(c_int)),
    "dcmi_get_device_utilization_rate": (c_int, c_int, c_int, POINTER(c_uint)),
    "dcmi_get_device_hbm_info": (c_int, c_int, POINTER(HbmInfo)),
    "dcmi_get_driver_version": (ctypes.c_char_p, c_uint),
    "dcmi_get_dcmi_version": (ctypes.c_char_p, c_uint),
}


class DcmiLibrary:
    """The library, loaded and initialised."""

    def __init__(self) -> None:
        """Raises DcmiError where it cannot be used."""
        self._library = _load()
        self._call("dcmi_init")

    def chips(self) -> list[NpuChip]:
        """Chips that compute, with their logic ids. Raises DcmiError."""
        count, cards = c_int(), (c_int * MAX_CARDS)()
        listing = "dcmi_get_card_list" if self._has("dcmi_get_card_list") else "dcmi_get_card_num_list"
        self._call(listing, byref(count), cards, MAX_CARDS)
        return [
            self._chip(card, chip)
            for card in cards[: min(count.value, MAX_CARDS)]
            for chip in range(self._chip_count(card))
        ]

    def _chip_count(self, card: int) -> int:
        count = c_int()
        if self._has("dcmi_get_device_id_in_card"):
            self._call("dcmi_get_device_id_in_card", card, byref(count), byref(c_int()), byref(c_int()))
        else:
            self._call("dcmi_get_device_num_in_card", card, byref(count))
        return count.value

    def _chip(self, card: int, chip: int) -> NpuChip:
        logic, physical, info = c_int(), c_uint(), ChipInfo()
        self._call("dcmi_get_device_logic_id", byref(logic), card, chip)
        has_physical = self._works("dcmi_get_device_phyid_from_logicid", logic.value, byref(physical))
        named = self._works("dcmi_get_device_chip_info", card, chip, byref(info))
        name = info.name.decode("ascii", errors="replace").strip() if named else ""
        return NpuChip(card, chip, logic.value, physical.value if has_physical else None, name)

    def power_w(self, card: int, chip: int) -> float:
        """Power in watts. Raises DcmiError."""
        power = c_int()
        self._call("dcmi_get_device_power_info", card, chip, byref(power))
        return power.value / UNITS_PER_W

    def utilisation(self, card: int, chip: int) -> float | None:
        """Busy part of the AI cores, None where it is not told."""
        percent = c_uint()
        told = self._works("dcmi_get_device_utilization_rate", card, chip, AICORE, byref(percent))
        return percent.value / 100 if told and percent.value <= 100 else None

    def taken_bytes(self, card: int, chip: int) -> int | None:
        """What is taken of the memory on the chip in bytes, None where it is not told or there is none."""
        info = HbmInfo()
        told = self._works("dcmi_get_device_hbm_info", card, chip, byref(info))
        return info.taken << 20 if told and 0 < info.taken <= info.size else None

    def pci_address(self, card: int, chip: int) -> str | None:
        """PCI address as npu-smi prints it, None where it is not told."""
        info = PcieInfo()
        if not self._works("dcmi_get_device_pcie_info_v2", card, chip, byref(info)):
            return None
        return f"{info.domain:04X}:{info.bus:02X}:{info.slot:02X}.{info.function:X}"

    def version(self, of: str) -> str | None:
        """Version of the "dcmi" library or of the "driver", None where it is not told."""
        text = ctypes.create_string_buffer(256)
        if not self._works(f"dcmi_get_{of}_version", text, len(text)):
            return None
        return text.value.decode("ascii", errors="replace").strip() or None

    def _has(self, name: str) -> bool:
        return hasattr(self._library, name)

    def _works(self, name: str, *arguments: Any) -> bool:
        try:
            self._call(name, *arguments)
        except DcmiError:
            return False
        return True

    def _call(self, name: str, *arguments: Any) -> None:
        try:
            function = getattr(self._library, name)
        except AttributeError:
            raise DcmiError(f"{LIBRARY} has no {name}: a version of another interface") from None
        function.argtypes, function.restype = ARGUMENTS[name], c_int
        code = function(*arguments)
        if code != 0:
            raise DcmiError(f"{name}: {meaning(code)}")


def _load() -> ctypes.CDLL:
    errors = []
    for name in (LIBRARY, *(f"{folder}/{LIBRARY}" for folder in FOLDERS)):
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            errors.append(str(error))
    present = next((error for error in errors if not error.startswith(("libdcmi.so: cannot open", *_missing()))), None)
    raise DcmiError(
        f"{LIBRARY} cannot be loaded ({present}): add the driver's folders to LD_LIBRARY_PATH"
        if present
        else f"{LIBRARY} is neither on LD_LIBRARY_PATH nor in {', '.join(FOLDERS)}: no Ascend driver here"
    )


def _missing() -> tuple[str, ...]:
    return tuple(f"{folder}/{LIBRARY}: cannot open" for folder in FOLDERS)
