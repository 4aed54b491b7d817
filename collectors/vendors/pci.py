"""PCI addresses in every form that tools print, as sysfs writes them."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])(?![0-9a-z.:])", re.IGNORECASE)


def pci_address(text: str) -> str | None:
    """`domain:bus:device.function` in small letters, None where the text does not begin with an address.

    "00000000:36:00.0", "36:00.0" and "0000:36:00.0 --> SN: 01" are all 0000:36:00.0. A domain keeps the digits that it
    needs, as the kernel prints it (`%04x:%02x:%02x.%d`).
    """
    found = ADDRESS.match(text.strip())
    if found is None:
        return None
    domain, bus, device, function = (int(part, 16) for part in (found[1] or "0", *found.groups()[1:]))
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function}" if device < 32 else None


def slot(address: str) -> str:
    """An address without its function: what the functions of one board have in common."""
    return address.rpartition(".")[0] or address


def order(address: str) -> tuple[int, ...]:
    """Sorts addresses as the bus does, whatever their form; what is no address comes last."""
    plain = pci_address(address)
    return tuple(int(part, 16) for part in re.split("[:.]", plain)) if plain else (1 << 33,)
