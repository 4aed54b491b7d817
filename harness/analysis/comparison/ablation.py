"""Which cells of a bench ablate an execution: what each changes, one axis at a time or rung by rung of a ladder."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.differences import differences, inference_rank, likeness
from harness.analysis.comparison.kinds import PORT, Kind, ablation
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.parity import with_parity
from harness.analysis.executions import Unequal, axes_of, unequal
from harness.porting.parity.certificate import Certificate
from harness.scenario.execution import Execution
from harness.scenario.labels import changed
from harness.scenario.scenario import Absent, Variant

EVERY_SETTING = ablation(Execution.model_fields)
LEAST_RUNGS = 3
"""Of a ladder: with two there is a single step, which the table of single axes has."""


@dataclass(frozen=True)
class Step:
    """A cell that is run in another way than `base`, compared with it; or why there is no such cell.

    `name` says what it changes, `axes` are the axes changed: one, or those of a named step, or none of a step to
    another framework.
    """

    name: str
    axes: tuple[str, ...]
    base: Cell
    comparison: Comparison | None
    reason: str | None = None

    @property
    def cell(self) -> Cell | None:
        """The cell; None where it could not exist."""
        return self.comparison.cell if self.comparison else None


@dataclass(frozen=True)
class Study:
    """A base and the cells that differ from it in their execution, in the order of the suite.

    What else differs is a refusal of the step.
    """

    base: Cell
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Ladder:
    """Cells of which each takes one step more than the one before; `steps` are to the one before, the base's left out.

    `whole` holds, in the same order, the comparison of each with the base.
    """

    base: Cell
    steps: tuple[Step, ...]
    whole: tuple[Step, ...]


def studies(group: Group, certificates: Sequence[Certificate]) -> tuple[Study, ...]:
    """The ablations of a group, one for each base that has a cell, or an absent one, beside it.

    What is absent stands once at a place: beside the base from which it differs least.
    """
    found = []
    for of_place in _by_place(group.cells):
        absent = [entry for entry in group.absent if _is_beside(entry, of_place[0])]
        if not absent and all(cell.scenario.execution == of_place[0].scenario.execution for cell in of_place):
            continue
        bases = {base: others for alike in _by_likeness(of_place) for base, others in _bases(alike).items()}
        ran = [base for base in bases if base.launches]
        beside = {id(entry): _nearest(entry, ran) for entry in absent}
        for base in ran:
            steps = [_step(cell, base, certificates) for cell in of_place if cell in bases[base]]
            steps += [_absent(entry, base) for entry in absent if beside[id(entry)] is base]
            if steps:
                found.append(Study(base, tuple(steps)))
    return tuple(found)


def ladders(group: Group, certificates: Sequence[Certificate]) -> tuple[Ladder, ...]:
    """The ladders of a group: at most one of each chip, host and settings of training and inference.

    The rungs of a ladder that the suite declares are its steps that ran, in its order and by its names; else they are
    found in the order in which cells were launched. Cells that a suite made by axes are rungs of none.
    """
    found = []
    for of_place in _by_place(group.cells, with_framework=False):
        for cells in _by_likeness([cell for cell in of_place if cell.launches]):
            rungs = _declared(cells) or _climbed([cell for cell in cells if cell.scenario.variant is None])
            if len(rungs) >= LEAST_RUNGS:
                steps = tuple(_named(_step(cell, below, certificates)) for below, cell in pairwise(rungs))
                whole = tuple(_named(_step(cell, rungs[0], certificates), whole=True) for cell in rungs[1:])
                found.append(Ladder(rungs[0], steps, whole))
    return tuple(found)


def name_of_settings(settings: Iterable[Unequal]) -> str:
    """What is changed, in words: `graph`, `bf16`, `no recompute`."""
    return " + ".join(filter(None, (changed(*each) for each in settings)))


def _by_likeness(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells that differ in framework and execution at most, as far as their settings say."""
    alike: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        alike[likeness(cell)].append(cell)
    return list(alike.values())


