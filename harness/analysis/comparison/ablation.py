"""Which cells of a bench ablate an execution: what each changes, one axis at a time or rung by rung of a ladder."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.differences import differences, likeness
from harness.analysis.comparison.kinds import PORT, Kind, ablation
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.parity import with_parity
from harness.analysis.executions import Unequal, axes_of, unequal
from harness.porting.parity.certificate import Certificate
from harness.scenario.execution import Execution
from harness.scenario.labels import changed
from harness.scenario.scenario import Absent, Scenario

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
    """The ablations of a group, one for each base that has a cell, or an absent one, beside it."""
    found = []
    for cells in _by_likeness(group.cells):
        bases: dict[Cell, list[Cell]] = {}
        for cell in sorted(cells, key=lambda each: (not each.launches, len(each.scenario.execution.settings()))):
            apart = [base for base in bases if _changes(cell, base)[0]]
            base = min(apart, key=lambda each: len(differences(cell, each, EVERY_SETTING)), default=None)
            bases.setdefault(base or cell, [])
            if base:
                bases[base].append(cell)
        for base, others in bases.items():
            steps = [_step(cell, base, certificates) for cell in cells if cell in others]
            steps += [_absent(entry, base) for entry in group.absent if _is_beside(entry, base)]
            if any(step.cell and step.cell.launches for step in steps):
                found.append(Study(base, tuple(steps)))
    return tuple(found)


def ladders(group: Group, certificates: Sequence[Certificate]) -> tuple[Ladder, ...]:
    """The ladders of a group, by chip and host: at most one of each, in the order in which its cells were launched."""
    found = []
    for cells in _by_place(group.cells, with_framework=False):
        rungs: list[Cell] = []
        for cell in cells:
            if cell.launches and (not rungs or _is_next(cell, rungs)):
                rungs.append(cell)
        if len(rungs) >= LEAST_RUNGS:
            steps = tuple(_step(cell, below, certificates) for below, cell in pairwise(rungs))
            whole = tuple(_step(cell, rungs[0], certificates) for cell in rungs[1:])
            found.append(Ladder(rungs[0], steps, whole))
    return tuple(found)


def name_of_settings(settings: Iterable[Unequal]) -> str:
    """What is changed, in words: `graph`, `bf16`, `no recompute`."""
    return " + ".join(filter(None, (changed(*each) for each in settings)))


def _by_likeness(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells of each place that differ in their execution at most, as far as their settings say."""
    found: list[list[Cell]] = []
    for of_place in _by_place(cells):
        if all(cell.scenario.execution == of_place[0].scenario.execution for cell in of_place):
            continue
        alike: dict[str, list[Cell]] = defaultdict(list)
        for cell in of_place:
            alike[likeness(cell)].append(cell)
        found += alike.values()
    return found


def _by_place(cells: Sequence[Cell], *, with_framework: bool = True) -> list[list[Cell]]:
    found: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        scenario = cell.scenario
        found[scenario.chip, cell.host, scenario.framework if with_framework else ""].append(cell)
    return list(found.values())


def _is_next(cell: Cell, rungs: Sequence[Cell]) -> bool:
    """Whether a cell is one step above the last rung, and farther from the first than all below."""
    settings, frameworks = _changes(cell, rungs[-1])
    one_step = len(axes_of(each.name for each in settings)) + frameworks == 1
    return one_step and _distance(cell, rungs[0]) > _distance(rungs[-1], rungs[0])


def _changes(cell: Cell, other: Cell) -> tuple[tuple[Unequal, ...], int]:
    settings = unequal(cell.scenario.execution, other.scenario.execution)
    return settings, int(cell.scenario.framework != other.scenario.framework)


def _distance(cell: Cell, base: Cell) -> int:
    settings, frameworks = _changes(cell, base)
    return len(axes_of(each.name for each in settings)) + frameworks


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


def _is_beside(entry: Absent, base: Cell) -> bool:
    scenario: Scenario = base.scenario
    alike = (entry.framework, entry.chip) == (scenario.framework, scenario.chip)
    return alike and entry.execution != scenario.execution
