"""Which power collectors a command asks, in which order, and what the first that works finds."""

from collections.abc import Sequence
from pathlib import Path

from collectors.base import Probe, Sensor
from collectors.registry import Registry, no_sensor_reason
from harness.errors import UserError, nearest
from harness.machine import availability
from harness.processes import ask_child
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig

PROBE_LIMIT_S = 30.0


def preferences(chip: str | None, collectors: str | None) -> tuple[str, ...]:
    """Names from a comma-separated list, or those of a chip, or those of all chips whose device files exist here.

    Raises UserError for a name that is not registered and for a chip that does not exist.
    """
    if collectors is None:
        chips = [catalogue.chip(chip)] if chip else [catalogue.chip(name) for name in chips_here()]
        return tuple(dict.fromkeys(name for found in chips for name in found.power_collectors))
    registered = Registry.installed().names
    names = tuple(name.strip() for name in collectors.split(",") if name.strip())
    for name in names:
        if name not in registered:
            raise UserError(f"collector {name!r} is not registered; {nearest(name, registered)}")
    if not names:
        raise UserError(f"--collectors names none; {nearest('', registered)}")
    return names


def probed(names: Sequence[str]) -> Probe:
    """What the first of these collectors that works finds in the environment of a worker, whose devices it counts."""
    reasons: dict[str, str] = {}
    for name in names:
        answer = ask_child("collectors.sampling.probe", name, timeout_s=PROBE_LIMIT_S)
        if sensors := tuple(Sensor.from_dict(fields) for fields in answer.get("sensors", ())):
            return Probe(sensors)
        reasons[name] = answer.get("reason") or ""
    return Probe(reason=no_sensor_reason(reasons))


def chips_here() -> list[str]:
    """Chips whose device files exist on this machine, those without device files (a CPU) last."""
    chips = {name: catalogue.chip(name) for name in catalogue.names("chips")}
    with_files = [name for name, chip in chips.items() if chip.device_nodes and device_files(chip)]
    return with_files + [name for name, chip in chips.items() if chip.device_nodes is None]


def device_files(chip: ChipConfig) -> list[Path]:
    """The chip's device files that exist here."""
    return availability.device_files(chip.device_nodes) if chip.device_nodes else []
