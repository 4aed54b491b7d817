"""ASCEND_RT_VISIBLE_DEVICES and the container runtime's ASCEND_VISIBLE_DEVICES."""

from __future__ import annotations

import pytest

from collectors.vendors.ascend.visible_ascend import NpuChip, visible_npus

EIGHT = [NpuChip(card, 0, card) for card in range(8)]
GAPS = [NpuChip(card, 0, logic) for logic, card in enumerate((0, 1, 4, 7))]
TWO_DIES = [NpuChip(card, chip, 2 * card + chip, 2 * card + chip) for card in range(2) for chip in range(2)]


def cards(chips, runtime=None, container=None, nodes=()):
    """Cards by the job's number, or the reason."""
    given = {"ASCEND_RT_VISIBLE_DEVICES": runtime, "ASCEND_VISIBLE_DEVICES": container}
    found = visible_npus(chips, {name: value for name, value in given.items() if value is not None}, nodes)
    if found.reason:
        return found.reason
    return [key for _, key in sorted((number, key) for key, number in found.numbers.items())]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("5", [5]),
        ("1,3", [1, 3]),
        ("0-3", [0, 1, 2, 3]),
        ("0-1,6", [0, 1, 6]),
        ("1, 2,3", [1]),
        ("1,8,3", [1]),
        ("6-9", [6, 7]),
        ("1,-1,2", [1]),
    ],
)
def test_logic_ids_ranges_and_what_ends_the_list(value, expected):
    assert cards(EIGHT, value) == [(card, 0) for card in expected]


@pytest.mark.parametrize("value", ["", "-1", "8", "all", ",1"])
def test_nothing_visible_is_a_reason(value):
    assert "shows none of the 8 NPUs" in cards(EIGHT, value)


@pytest.mark.parametrize(
    ("value", "why"), [("1,1", "twice"), ("0-2,1", "twice"), ("2x", "cannot be told"), ("3-1", "empty")]
)
def test_bad_values_are_a_reason(value, why):
    assert why in cards(EIGHT, value)


def test_the_order_of_a_list_that_does_not_ascend_is_not_known():
    found = visible_npus(EIGHT, {"ASCEND_RT_VISIBLE_DEVICES": "3,1"}, ())
    assert (set(found.numbers), found.numbered) == ({(1, 0), (3, 0)}, False)


def test_ids_with_gaps_are_counted_by_their_logic_ids():
    assert cards(GAPS, "2,3") == [(4, 0), (7, 0)]


def test_a_container_that_renumbers():
    assert cards([NpuChip(5, 0, 0)]) == [(5, 0)]
    assert cards([NpuChip(5, 0, 0)], "0", "5", {5}) == [(5, 0)]
    assert "shows none" in cards([NpuChip(5, 0, 0)], "5")
    assert cards([NpuChip(5, 0, 5)], "0") == [(5, 0)]


def test_the_container_runtimes_list_restricts_where_it_was_obeyed():
    assert cards(EIGHT, None, "5") == [(5, 0)]
    assert cards(EIGHT, "1", "4-6", {4, 5, 6}) == [(5, 0)]
    assert cards(EIGHT, None, "Ascend910-2,Ascend910-3") == [(2, 0), (3, 0)]
    assert cards(TWO_DIES, None, "2,3") == [(1, 0), (1, 1)]
    assert cards(EIGHT, None, "5", set(range(8))) == [(card, 0) for card in range(8)]
    assert cards(EIGHT, None, "void") == cards(EIGHT)


@pytest.mark.parametrize(
    ("value", "why"), [("one", "no device number"), ("12", "does not list"), ("1,,2", "no device number")]
)
def test_a_bad_list_of_the_container_runtime_is_a_reason(value, why):
    assert why in cards(EIGHT, None, value)


def test_logic_ids_with_gaps_are_a_known_set_of_unknown_numbers():
    broken = [NpuChip(card, 0, card) for card in (0, 1, 3)]
    found = visible_npus(broken, {}, ())
    assert (set(found.numbers), found.numbered) == ({(0, 0), (1, 0), (3, 0)}, False)
    assert "have gaps" in cards(broken, "1")


def test_no_npu_at_all():
    assert cards([]) == "the driver lists no NPU"
