"""The place of a rank among those of its launch: its number, and the part of the node that is its own.

Taken before anything is imported that counts devices or makes threads, so that this imports nothing but Python's own
library. What a launcher tells its ranks is in their environment, in the variables of `NAMES`; MS_ROLE of msrun says
who is its scheduler, and NODE on which node of several they are.
"""

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import NamedTuple

NODE = "CROSSCAST_NODE"
"""Variable that holds the number of this node among those of a launch; not set on the first."""

NAMES = {"pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"), "mindspore": ("RANK_ID", "RANK_SIZE", "DEVICE_ID")}


class Place(NamedTuple):
    """Rank `number` of `size`, `local` on its node; a scheduler of msrun is none of them and holds nothing.

    msrun starts one wherever the address of the first node is that of its own, which several nodes behind one address
    find: `is_needless` of a scheduler on any but the first.
    """

    number: int = 0
    size: int = 1
    local: int = 0
    is_scheduler: bool = False
    is_needless: bool = False


def place_of(framework: str, environment: Mapping[str, str]) -> Place:
    """What the launcher of a framework says. Raises KeyError or ValueError where it says nothing."""
    if framework == "mindspore" and environment.get("MS_ROLE") == "MS_SCHED":
        return Place(is_scheduler=True, is_needless=environment.get(NODE, "0") != "0")
    number, size, local = (int(environment[name]) for name in NAMES[framework])
    return Place(number, size, local)


def take_place(launch: Path, environment: MutableMapping[str, str]) -> Place:
    """Keep to the part of the node that is this rank's: its device, or on a CPU its share of the cores.

    `launch` is the file of the plan. Nothing is taken where the plan is of one rank, whatever the environment says.
    """
    plan = json.loads(launch.read_text(encoding="utf-8"))
    world = plan["scenario"]["execution"]["world"]
    if world["devices"] == 1:
        return Place()
    place = place_of(plan["scenario"]["framework"], environment)
    if place.is_scheduler:
        return place
    if plan["scenario"]["device"].lower() == "cpu":
        of_node = world["devices"] // world["nodes"]
        own = share(sorted(os.sched_getaffinity(0)), place, of_node) if hasattr(os, "sched_setaffinity") else []
        if own:
            os.sched_setaffinity(0, own)
    elif variable := plan["chip"]["visible_devices"]:
        environment[variable] = own_device(environment.get(variable), place.local)
    return place


def share(cores: list[int], place: Place, ranks: int) -> list[int]:
    """The cores of one of so many ranks of a node, as many as each other's; none where there are fewer cores."""
    count = len(cores) // ranks
    return cores[place.local * count : (place.local + 1) * count]


def own_device(visible: str | None, local: int) -> str:
    """What selects the device of a rank among those that the job sees; all are seen where nothing selects them."""
    if visible is None:
        return str(local)
    named = [name.strip() for name in visible.split(",") if name.strip()]
    return named[local] if local < len(named) else ""
