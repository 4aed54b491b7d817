"""Which devices the launches of a cell ran on, where a chip's name stands for several that differ in speed and memory.

Records name the variant by the chip's file. Where it knows none of a device's name, and in older records, the name that
the framework gives the device stands in for it, without the vendor's name, which not all frameworks say.
"""

import re
from typing import NamedTuple

from harness.analysis.cells import Cell

VENDORS = re.compile(r"nvidia|geforce|huawei|ascend|hygon|amd|[^a-z0-9]")
"""What of a device's name says nothing of its variant."""


class _Device(NamedTuple):
    """A device of a launch: its variant, and the name that the framework gives it."""

    variant: str | None
    name: str

    @property
    def words(self) -> str:
        return self.variant or self.name


Variants = tuple[list[str], list[str]]
"""What the devices of two cells are called, each once."""


def unequal_variants(cell: Cell, other: Cell) -> Variants | None:
    """What the devices of two cells are called, where they are not all alike; None where they are, or nobody said.

    Nothing is said of cells on CPUs, or on chips of different names, which are no variants of each other.
    """
    if cell.scenario.chip != other.scenario.chip:
        return None
    ours, theirs = _devices(cell), _devices(other)
    if not ours or not theirs or all(_alike(a, b) for a in ours for b in theirs):
        return None
    return _words(ours), _words(theirs)


def variants_of(cell: Cell) -> list[str]:
    """What the devices of a cell are called, each variant once, in the order of the launches."""
    return _words(_devices(cell))


def _words(devices: list[_Device]) -> list[str]:
    found: list[_Device] = []
    for device in devices:
        if not any(_alike(device, other) for other in found):
            found.append(device)
    return [device.words for device in found]


def _devices(cell: Cell) -> list[_Device]:
    ranks = (rank for record in cell.launches for rank in record.ranks if rank.device is not None)
    return list(dict.fromkeys(_Device(rank.variant, rank.device_name) for rank in ranks if rank.device_name))


def _alike(ours: _Device, theirs: _Device) -> bool:
    if ours.variant and theirs.variant:
        return ours.variant == theirs.variant
    return VENDORS.sub("", ours.name.lower()) == VENDORS.sub("", theirs.name.lower())
