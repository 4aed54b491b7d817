"""The whole node through its management controller: `ipmitool dcmi power reading`."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from collectors.base import STATUS_ERROR, Probe, Reading, Sensor, checked_reading
from collectors.vendors.command import Answer, absence, ask, excerpt, whole_lines
from collectors.vendors.quantity import parse_watts

COMMAND = ("ipmitool", "dcmi", "power", "reading")
PROBE_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 2.0
UPDATE_PERIOD_S = 1.0
"""How often to ask. Controllers sample about once a second, and each answer takes them a good part of it."""

LABEL = "instantaneous power reading"
STATE = "power reading state is"
DEVICE_MISSING = re.compile(r"Could not open device at /dev/ipmi.*", re.DOTALL)


class IpmiCollector:
    """Power of the node in whole watts, with all that runs on it.

    The controller says whether its measurement is on: a value with the state deactivated, or of 0 W, is a failed read.
    """

    name = "ipmi"

    def __init__(self) -> None:
        self._asked_s = 0.0

    def probe(self) -> Probe:
        """The node as one sensor, or why the controller cannot be asked and what would help."""
        reason = absence(COMMAND[0])
        if reason:
            return Probe(reason=reason)
        reading = _reading(ask(COMMAND, PROBE_TIMEOUT_S))
        if reading.power_w is None:
            return Probe(reason=f"{' '.join(COMMAND)}: {_with_remedy(reading.raw or '')}")
        version = re.search(r"version (\S+)", ask([COMMAND[0], "-V"]).text)
        sensor = Sensor(
            id="ipmi:dcmi",
            scope="node",
            kind="instant",
            name="node (DCMI)",
            update_period_s=UPDATE_PERIOD_S,
            resolution_w=1.0,
            shared="the power is that of the whole node and of all that runs on it",
            tool_version=version[1] if version else None,
        )
        return Probe((sensor,))

    def start(self, period_s: float) -> None:
        """Nothing to open: each read is a call of the program."""

    def sample(self) -> Sequence[Reading]:
        """One reading of the node, at most one for each update."""
        if time.monotonic() - self._asked_s < UPDATE_PERIOD_S / 2:
            return ()
        reading = _reading(ask(COMMAND, CALL_TIMEOUT_S))
        self._asked_s = time.monotonic()
        return (reading,)

    def read_counter(self, sensor: str) -> float | None:
        """None: DCMI has no energy counter."""
        return None

    def stop(self) -> None:
        """Nothing to close."""


def _reading(answer: Answer) -> Reading:
    told = excerpt(answer.text)
    values = _values(answer.text, LABEL)
    states = _values(answer.text, STATE)
    if answer.problem or not values:
        problem = "; ".join(filter(None, [answer.problem, told])) or "it printed nothing"
    elif len({*values}) > 1:
        problem = f"it prints more than one power: {told}"
    elif {*states} != {"activated"}:
        problem = f"its power reading is {' and '.join(states) or 'in no known state'}: {told}"
    else:
        try:
            power_w = parse_watts(values[0])
            return checked_reading(answer.t0_ns, answer.t1_ns, "ipmi:dcmi", power_w, values[0])
        except ValueError as error:
            problem = str(error)
    return Reading(answer.t0_ns, answer.t1_ns, "ipmi:dcmi", None, STATUS_ERROR, problem)


def _values(text: str, label: str) -> list[str]:
    """What stands behind a label, in each whole line that has it."""
    parts = (line.partition(":") for line in whole_lines(text))
    return [value.strip() for told, _, value in parts if told.strip().casefold() == label]


def _with_remedy(told: str) -> str:
    """What the program said, with what would help where the device cannot be opened."""
    device = DEVICE_MISSING.search(told)
    if device is None:
        return told
    if "Permission denied" in told:
        return f"{told}: /dev/ipmi0 may be opened by root alone: run as root, or let a group open it (a udev rule)"
    return (
        f"{told}: no controller, a virtual machine, or its driver is missing (modprobe ipmi_si ipmi_devintf, as root)"
    )
