"""How a training scales over devices: cells that differ from one on one device in their world alone.

Weak scaling keeps the batch of each device, strong scaling that of all together. A speed-up is a ratio of training
rates, in samples a second, to that of one device. With T the time in which n devices train on a given number of samples
each (weak) or together (strong) it is n T(1) / T(n) or T(1) / T(n); the efficiency is the speed-up over n.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.differences import differences, likeness
from harness.analysis.comparison.kinds import SCALING, STRONG_SCALING, Kind
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import ratio
from harness.analysis.quantities.quantity import Measured, Quantity
from harness.analysis.quantities.speed import speed_of
from harness.scenario.execution import World
from harness.scenario.labels import label
from harness.scenario.schema import Scaling

KINDS: dict[Scaling, Kind] = {"weak": SCALING, "strong": STRONG_SCALING}
UNEQUAL = 1.1
"""What the slowest rank may take of a step over the quickest before it is named."""

RATE = "train rate"
"""How the titles of the training rates begin: one of each stage."""


@dataclass(frozen=True)
class Curve:
    """A cell on one device and those on several that scale it in one way, in order of devices and nodes."""

    scaling: Scaling
    parallel: str
    base: Cell
    points: tuple[Comparison, ...]

    @property
    def name(self) -> str:
        """Framework, execution on one device, what is divided, and the scaling, in words."""
        divided = "" if self.parallel == "data" else f", {self.parallel.replace('_', ' ')}"
        scenario = self.base.scenario
        return f"{scenario.framework} {label(scenario.execution)}{divided}, {self.scaling} scaling"


def curves(group: Group) -> tuple[Curve, ...]:
    """The curves of a group, one for each base, scaling and kind of division."""
    cells = [cell for cell in group.cells if cell.launches]
    wide = sorted((cell for cell in cells if devices_of(cell) > 1), key=lambda cell: (devices_of(cell), nodes_of(cell)))
    found = []
    for base in cells:
        if devices_of(base) > 1:
            continue
        for scaling, kind in KINDS.items():
            alike = [cell for cell in wide if scales(cell, base, scaling)]
            for parallel in dict.fromkeys(cell.scenario.execution.world.parallel for cell in alike):
                points = [cell for cell in alike if cell.scenario.execution.world.parallel == parallel]
                found.append(Curve(scaling, parallel, base, tuple(compared(cell, base, kind) for cell in points)))
    return tuple(found)


def scaled(cell: Cell, base: Cell) -> Comparison:
    """A cell beside its base on one device, as the kind of scaling that it is; else with what differs for weak ones."""
    scaling: Scaling = "strong" if scales(cell, base, "strong") and not scales(cell, base, "weak") else "weak"
    return compared(cell, base, KINDS[scaling])


def compared(cell: Cell, base: Cell, kind: Kind) -> Comparison:
    """A cell on several devices beside one on one; more than one in the base is refused."""
    several = (f"world.devices: {devices_of(base)} in the baseline, which must be 1",) if devices_of(base) > 1 else ()
    return Comparison(cell, base, (*several, *differences(cell, base, kind)), kind=kind)


def devices_of(cell: Cell) -> int:
    """The devices that train the network of a cell together."""
    return cell.scenario.execution.world.devices


def nodes_of(cell: Cell) -> int:
    """The nodes among which they are divided."""
    return cell.scenario.execution.world.nodes


def world_text(cell: Cell) -> str:
    """The devices of a cell and, of several nodes, their number."""
    nodes = nodes_of(cell)
    return str(devices_of(cell)) if nodes == 1 else f"{devices_of(cell)} on {nodes} nodes"


def rates(cell: Cell) -> Iterator[Measured]:
    """The training rates of a cell, one of each stage."""
    return (measured for measured in speed_of(cell).values() if measured.title.startswith(RATE))


def speed_up(comparison: Comparison, name: str) -> Quantity:
    """The ratio of a training rate, by the name of its metric, to that of the base; none where it is not fair."""
    base = comparison.baseline
    ours = speed_of(comparison.cell).get(name)
    if base is None or not comparison.fair or ours is None:
        return Quantity(None, sources=(comparison.cell,), reason="; ".join(comparison.refusal) or "not measured")
    return ratio(ours, speed_of(base).get(name))._replace(verdict=None)


def efficiency(comparison: Comparison, name: str) -> Quantity:
    """The speed-up over the number of devices."""
    found, devices = speed_up(comparison, name), devices_of(comparison.cell)
    value, low, high = (None if each is None else each / devices for each in (found.value, found.low, found.high))
    return found._replace(value=value, low=low, high=high, unit="fraction")


def slow_rank(cell: Cell) -> tuple[int, float] | None:
    """The rank for which the others wait most, and what it takes of a step without exchange over the quickest.

    The median over launches; None where none takes more than `UNEQUAL`, or it was not measured.
    """
    parts = (launch.measurements.communication for launch in cell.launches)
    found = [part.over_quickest for part in parts if part is not None and part.over_quickest]
    if not found:
        return None
    by_rank = [median(each) for each in zip(*found, strict=True)]
    most = max(by_rank)
    return (by_rank.index(most), most) if most > UNEQUAL else None


def scales(cell: Cell, base: Cell, scaling: Scaling) -> bool:
    """Whether a cell on several devices is that of one device but for its world, and for what the scaling divides."""
    ours, theirs = cell.scenario, base.scenario
    if (ours.framework, ours.chip, ours.execution.model_copy(update={"world": World()})) != (
        theirs.framework,
        theirs.chip,
        theirs.execution,
    ):
        return False
    whole = scaling == "strong"
    return likeness(cell, whole_batch=whole) == likeness(base, whole_batch=whole)


def cells_of(found: Sequence[Curve]) -> tuple[Cell, ...]:
    """All cells of curves, each once."""
    return tuple(dict.fromkeys(cell for curve in found for cell in (curve.base, *(p.cell for p in curve.points))))
