"""The power of a step: at rest, and more by the rates at which a chip computes and moves bytes, up to its cap.

    power = idle + (cap - idle) min(1, a u_f + b u_b)

with u_f and u_b the parts of peak and bandwidth that a step uses. a and b, which belong to no single chip, are fitted
to records with energy by non-negative least squares. Without such records only idle and cap bound the power.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from harness.projection.ceilings import Ceilings
from harness.projection.roofline import COMPUTING, Sample
from harness.projection.work import Work

LEAST = 4
"""Different steps with energy that two numbers are fitted to: launches of one step tell of one pair of rates."""


@dataclass(frozen=True)
class PowerSample:
    """The mean power of an activity in watts, that at rest, the cap, and what parts of the chip were in use meanwhile.

    `step` names what was measured, the same in all its launches.
    """

    power_w: float
    idle_w: float
    cap_w: float
    computing: float
    moving: float
    step: str

    @staticmethod
    def of(sample: Sample, power_w: float, idle_w: float, seconds: float) -> "PowerSample | None":
        """The power that was measured of a step; None where the chip's file gives no cap above that at rest.

        `seconds` are those for each step of the time that the power is the mean of, in which data were loaded, too.
        """
        cap_w = sample.ceilings.cap_w
        if cap_w is None or cap_w <= idle_w:
            return None
        step = f"{sample.chip} {sample.name} {sample.activity} {sample.stage}"
        return PowerSample(power_w, idle_w, cap_w, *in_use(sample.work, sample.ceilings, seconds), step)


@dataclass(frozen=True)
class Use:
    """What full computing and full moving of bytes each add to the power at rest, in parts of the way to the cap."""

    computing: float
    moving: float

    def power_w(self, idle_w: float, cap_w: float, computing: float, moving: float) -> float:
        """The power of a step."""
        return idle_w + (cap_w - idle_w) * min(1.0, self.computing * computing + self.moving * moving)


def in_use(work: Work, ceilings: Ceilings, seconds: float) -> tuple[float, float]:
    """The parts of peak and bandwidth that a step of so many seconds uses."""
    computing = sum(
        times * each.flops / ceilings.peak[each.number_format]
        for each, times in work.operations
        if each.kind in COMPUTING
    )
    moving = sum(times * each.bytes for each, times in work.operations if each.kind != "collective")
    return computing / seconds, moving / ceilings.bandwidth / seconds


def fitted(samples: Sequence[PowerSample]) -> Use | None:
    """What records tell; None where they are too few."""
    if len({sample.step for sample in samples}) < LEAST:
        return None
    rates = np.array([[sample.computing, sample.moving] for sample in samples])
    above = np.array([(each.power_w - each.idle_w) / (each.cap_w - each.idle_w) for each in samples])
    found, _ = nnls(rates, above)
    return Use(float(found[0]), float(found[1]))
