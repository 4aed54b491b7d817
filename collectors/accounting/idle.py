"""Power of a job at rest, and what is left of an energy without it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from collectors.accounting.energy import WindowEnergy

TOLERANCE = 0.1
"""Idle power before and after the work may differ by this part of their mean."""


ROUNDING = 1e-9
"""Powers that differ by this part are the same."""


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
        """Energy of a window beyond what the job would have used at rest; None where `why_no_net` says why."""
        if self.power_w is None or window.energy_j is None or self.why_no_net(window) is not None:
            return None
        return max(window.energy_j - self.power_w * window.duration_s, 0.0)

    def why_no_net(self, window: WindowEnergy) -> str | None:
        """Why a window has no net energy, None where it has.

        A device that draws more at rest than at work was not at rest, or its sensor is wrong.
        """
        if self.power_w is None:
            return "; ".join(self.reasons) or "the power at rest is not known"
        if window.energy_j is None or window.mean_power_w is None:
            return "; ".join(window.reasons) or "the energy is not known"
        if self.power_w > window.mean_power_w * (1 + ROUNDING):
            return f"the power at rest of {self.power_w:.3g} W is above the {window.mean_power_w:.3g} W of the work"
        return None


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
