"""Powers that a sensor can give and its device can draw: what lies outside is an error of the sensor or of its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.base import Scope, Sensor

MAX_POWER_W: Mapping[Scope, float] = {
    "die": 3e3,
    "card": 3e3,
    "module": 6e3,
    "cpu_package": 1.5e3,
    "dram": 1e3,
    "node": 50e3,
}
"""Power in watts that no device of a scope reaches, for sensors whose cap is not known.

The largest cards of 2025 are built for about 1.4 kW, modules of two for 2.7 kW, CPU packages for 0.6 kW, nodes for
15 kW. Error values of the tools lie above: 65535 W, and 6553.5 W where the unit is 0.1 W.
"""

MIN_POWER_W: Mapping[Scope, float] = {
    "die": 1.0,
    "card": 1.0,
    "module": 1.0,
    "cpu_package": 0.1,
    "dram": 0.01,
    "node": 5.0,
}
"""Power in watts that every powered device of a scope draws: less is a value in another unit, such as kilowatts."""

MIN_BUSY_POWER_W: Mapping[Scope, float] = {"die": 10.0, "card": 20.0, "module": 40.0}
"""Power in watts that a device of a scope draws at least while it is busy, for devices whose cap is not known.

The smallest boards on which networks are trained are built for about 70 W.
"""

CHIP_SCOPES: frozenset[Scope] = frozenset({"card", "module"})
"""Scopes to which the cap of a chip file, which is that of a whole board, belongs."""


@dataclass(frozen=True)
class PowerBounds:
    """Powers in watts of a sensor.

    A value above `highest_w` or below `lowest_w` cannot be right, a mean below `busy_w` cannot be that of a busy
    device; None where that is not known. `cap_w` is the cap behind them, of the sensor or else of the chip file.
    """

    lowest_w: float
    highest_w: float
    busy_w: float | None
    cap_w: float | None
    highest_told: str

    @classmethod
    def of(cls, sensor: Sensor, chip_cap_w: float | None, cap_tolerance: float, low_power: float) -> PowerBounds:
        """Bounds of a sensor: `cap_tolerance` times the cap, and `low_power` times the cap for a busy device."""
        scope = sensor.scope
        cap_w, told = sensor.power_cap_w, "its cap"
        if not cap_w and scope in CHIP_SCOPES:
            cap_w, told = chip_cap_w, "the chip's cap"
        if not cap_w:
            highest_w = MAX_POWER_W[scope]
            told = f"what a {scope} can draw ({highest_w:g} W)"
            return cls(MIN_POWER_W[scope], highest_w, MIN_BUSY_POWER_W.get(scope), None, told)
        highest_w = min(cap_w * cap_tolerance, MAX_POWER_W[scope])
        return cls(MIN_POWER_W[scope], highest_w, cap_w * low_power, cap_w, f"{told} of {cap_w:g} W")
