"""Which Ascend NPUs a job sees, from the visible-devices variables of CANN and of the container runtime."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUNTIME_VARIABLE = "ASCEND_RT_VISIBLE_DEVICES"
CONTAINER_VARIABLE = "ASCEND_VISIBLE_DEVICES"
NOT_SET = ("", "void")


@dataclass(frozen=True)
class NpuChip:
    """A chip that computes, as the driver lists it.

    `card` is the NPU ID and `chip` the number on that card. `logic` is the number that CANN gives it here, `physical`
    that of its device node /dev/davinciN; None where not told.
    """

    card: int
    chip: int
    logic: int | None = None
    physical: int | None = None
    name: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """Card and chip number."""
        return self.card, self.chip


@dataclass(frozen=True)
class VisibleNpus:
    """Chips that CANN shows to the job: `numbers[card, chip]` is the number by which the job knows the chip.

    Where `numbered` is false the set is known and the numbers are not. `reason` says why there is none.
    """

    numbers: Mapping[tuple[int, int], int] = field(default_factory=dict)
    numbered: bool = True
    reason: str | None = None


def device_nodes() -> frozenset[int]:
    """Physical numbers of the device nodes here; a container has those that were mounted into it."""
    return frozenset(int(path.name[7:]) for path in Path("/dev").glob("davinci[0-9]*") if path.name[7:].isdigit())


def visible_npus(
    chips: Sequence[NpuChip], environ: Mapping[str, str], nodes: Collection[int] | None = None
) -> VisibleNpus:
    """Chips that CANN would show under this environment.

    ASCEND_VISIBLE_DEVICES names by physical number what the container runtime mounts. CANN does not read it, so that
    it restricts nothing where other device nodes are here too. The chips left are counted from 0 in the order of
    their logic ids. ASCEND_RT_VISIBLE_DEVICES then names some of them by that count (CANN, environment variables): an
    entry that is not a number or not there hides itself and all after it. Ranges are accepted. CANN supports
    ascending lists alone: of others the set is known and the order is not.
    """
    if not chips:
        return VisibleNpus(reason="the driver lists no NPU")
    mounted, reason = _mounted(chips, environ.get(CONTAINER_VARIABLE), device_nodes() if nodes is None else nodes)
    if reason:
        return VisibleNpus(reason=reason)
    ordered = sorted(mounted, key=lambda chip: (chip.logic is None, chip.logic, chip.key))
    renumbered = len(ordered) < len(chips) or environ.get(CONTAINER_VARIABLE, "") not in NOT_SET
    told = [chip.logic for chip in ordered]
    counted = len(ordered) == 1 or renumbered or told in (list(range(len(ordered))), [None] * len(ordered))
    value = environ.get(RUNTIME_VARIABLE)
    if value is None:
        return VisibleNpus({chip.key: number for number, chip in enumerate(ordered)}, counted)
    setting = f"{RUNTIME_VARIABLE}={value!r}"
    chosen, reason = _chosen(value, len(ordered))
    if reason:
        return VisibleNpus(reason=f"{setting} {reason}")
    if not counted and len(chosen) < len(ordered):
        return VisibleNpus(reason=f"{setting}: the logic ids here have gaps ({told}), so CANN's count cannot be told")
    numbers = {ordered[index].key: number for number, index in enumerate(chosen)}
    return VisibleNpus(numbers, counted and chosen == sorted(chosen))


def _mounted(
    chips: Sequence[NpuChip], value: str | None, nodes: Collection[int]
) -> tuple[Sequence[NpuChip], str | None]:
    """The chips that the container runtime was asked to mount, or why these cannot be told."""
    if value is None or value.strip() in NOT_SET:
        return chips, None
    wanted: set[int] = set()
    for entry in value.split(","):
        match = re.fullmatch(r"\s*(?:Ascend\w*-)?([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", entry)
        if not match:
            return (), f"{CONTAINER_VARIABLE}={value!r}: {entry.strip()!r} is no device number"
        wanted |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    if any(node not in wanted for node in nodes):
        return chips, None
    count = Counter(chip.card for chip in chips)
    numbers = [
        chip.physical if chip.physical is not None else chip.card if count[chip.card] == 1 else None for chip in chips
    ]
    named = [chip for chip, number in zip(chips, numbers, strict=True) if number in wanted]
    if len(named) == len(wanted):
        return named, None
    if len(chips) == len(wanted):
        return chips, None
    return (), f"{CONTAINER_VARIABLE}={value!r} names devices that the driver does not list here"


def _chosen(value: str, count: int) -> tuple[list[int], str | None]:
    """Indices that the list names, up to the first that is invalid, or why there is none."""
    chosen: list[int] = []
    for entry in value.split(","):
        match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?(\s*)(\S*)", entry)
        if not match:
            break
        if match[4]:
            return [], f"holds {entry!r}: what CANN reads of it cannot be told"
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            return [], f"holds the range {entry!r}, which is empty"
        chosen += range(first, min(last, count - 1) + 1)
        if last >= count or match[3]:
            break
    if len(set(chosen)) < len(chosen):
        return [], "names a device twice"
    return chosen, None if chosen else f"shows none of the {count} NPUs to the job"
