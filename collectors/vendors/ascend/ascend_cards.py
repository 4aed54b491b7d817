"""Which chips of an Ascend card a power value stands for, and the sensor of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from collectors.base import Sensor
from collectors.vendors.ascend.visible_ascend import NpuChip, VisibleNpus

RESOLUTION_W = 0.1
SHARED_CARD = "the card's power, in which a die that is not the job's has its part"
TWO_DIES = re.compile(r"\s*(ascend\s*)?910", re.IGNORECASE)
"""Chips of which two on a card are the dies of one package (910_93): the first carries the power of both."""

OWN_POWER = re.compile(r"\s*(ascend\s*)?9\d\d", re.IGNORECASE)
"""Chips that have a power of their own, so that what their card's controller prints is the controller's alone."""

SAME_POWER = 0.05
"""Difference, as a fraction, up to which powers may be one that was read at two times."""


def differ(one_w: float, other_w: float) -> bool:
    """Whether two powers cannot be that of one sensor, read at two times."""
    return abs(one_w - other_w) > SAME_POWER * max(one_w, other_w)


def card_by_controller(chips: Sequence[NpuChip]) -> bool:
    """Whether the power that the controller of a card prints is the card's: several chips, none with its own."""
    return len(chips) > 1 and not any(OWN_POWER.match(chip.name) for chip in chips)


def repeated(powers_w: Mapping[int, float]) -> bool | None:
    """Whether the chips of a card print one power, that of the card: equal ones are, until they differ in mid-run.

    None where two are neither equal nor clearly different.
    """
    values = sorted(powers_w.values())
    if len(values) > 1 and values[0] == values[-1]:
        return True
    return False if all(differ(one, other) for one, other in itertools.pairwise(values)) else None


def chips_by_power(
    chips: Sequence[NpuChip], with_power: Collection[int], without_own: Collection[int]
) -> dict[int, tuple[NpuChip, ...]]:
    """Chips of a card by the chip whose power stands for them.

    `with_power` are chips that give a power, `without_own` those that say they have none of their own. Chips of which
    nothing is known are in no group.
    """
    first = min((chip.chip for chip in chips), default=0)
    others = {chip.chip for chip in chips} - {first}
    dies = bool(others) and all(TWO_DIES.match(chip.name) for chip in chips)
    if set(with_power) == {first} and (dies or others <= set(without_own)):
        return {first: tuple(chips)}
    return {chip.chip: (chip,) for chip in chips if chip.chip in with_power}


def sensor_of(
    members: Sequence[NpuChip], whole_card: bool, visible: VisibleNpus, addresses: Mapping[tuple[int, int], str]
) -> Sensor | None:
    """The sensor of the power of some chips of a card, None where none of them is the job's.

    It is known by the PCI address of the first chip, else by card and chip number.
    """
    own = [visible.numbers[chip.key] for chip in members if chip.key in visible.numbers]
    if not own:
        return None
    first = members[0]
    number = f"npu-{first.card}" if whole_card else f"npu-{first.card}-{first.chip}"
    return Sensor(
        id=addresses.get(first.key, number),
        scope="card" if whole_card else "die",
        kind="instant",
        name=first.name,
        resolution_w=RESOLUTION_W,
        devices=tuple(sorted(own)) if visible.numbered else (),
        shared=SHARED_CARD if len(own) < len(members) else None,
    )


def told_apart(sensors: Mapping[tuple[int, int], Sensor]) -> dict[tuple[int, int], Sensor]:
    """Sensors by card and chip, with these in the id of those that others have the id of."""
    ids = [sensor.id for sensor in sensors.values()]
    return {
        (card, chip): replace(sensor, id=f"{sensor.id} npu-{card}-{chip}") if ids.count(sensor.id) > 1 else sensor
        for (card, chip), sensor in sensors.items()
    }