def _bases(cells: Sequence[Cell]) -> dict[Cell, list[Cell]]:
    """The cells that are compared with none, each with those that are compared with it; a suite's own base first."""

    def order(cell: Cell) -> tuple[bool, bool, int]:
        return not cell.launches, not _is_declared_base(cell), len(cell.scenario.execution.settings())

    bases: dict[Cell, list[Cell]] = {}
    for cell in sorted(cells, key=order):
        apart = [base for base in bases if _changes(cell, base)[0]]
        base = min(apart, key=partial(_apart, cell), default=None)
        bases.setdefault(base or cell, [])
        if base:
            bases[base].append(cell)
    return bases


def _apart(cell: Cell, base: Cell) -> tuple[int, bool, bool]:
    return len(differences(cell, base, EVERY_SETTING)), *inference_rank(cell, base)


def _by_place(cells: Sequence[Cell], *, with_framework: bool = True) -> list[list[Cell]]:
    found: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        scenario = cell.scenario
        found[scenario.chip, cell.host, scenario.framework if with_framework else ""].append(cell)
    return list(found.values())


def _declared(cells: Sequence[Cell]) -> list[Cell]:
    """The cells that a suite made as steps of a ladder, in its order."""
    positions = {cell: variant.position for cell in cells if (variant := _rung(cell))}
    return sorted(positions, key=positions.__getitem__)


def _is_declared_base(cell: Cell) -> bool:
    variant = cell.scenario.variant
    return variant is not None and variant.design != "ladder" and variant.position == 0


def _rung(cell: Cell) -> Variant | None:
    variant = cell.scenario.variant
    return variant if variant and variant.design == "ladder" else None


def _climbed(cells: Sequence[Cell]) -> list[Cell]:
    rungs: list[Cell] = []
    for cell in cells:
        if not rungs or _is_next(cell, rungs):
            rungs.append(cell)
    return rungs


def _is_next(cell: Cell, rungs: Sequence[Cell]) -> bool:
    """Whether a cell is one step above the last rung, and keeps all that the rungs changed and changes more."""
    settings, frameworks = _changes(cell, rungs[-1])
    one_step = len(axes_of(each.name for each in settings)) + frameworks == 1
    return one_step and _changed_to(cell, rungs[0]) > _changed_to(rungs[-1], rungs[0])


def _changes(cell: Cell, other: Cell) -> tuple[tuple[Unequal, ...], int]:
    settings = unequal(cell.scenario.execution, other.scenario.execution)
    return settings, int(cell.scenario.framework != other.scenario.framework)


def _changed_to(cell: Cell, base: Cell) -> set[tuple[str, object]]:
    settings, frameworks = _changes(cell, base)
    found: set[tuple[str, object]] = {(name, ours) for name, ours, _ in settings}
    return found | {("framework", cell.scenario.framework)} if frameworks else found


def _named(step: Step, *, whole: bool = False) -> Step:
    """The step by the name that the suite gives it, with what else changes where steps between the two did not run."""
    above, below = (_rung(cell) if cell else None for cell in (step.cell, step.base))
    if above is None or below is None:
        return step
    between = not whole and above.position - below.position > 1
    return replace(step, name=f"{above.name} ({step.name})" if between else above.name)


def _step(cell: Cell, base: Cell, certificates: Sequence[Certificate]) -> Step:
    settings, frameworks = _changes(cell, base)
    names = tuple(each.name for each in settings)
    kind = ablation(names) if names else PORT
    if names and frameworks:
        kind = Kind("ablation", PORT.may_differ, (*names, *PORT.execution))
    compared = Comparison(cell, base, differences(cell, base, kind), kind=kind)
    said = (str(cell.scenario.framework) if frameworks else "", name_of_settings(settings))
    return Step(" + ".join(filter(None, said)), axes_of(names), base, with_parity({cell: compared}, certificates)[cell])


def _absent(entry: Absent, base: Cell) -> Step:
    settings = unequal(entry.execution, base.scenario.execution)
    axes = axes_of(each.name for each in settings)
    return Step(name_of_settings(settings), axes, base, None, f"did not run: {entry.reason}")


def _is_beside(entry: Absent, cell: Cell) -> bool:
    return (entry.framework, entry.chip) == (cell.scenario.framework, cell.scenario.chip)


def _nearest(entry: Absent, bases: Sequence[Cell]) -> Cell | None:
    apart = {base: len(unequal(entry.execution, base.scenario.execution)) for base in bases}
    return min((base for base in bases if apart[base]), key=apart.__getitem__, default=None)
