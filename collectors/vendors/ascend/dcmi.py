"""Ascend NPUs through DCMI (libdcmi.so), checked by npu-smi where both work."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from collectors.base import STATUS_ERROR, STATUS_NOT_PHYSICAL, Probe, Reading, Sensor, checked_reading
from collectors.vendors.ascend.ascend_cards import TWO_DIES, chips_by_power, sensor_of, told_apart
from collectors.vendors.ascend.dcmi_library import DcmiError, DcmiLibrary
from collectors.vendors.ascend.npu_smi import NpuSmiCollector
from collectors.vendors.ascend.npu_smi_reader import (
    ASK_LIMIT_S,
    IMPLAUSIBLE_W,
    PERIOD_S,
    PROGRAM,
    CardReader,
    in_parallel,
)
from collectors.vendors.ascend.npu_smi_table import parse_table
from collectors.vendors.ascend.visible_ascend import NpuChip, VisibleNpus, visible_npus
from collectors.vendors.command import absence, ask

UPDATE_PERIOD_S = 0.1
"""How often the driver's value is new."""

RATED_POWER = re.compile(r"\s*(ascend\s*)?310$", re.IGNORECASE)
"""Chips of which the library gives the rated power: npu-smi prints the same value as such."""


class DcmiCollector:
    """Power in watts of each card or chip that the job's environment shows, ten times a second.

    Where npu-smi lists the power of the same chip, a second sensor checks it once a second, read in the background.
    Where the library cannot be used, npu-smi stands in for it, which the sensors say.
    """

    name = "dcmi"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._library: DcmiLibrary | None = None
        self._sensors: dict[tuple[int, int], Sensor] = {}
        self._checks: dict[tuple[int, int], Sensor] = {}
        self._checkers: list[CardReader] = []
        self._stand_in: NpuSmiCollector | None = None

    def probe(self) -> Probe:
        """Sensors of the visible cards with their checks, or why there is none."""
        try:
            library = DcmiLibrary()
            chips = library.chips()
        except DcmiError as error:
            return self._probe_stand_in(str(error))
        visible = visible_npus(chips, self._environ)
        if visible.reason:
            return Probe(reason=visible.reason)
        self._sensors, errors = _find_sensors(library, chips, visible)
        if not self._sensors:
            return self._probe_stand_in("; ".join(errors))
        self._library = library
        self._checks = _find_checks(self._sensors)
        return Probe((*self._sensors.values(), *self._checks.values()))

    def _probe_stand_in(self, reason: str) -> Probe:
        stand_in = NpuSmiCollector(self._environ)
        found = stand_in.probe()
        if not found.works:
            return Probe(reason=f"DCMI: {reason}; {found.reason}")
        self._stand_in = stand_in
        return Probe(
            tuple(
                replace(sensor, name=f"{sensor.name} (through {PROGRAM}, as DCMI cannot be used: {reason})")
                for sensor in found.sensors
            )
        )

    def start(self, period_s: float) -> None:
        """Starts npu-smi on the cards that it checks. The library stays open from `probe` on: it has no end."""
        if self._stand_in:
            self._stand_in.start(period_s)
            return
        cards: dict[int, dict[int, str]] = defaultdict(dict)
        for (card, chip), sensor in self._checks.items():
            cards[card][chip] = sensor.id
        self._checkers = [CardReader(card, chips) for card, chips in cards.items()]
        for checker in self._checkers:
            checker.start()

    def sample(self) -> Sequence[Reading]:
        """One reading for each sensor, and what came from npu-smi, which is never waited for."""
        if self._stand_in:
            return self._stand_in.sample()
        checks = [reading for checker in self._checkers for reading in checker.readings()]
        return [*checks, *(self._read(key, sensor.id) for key, sensor in self._sensors.items())]

    def _read(self, key: tuple[int, int], sensor: str) -> Reading:
        library = self._library
        t0_ns = time.monotonic_ns()
        if library is None:
            return Reading(t0_ns, t0_ns, sensor, None, STATUS_ERROR, "DCMI is not open")
        try:
            power_w = library.power_w(*key)
        except DcmiError as error:
            return Reading(t0_ns, time.monotonic_ns(), sensor, None, STATUS_ERROR, str(error))
        t1_ns = time.monotonic_ns()
        utilisation, taken_bytes = library.utilisation(*key), library.taken_bytes(*key)
        if power_w > IMPLAUSIBLE_W:
            return Reading(t0_ns, t1_ns, sensor, None, STATUS_NOT_PHYSICAL, f"{power_w} W", utilisation, taken_bytes)
        return checked_reading(t0_ns, t1_ns, sensor, power_w, utilisation=utilisation, memory_bytes=taken_bytes)

    def read_counter(self, sensor: str) -> float | None:
        """None: DCMI counts no energy."""
        return None

    def stop(self) -> None:
        """Ends npu-smi."""
        if self._stand_in:
            self._stand_in.stop()
        in_parallel(lambda number: self._checkers[number].stop(), range(len(self._checkers)))
        self._checkers = []


def _find_sensors(
    library: DcmiLibrary, chips: Sequence[NpuChip], visible: VisibleNpus
) -> tuple[dict[tuple[int, int], Sensor], list[str]]:
    """Sensors of the visible chips by card and chip, and why others have none."""
    sensors: dict[tuple[int, int], Sensor] = {}
    errors: list[str] = []
    addresses = {chip.key: address for chip in chips if (address := library.pci_address(*chip.key))}
    for card in sorted({card for card, _ in visible.numbers}):
        own = [chip for chip in chips if chip.card == card]
        with_power = []
        for chip in own[:1] if TWO_DIES.match(own[0].name) else own:
            problem = _problem(library, chip)
            if problem:
                errors.append(f"NPU {card} chip {chip.chip}: {problem}")
            else:
                with_power.append(chip.chip)
        for first, members in chips_by_power(own, with_power, ()).items():
            sensor = sensor_of(members, len(members) == len(own), visible, addresses)
            if sensor:
                sensors[card, first] = replace(
                    sensor,
                    update_period_s=UPDATE_PERIOD_S,
                    tool_version=f"libdcmi {library.version('dcmi') or 'of unknown version'}",
                    driver_version=library.version("driver"),
                )
    return told_apart(sensors), errors


def _problem(library: DcmiLibrary, chip: NpuChip) -> str | None:
    """Why a chip has no power of its own, None where it has."""
    if RATED_POWER.match(chip.name):
        return f"DCMI gives the rated power of a {chip.name}, not its own"
    try:
        power_w = library.power_w(*chip.key)
    except DcmiError as error:
        return str(error)
    return None if 0 < power_w <= IMPLAUSIBLE_W else f"{power_w:g} W is no power of a running device"


def _find_checks(sensors: Mapping[tuple[int, int], Sensor]) -> dict[tuple[int, int], Sensor]:
    """Second sensors, of the chips whose power the table of npu-smi holds. One call with a time limit."""
    if absence(PROGRAM):
        return {}
    table = parse_table(ask([PROGRAM, "info"], ASK_LIMIT_S).text)
    return {
        key: replace(
            sensor,
            id=f"{PROGRAM} {sensor.id}",
            name=f"{sensor.name} (through {PROGRAM})",
            checks=sensor.id,
            update_period_s=PERIOD_S,
            tool_version=f"{PROGRAM} {table.tool_version or 'of unknown version'}: info watch, else what works",
            driver_version=table.driver_version,
        )
        for key, sensor in sensors.items()
        if key in table.powers and table.powers[key].power_w
    }
