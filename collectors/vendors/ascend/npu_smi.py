"""Ascend NPUs through the vendor's program npu-smi, in the best of its modes that gives power here."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from collectors.base import Probe, Reading, Sensor
from collectors.vendors.ascend.ascend_cards import card_by_controller, chips_by_power, repeated, sensor_of, told_apart
from collectors.vendors.ascend.npu_smi_inventory import Inventory, take_inventory
from collectors.vendors.ascend.npu_smi_reader import (
    IMPLAUSIBLE_W,
    MODES,
    PERIOD_S,
    POLL_S,
    PROGRAM,
    CardReader,
    Mode,
    Round,
    WatchStream,
    ask_card,
    in_parallel,
    title_of,
)
from collectors.vendors.ascend.npu_smi_text import CardPower, ChipPower
from collectors.vendors.ascend.visible_ascend import NpuChip, VisibleNpus, visible_npus
from collectors.vendors.command import absence

BOARD = -1
"""Stands for the chip number where a power is the whole card's."""


@dataclass(frozen=True)
class CardFound:
    """Sensors of a card by chip, or `BOARD`, and the mode that read them; `reason` says why a chip has none.

    `repeats` names for each chip that prints the power of another one that other one.
    """

    mode: Mode
    sensors: Mapping[int, Sensor]
    reason: str | None = None
    repeats: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PowerGroup:
    """Chips for which one power stands, and those among them that print it again."""

    members: tuple[NpuChip, ...]
    repeating: tuple[int, ...] = ()


class NpuSmiCollector:
    """Power in watts of each card or chip that the job's environment shows, once a second.

    Each card is read in the first mode that gives its power: the watch stream, `-t power`, `-t common`, the table. The
    sensor's `tool_version` names it. Where it fails in mid-run, a failed reading names the mode that follows.
    """

    name = "npu-smi"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._found: dict[int, CardFound] = {}
        self._sensors: dict[tuple[int, int], Sensor] = {}
        self._readers: list[CardReader] = []

    def probe(self) -> Probe:
        """One sensor for each visible card, or chip with a power of its own, or why there is none."""
        reason = absence(PROGRAM)
        if reason:
            return Probe(reason=reason)
        inventory = take_inventory()
        if isinstance(inventory, str):
            return Probe(reason=f"{PROGRAM}: {inventory}")
        visible = visible_npus(inventory.chips, self._environ)
        if visible.reason:
            return Probe(reason=visible.reason)
        cards: dict[int, list[NpuChip]] = defaultdict(list)
        for chip in inventory.chips:
            cards[chip.card].append(chip)
        wanted = sorted({card for card, _ in visible.numbers})
        found = in_parallel(lambda card: find_sensors(cards[card], inventory, visible), wanted)
        self._found = found
        self._sensors = told_apart(
            {(card, chip): sensor for card in wanted for chip, sensor in found[card].sensors.items()}
        )
        reasons = [f"NPU {card}: {found[card].reason}" for card in wanted if found[card].reason]
        return Probe(tuple(self._sensors.values()), None if self._sensors else "; ".join(reasons))

    def start(self, period_s: float) -> None:
        """Starts one reader a card."""
        chips: dict[int, dict[int, str]] = defaultdict(dict)
        for (card, chip), sensor in self._sensors.items():
            chips[card][chip] = sensor.id
        self._readers = [
            CardReader(
                card,
                {chip: id_ for chip, id_ in own.items() if chip != BOARD},
                own.get(BOARD),
                self._found[card].mode,
                self._found[card].repeats,
            )
            for card, own in chips.items()
        ]
        for reader in self._readers:
            reader.start()

    def sample(self) -> Sequence[Reading]:
        """What came since the last call, which never waits for the program."""
        readings = [reading for reader in self._readers for reading in reader.readings()]
        return sorted(readings, key=lambda reading: reading.t0_ns)

    def read_counter(self, sensor: str) -> float | None:
        """None: npu-smi counts no energy."""
        return None

    def stop(self) -> None:
        """Ends the readers and their programs."""
        in_parallel(lambda number: self._readers[number].stop(), range(len(self._readers)))
        self._readers = []


