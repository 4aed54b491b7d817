"""The time of a step by the roofline of each class of operators, and the efficiencies fitted to measured steps.

    time = sum over operators of max(flops / (e_f peak), bytes / (e_b bandwidth)) + kernels x cost

(Williams, Waterman and Patterson 2009, for each operator). e_f is that of the products of a class, e_b that of all its
operators; those that are no products are bound by memory alone. Where no backward pass keeps what operators give, the
next array is given memory that was just freed and that caches may still hold: such steps reach another part of the
bandwidth, by one factor for all classes.

Fitted are logarithms of the efficiencies, of that factor and of the cost of a kernel on each chip, by least squares on
the logarithm of the time, with a loss that forgives single disturbed records. Efficiencies that the records cannot tell
apart are pulled weakly towards the mean of their kind, the factor towards 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from harness.models.operations import CLASSES, NumberFormat, OperatorClass
from harness.projection.ceilings import Ceilings
from harness.projection.work import Work

COMPUTING: tuple[OperatorClass, ...] = ("matrix product", "spectral")
"""Classes whose products can be bound by the peak rate."""

LOCAL: tuple[OperatorClass, ...] = tuple(name for name in CLASSES if name != "collective")
DRAWN, FORGIVEN = 0.15, 0.1
"""Weight of that pull, where a record has 1, and the relative error beyond which the loss grows linearly."""

FIRST_EFFICIENCIES, FIRST_LAUNCH_S = (0.7, 0.3, 0.1), 2e-5
"""The search begins once at each of these; the best solution is kept."""

LEAST_EFFICIENCY, MOST_OF_PEAK, MOST_OF_BANDWIDTH = 1e-4, 1.25, 30.0
"""Bounds of what is fitted: a boosted clock passes the peak of a data sheet, and what stays in caches the bandwidth."""

LEAST_LAUNCH_S, MOST_LAUNCH_S = 1e-8, 1e-2
LEAST_REUSE, MOST_REUSE = 0.1, 10.0


@dataclass(frozen=True)
class Efficiencies:
    """What part of peak and bandwidth the classes reach, and what a kernel costs on each chip that has records.

    `reuse` is the bandwidth that steps reach which keep nothing over that of steps which do.
    """

    of_peak: dict[OperatorClass, float]
    of_bandwidth: dict[OperatorClass, float]
    launch_s: dict[str, float]
    reuse: float = 1.0

    def step_s(self, work: Work, ceilings: Ceilings, launch_s: float) -> float:
        """The time of a step on a chip that starts a kernel in so many seconds."""
        return sum(self.by_class(work, ceilings).values()) + launch_s * _launches(work)

    def by_class(self, work: Work, ceilings: Ceilings) -> dict[OperatorClass, float]:
        """The time of each class, without what kernels cost."""
        bandwidth = ceilings.bandwidth * (1.0 if work.keeps else self.reuse)
        found: dict[OperatorClass, float] = dict.fromkeys(CLASSES, 0.0)
        for operation, times in work.operations:
            if operation.kind == "collective":
                assert ceilings.link is not None
                found["collective"] += times * (operation.bytes / ceilings.link + operation.launches * ceilings.link_s)
                continue
            moving = operation.bytes / (self.of_bandwidth[operation.kind] * bandwidth)
            computing = 0.0
            if operation.kind in COMPUTING:
                peak = ceilings.peak[operation.number_format]
                computing = operation.flops / (self.of_peak[operation.kind] * peak)
            found[operation.kind] += times * max(moving, computing)
        return {kind: seconds for kind, seconds in found.items() if seconds}

    def capped(self) -> "Efficiencies":
        """The same, none above 1, for another chip: that caches of this one held an array says nothing of that one.

        Nothing is said of what it reuses, either.
        """
        return Efficiencies(
            {kind: min(1.0, value) for kind, value in self.of_peak.items()},
            {kind: min(1.0, value) for kind, value in self.of_bandwidth.items()},
            self.launch_s,
        )


IDEAL = Efficiencies(dict.fromkeys(COMPUTING, 1.0), dict.fromkeys(LOCAL, 1.0), {})
"""The roofline itself: all of the peak and of the bandwidth, and kernels that start at once."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A measured step of a preset, called `name`: its work, on a chip with these ceilings.

    `stage` names the training stage, "" of inference; `is_whole_stage` says whether all its epochs are like this step.
    """

    name: str
    activity: str
    chip: str
    work: Work
    ceilings: Ceilings
    seconds: float
    stage: str = ""
    is_whole_stage: bool = True

    @cached_property
    def arrays(self) -> "Arrays":
        """The work as arrays, without what goes over a link."""
        rows = [
            (
                LOCAL.index(operation.kind),
                COMPUTING.index(operation.kind) if operation.kind in COMPUTING else -1,
                operation.flops / self.ceilings.peak[operation.number_format] if operation.kind in COMPUTING else 0.0,
                operation.bytes / self.ceilings.bandwidth,
                times,
            )
            for operation, times in self.work.operations
            if operation.kind != "collective"
        ]
        return Arrays(*(np.array(column) for column in zip(*rows, strict=True)))


class Arrays(NamedTuple):
    """Of every operator: class, class among the computing ones or -1, seconds at peak and at full bandwidth, times."""

    kinds: NDArray[np.int64]
    products: NDArray[np.int64]
    computing: NDArray[np.float64]
    moving: NDArray[np.float64]
    times: NDArray[np.int64]


def fit(samples: Sequence[Sample], begin: Efficiencies | None = None) -> Efficiencies:
    """The efficiencies that give the measured times best; the search begins at some that are known, if given.

    Raises ValueError for no samples.
    """
    if not samples:
        raise ValueError("no samples to fit")
    chips = sorted({sample.chip for sample in samples})
    places = np.array([chips.index(sample.chip) for sample in samples])
    launches = np.array([_launches(sample.work) for sample in samples])
    measured = np.log([sample.seconds for sample in samples])
    owner = np.repeat(np.arange(len(samples)), [len(sample.arrays.times) for sample in samples])
    work = Arrays(*map(np.concatenate, zip(*(sample.arrays for sample in samples), strict=True)))
    keeps = np.array([sample.work.keeps for sample in samples])[owner]
    split = np.cumsum([len(COMPUTING), len(LOCAL), len(chips)])

    def residuals(found: NDArray[np.float64]) -> NDArray[np.float64]:
        of_peak, of_bandwidth, launch_s, reuse = np.split(np.exp(found), split)
        moving = work.moving / (of_bandwidth[work.kinds] * np.where(keeps, 1.0, reuse))
        slower = np.maximum(work.computing / of_peak[work.products], moving)
        seconds = np.bincount(owner, work.times * slower) + launch_s[places] * launches
        drawn = [DRAWN * (part - part.mean()) for part in np.split(found, split)[:2]]
        return np.concatenate([np.log(seconds) - measured, *drawn, DRAWN * np.log(reuse)])

    sizes = (len(COMPUTING), len(LOCAL), len(chips), 1)
    least = np.log(np.repeat([LEAST_EFFICIENCY, LEAST_EFFICIENCY, LEAST_LAUNCH_S, LEAST_REUSE], sizes))
    most = np.log(np.repeat([MOST_OF_PEAK, MOST_OF_BANDWIDTH, MOST_LAUNCH_S, MOST_REUSE], sizes))
    starts = [np.log(np.repeat([first, first, FIRST_LAUNCH_S, 1.0], sizes)) for first in FIRST_EFFICIENCIES]
    if begin is not None:
        launch_s = [begin.launch_s.get(chip, FIRST_LAUNCH_S) for chip in chips]
        starts = [np.log([*begin.of_peak.values(), *begin.of_bandwidth.values(), *launch_s, begin.reuse])]
    solutions = [
        least_squares(residuals, np.clip(start, least, most), bounds=(least, most), loss="soft_l1", f_scale=FORGIVEN)
        for start in starts
    ]
    solution = min(solutions, key=lambda found: found.cost).x
    of_peak, of_bandwidth, launch, (reuse,) = (part.tolist() for part in np.split(np.exp(solution), split))
    return Efficiencies(
        dict(zip(COMPUTING, of_peak, strict=True)),
        dict(zip(LOCAL, of_bandwidth, strict=True)),
        dict(zip(chips, launch, strict=True)),
        reuse,
    )


def formats_of(work: Work) -> set[NumberFormat]:
    """The formats of products, whose peak rates their times need."""
    return {each.number_format for each, _ in work.operations if each.kind in COMPUTING}


def _launches(work: Work) -> int:
    return sum(times * operation.launches for operation, times in work.operations)


def log_error(projected: float, measured: float) -> float:
    """The logarithm of projected / measured."""
    return math.log(projected / measured)
