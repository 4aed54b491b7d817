"""The memory of a launch from what is counted for its training step, by a line fitted to measured peaks.

    peak = base + slope x counted

The base is what a process holds without a network; a device holds none of it. Slope and base, none below 0, are fitted
by least squares on relative errors, so that small networks count as much as large ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from harness.models.memory import RESERVE
from harness.projection.evidence import MemorySample
from harness.projection.projected import Projected
from harness.projection.validation import LEAST, Trial, Validation


class Line(NamedTuple):
    """Bytes of the base, and bytes for each that is counted."""

    base: float
    slope: float

    def peak(self, counted: float) -> float:
        """The peak in bytes, no less than what is counted."""
        return max(self.base + self.slope * counted, counted)

    def counted(self, peak: float) -> float:
        """What may be counted for so high a peak, in bytes; below 0 where the base alone is higher."""
        left = peak - self.base
        return min(left / self.slope if self.slope else math.copysign(math.inf, left), peak)


@dataclass(frozen=True)
class MemoryLaw:
    """How peak memory follows from what is counted for a training step, and what a chip must have for it.

    The peak of a launch lies within `factor` of the line. `validation` is None where nothing of the kind was predicted;
    then only what is counted bounds it from below. `reserve` is the part of a chip's memory that the line leaves out.
    """

    line: Line
    factor: float
    reserve: float
    basis: str
    validation: Validation | None = None

    def projected(self, what: str, counted: int) -> Projected:
        """The peak, no less than what is counted."""
        point = self.line.peak(counted)
        low = max(point / self.factor, counted) if self.validation else counted
        return Projected(what, "bytes", point, low, point * self.factor, self.basis)

    def room(self, memory: float) -> float:
        """Of so much memory of a chip, what a peak may take."""
        return memory * (1 - self.reserve)

    def countable(self, memory: float) -> float:
        """What may be counted for a step that surely fits so much memory, in bytes; below 0 where nothing fits."""
        return self.line.counted(self.room(memory) / self.factor)


def law(samples: Sequence[MemorySample], *, process: bool) -> MemoryLaw:
    """That of whole processes, or of what a device is given, as far as samples of the kind tell it."""
    found = of_kind(samples, process=process)
    if validation := validated(found):
        reserve = 0.0 if process else RESERVE
        return MemoryLaw(line(found), validation.factor, reserve, validation.said, validation)
    counted = Line(0.0, 1 / (1 - RESERVE))
    others = of_kind(samples, process=not process)
    if not process and (validation := validated(others)):
        factor = max(1.0, line(others).slope * validation.factor / counted.slope)
        basis = f"counted; the upper end is what processes grew by for each counted byte ({validation.said})"
        return MemoryLaw(counted, factor, 0.0, basis)
    basis = f"counted; the upper end leaves {RESERVE:.0%} of the memory to the framework, whose own share is not known"
    return MemoryLaw(counted, 1.0, 0.0, basis)


def of_kind(samples: Sequence[MemorySample], *, process: bool) -> tuple[MemorySample, ...]:
    """The peaks of whole processes, or of what devices were given: no line holds for both."""
    return tuple(sample for sample in samples if sample.process == process)


def line(samples: Sequence[MemorySample]) -> Line:
    """The line of some peaks; that of devices has no base. Raises ValueError for peaks of both kinds."""
    (process,) = {sample.process for sample in samples}
    counted = np.array([sample.counted for sample in samples], float)
    measured = np.array([sample.measured for sample in samples], float)
    columns = [1 / measured, counted / measured] if process else [counted / measured]
    found, _ = nnls(np.stack(columns, axis=1), np.ones(len(samples)))
    return Line(float(found[0]), float(found[1])) if process else Line(0.0, float(found[0]))


def validated(samples: Sequence[MemorySample]) -> Validation | None:
    """Every preset predicted from the others, of peaks of one kind; None where there are too few."""
    names = sorted({sample.name for sample in samples})
    if len(names) < LEAST:
        return None
    trials = []
    for name in names:
        found = line([sample for sample in samples if sample.name != name])
        trials += [
            Trial(sample.name, "memory", found.peak(sample.counted), sample.measured)
            for sample in samples
            if sample.name == name
        ]
    return Validation("bytes", "presets", tuple(trials))
