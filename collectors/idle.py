"""Power of a job at rest, and what is left of an energy without it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from collectors.energy import WindowEnergy

TOLERANCE = 0.1
"""Idle power before and after the work may differ by this part of their mean."""

ROUNDING = 1e-9
"""Of an energy: net energies within it of 0 are 0."""


@dataclass(frozen=True)
class IdlePower:
    """Mean power in watts at rest before and after the work, with the device open.

    `power_w` is the mean of both, None where `reasons` speak against it.
    """

    before_w: float | None
    after_w: float | None
    power_w: float | None
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values."""
        return dataclasses.asdict(self)

    def net_energy_j(self, window: WindowEnergy) -> float | None:
        """Energy of a window beyond what the job would have used at rest.

        None where either is not known, and where the power at rest is above that of the work: then it was not at rest.
        """
        if self.power_w is None or window.energy_j is None:
            return None
        net_j = window.energy_j - self.power_w * window.duration_s
        return None if net_j < -ROUNDING * window.energy_j else max(net_j, 0.0)


def idle_power(before: WindowEnergy | None, after: WindowEnergy | None) -> IdlePower:
    """Idle power from the windows at rest; None for one that was not recorded."""
    windows = {"before": before, "after": after}
    reasons = [f"no idle window {when}" for when, window in windows.items() if window is None]
    for when, window in windows.items():
        if window is not None and not window.valid:
            reasons += [f"idle {when}: {reason}" for reason in window.reasons]
    before_w, after_w = (window.mean_power_w if window is not None else None for window in windows.values())
    if before_w is None or after_w is None:
        return IdlePower(before_w, after_w, None, tuple(reasons))
    mean_w = (before_w + after_w) / 2
    if abs(before_w - after_w) > TOLERANCE * mean_w:
        reasons.append(f"idle power changed from {before_w:.3g} W to {after_w:.3g} W")
    return IdlePower(before_w, after_w, None if reasons else mean_w, tuple(reasons))
