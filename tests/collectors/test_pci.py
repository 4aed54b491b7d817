"""PCI addresses in the forms that the vendors' tools print."""

from __future__ import annotations

import pytest

from collectors.vendors.pci import order, pci_address, slot


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0000:36:00.0", "0000:36:00.0"),
        ("00000000:36:00.0", "0000:36:00.0"),
        ("36:00.0", "0000:36:00.0"),
        (" 0000:C1:1F.7 ", "0000:c1:1f.7"),
        ("10000:E1:00.0", "10000:e1:00.0"),
        ("00010000:E1:00.0", "10000:e1:00.0"),
        ("0:c1:00.0", "0000:c1:00.0"),
        ("0000:36:00.0 --> SN: 01-000000-00AAA0 --> OAM ID: 1", "0000:36:00.0"),
        ("0000:36:00.0, Gen4 x16", "0000:36:00.0"),
        ("0000:36:00", None),
        ("0000:36:20.0", None),
        ("0000:36:00.8", None),
        ("0000:36:00.01", None),
        ("000000000:36:00.0", None),
        ("N/A", None),
        ("", None),
    ],
)
def test_every_form_is_read_as_sysfs_writes_it(text, address):
    assert pci_address(text) == address


def test_slots_and_order():
    assert slot("0000:0c:00.7") == slot("0000:0c:00.0") == "0000:0c:00"
    mixed = ["00000000:C1:00.0", "10000:01:00.0", "0000:09:00.0", "36:00.0", "N/A"]
    assert sorted(mixed, key=order) == ["0000:09:00.0", "36:00.0", "00000000:C1:00.0", "10000:01:00.0", "N/A"]
