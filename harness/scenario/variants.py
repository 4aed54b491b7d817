"""Which variant of a chip a device is, by the name that its driver or a framework gives it, and what is known of it."""

import re
from collections.abc import Collection

from harness.scenario.chips import ChipConfig, ChipVariant, Figure

FIGURES = (
    "memory_gib",
    "bandwidth_gb_s",
    "power_cap_w",
    "idle_power_w",
    "launch_us",
    "link_gb_s",
    "peak_tflops",
)


def variant_of(chip: ChipConfig, device_name: str | None) -> ChipVariant | None:
    """The first variant whose pattern is found in the name, whatever its letters' case; None where none fits."""
    if device_name is None:
        return None
    return next((each for each in chip.variants if re.search(each.pattern, device_name, re.IGNORECASE)), None)


def as_variant(chip: ChipConfig, device_name: str | None) -> ChipConfig:
    """The chip with the name and the figures of the variant that the device is; as it is where none fits."""
    found = variant_of(chip, device_name)
    return chip if found is None else as_variant_called(chip, found.name)


def as_variant_called(chip: ChipConfig, name: str) -> ChipConfig:
    """The chip with the name and the figures of its variant of this name."""
    found = next(each for each in chip.variants if each.name == name)
    given = {name: figure for name in FIGURES if (figure := getattr(found, name)) is not None}
    return chip.model_copy(update={"title": found.name, **given})


def as_told(chip: ChipConfig, device_names: Collection[str]) -> ChipConfig:
    """The chip as the variant of all devices with these names, as far as they are one variant."""
    found = {each.name if (each := variant_of(chip, name)) else None: name for name in device_names}
    return as_variant(chip, *found.values()) if len(found) == 1 else chip


def variant_remark(chip: ChipConfig, device_names: Collection[str]) -> str | None:
    """What to say, in one line, of devices that are another chip, no known variant or not one; None where all is well.

    Nothing is said of a chip without variants or of devices whose names nobody tells.
    """
    names = list(dict.fromkeys(device_names))
    if not names or not chip.variants:
        return None
    listed = " and ".join(map(repr, names))
    if strangers := [name for name in names if not _is_chip(chip, name)]:
        return f"the device here is called {' and '.join(map(repr, strangers))}, which is no {chip.title}"
    found = {each.name if (each := variant_of(chip, name)) else None for name in names}
    if found == {None}:
        known = ", ".join(each.name for each in chip.variants)
        return (
            f"the device here is called {listed}, which is none of the variants that the chip's file knows ({known}): "
            "memory, power cap and peak are taken from the figures of the chip itself"
        )
    if len(found) > 1:
        return f"the devices here are not one variant: {listed}; choose one with {chip.visible_devices}"
    return None


def with_memory_of(chip: ChipConfig, memory_bytes: int | None) -> ChipConfig:
    """The chip with the memory that its driver tells; as it is where the driver tells none."""
    if not memory_bytes:
        return chip
    return chip.model_copy(update={"memory_gib": Figure(value=memory_bytes / 2**30, source="the driver")})


def _is_chip(chip: ChipConfig, name: str) -> bool:
    return chip.device_name is None or re.search(chip.device_name, name, re.IGNORECASE) is not None