def find_sensors(chips: Sequence[NpuChip], inventory: Inventory, visible: VisibleNpus) -> CardFound:
    """Sensors of the visible chips of a card, in the first mode that gives power for one of them."""
    reasons = []
    for mode in MODES:
        found = watch_once(chips) if mode == "watch" else ask_card(mode, chips[0].card)
        groups = _groups(chips, found.power)
        sensors, repeats = {}, {}
        for chip, group in groups.items() if not isinstance(groups, str) else ():
            whole_card = len(group.members) == len(chips)
            sensor = sensor_of(group.members, whole_card, visible, inventory.addresses)
            if sensor:
                version = f"{PROGRAM} {inventory.tool_version or 'of unknown version'}: {title_of(mode)}"
                repeats.update(dict.fromkeys(group.repeating, chip))
                sensors[chip] = replace(
                    sensor,
                    update_period_s=PERIOD_S,
                    tool_version=version,
                    driver_version=inventory.driver_version,
                )
        if sensors:
            return CardFound(mode, sensors, repeats=repeats)
        told = groups if isinstance(groups, str) else _no_power(found.power)
        reasons.append(f"{title_of(mode)}: {found.problem or told}")
    return CardFound(MODES[0], {}, "; ".join(reasons))


def watch_once(chips: Sequence[NpuChip]) -> Round:
    """One row of the watch stream for each chip of a card, or why these do not come."""
    t0_ns = time.monotonic_ns()
    rows: dict[int, ChipPower] = {}
    try:
        stream = WatchStream(chips[0].card)
    except OSError as error:
        return Round(t0_ns, time.monotonic_ns(), CardPower(), f"{PROGRAM} cannot be started: {error.strerror}")
    wanted, problem, again = {chip.chip for chip in chips}, None, False
    try:
        while problem is None and not again and not wanted <= set(rows):
            time.sleep(POLL_S)
            rounds, problem = stream.poll()
            for chip, read in (item for found in rounds for item in found.power.chips.items()):
                again = again or chip in rows
                if chip not in rows or not _drawn(rows[chip]):
                    rows[chip] = read
    finally:
        stream.stop()
    return Round(t0_ns, time.monotonic_ns(), CardPower(rows), problem if not rows else None)


def _groups(chips: Sequence[NpuChip], power: CardPower) -> dict[int, PowerGroup] | str:
    """Chips by the chip, or `BOARD`, whose power stands for them, or why that cannot be told."""
    if power.board:
        if power.by_controller and not card_by_controller(chips):
            return f"the only power, {power.board.raw!r}, is that of the card's controller"
        return {BOARD: PowerGroup(tuple(chips))} if _drawn(power.board) else {}
    told = {chip.chip: power.chips[chip.chip] for chip in chips if chip.chip in power.chips}
    powers_w = {chip: read.power_w for chip, read in told.items() if read.power_w is not None and _drawn(read)}
    same = repeated(powers_w)
    if same is None:
        printed = ", ".join(f"{power_w:g}" for power_w in powers_w.values())
        return f"its chips print {printed} W: whether these are one power or more cannot be told"
    if same:
        first, *others = sorted(powers_w)
        return {first: PowerGroup(tuple(chip for chip in chips if chip.chip in powers_w), tuple(others))}
    without_own = [chip for chip, read in told.items() if read.absent]
    return {chip: PowerGroup(members) for chip, members in chips_by_power(chips, list(powers_w), without_own).items()}


def _drawn(read: ChipPower) -> bool:
    return read.power_w is not None and 0 < read.power_w <= IMPLAUSIBLE_W


def _no_power(power: CardPower) -> str:
    reads = [*power.chips.values(), *([power.board] if power.board else [])]
    return f"no power in {', '.join(repr(read.raw) for read in reads) or 'the output'}"
