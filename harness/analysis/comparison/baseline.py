"""The baseline that a user names, and the cells that it is the baseline of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from harness.analysis.cells import Cell
from harness.analysis.comparison.differences import differences, inference_rank
from harness.analysis.comparison.kinds import CHIP, PORT
from harness.analysis.comparison.pair import Comparison
from harness.errors import UserError, nearest
from harness.scenario.execution import Mode
from harness.scenario.labels import as_name, label, names_of
from harness.scenario.scenario import Scenario
from harness.scenario.schema import FrameworkName
from harness.suggesting import command


@dataclass(frozen=True)
class BaselineName:
    """A baseline as the user names it: `pytorch`, `pytorch-graph`, `a100/pytorch`, `HOST:a100/pytorch-eager-bf16`.

    Without a chip it is the cell on the same chip, without a chip and a host that on the same host, too. An execution
    is all of its label, or eager or graph alone, where cells with fewer settings go before others; without one, eager
    cells go before graphs.
    """

    framework: str
    execution: str | None = None
    chip: str | None = None
    host: str | None = None

    @staticmethod
    def parse(text: str, cells: Sequence[Cell]) -> "BaselineName":
        """Read a name; raises UserError where no cell bears it."""
        place, _, name = text.rpartition("/")
        host, colon, chip = place.rpartition(":")
        if not colon and ":" in name:
            host, _, name = name.rpartition(":")
        framework, _, execution = name.partition("-")
        _check("framework", framework, get_args(FrameworkName))
        if execution:
            known = {*get_args(Mode), *(name for cell in cells for name in names_of(cell.scenario.execution))}
            _check("execution", execution, sorted(known))
        chips = {cell.scenario.chip for cell in cells}
        if chip and chip not in chips:
            raise UserError(f"baseline {text!r}: no records of chip {chip!r}; {nearest(chip, chips)}")
        hosts = {cell.host for cell in cells}
        if host and not any(_bears(each, host) for each in hosts):
            raise UserError(f"baseline {text!r}: no records of host {host!r}; {nearest(host, hosts)}")
        found = BaselineName(framework, execution or None, chip or None, host or None)
        if not any(found._names(cell, cell) for cell in cells):
            names = {cell.name for cell in cells}
            raise UserError(f"baseline {text!r}: no records of such a cell; {nearest(text, names)}")
        return found

    @property
    def across(self) -> bool:
        """Whether cells of several chips or hosts have the same baseline."""
        return self.chip is not None or self.host is not None

    def compare(self, cell: Cell, cells: Iterable[Cell]) -> Comparison:
        """Choose the baseline of a cell among all cells and say what forbids the comparison.

        A name that several cells bear equally well is refused with the names that tell them apart.
        """
        subject = [other for other in cells if _subject(other) == _subject(cell)]
        found = self.candidates(cell, subject)
        kind = CHIP if self.across else PORT
        if not found:
            missing = f"no baseline {self} with the same model, preset and data"
            return Comparison(cell, None, (f"{missing}{self._elsewhere(cell, subject)}",), kind=kind)
        names = sorted({self._told_apart(other, found) for other in found})
        if len(names) > 1:
            refusal = f"baseline {self} is the name of several cells: choose from {', '.join(names)}"
            return Comparison(cell, None, (refusal,), kind=kind)
        baseline = found[0]
        return Comparison(cell, baseline, differences(cell, baseline), kind=kind)

    def candidates(self, cell: Cell, cells: Iterable[Cell]) -> list[Cell]:
        """The cells that the name says best, of one model, preset and data: several where it does not tell them apart.

        Those with completed launches go first, then those that differ least, those of the same host, those with the
        fewest settings of their execution, and those that are scored, and infer, as the cell does; of several alike the
        cell itself.
        """
        named = [other for other in cells if self._names(other, cell)]
        ranks = {
            other: (
                not other.launches,
                len(differences(cell, other)),
                other.host != cell.host,
                len(other.scenario.execution.settings()),
                *inference_rank(cell, other),
            )
            for other in named
        }
        best = min(ranks.values(), default=None)
        alike = [other for other, rank in ranks.items() if rank == best]
        return [cell] if cell in alike else sorted(alike, key=lambda other: other.key)

    def compare_all(self, cells: Sequence[Cell]) -> dict[Cell, Comparison]:
        """Compare every cell with its baseline."""
        subjects: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
        for cell in cells:
            subjects[_subject(cell)].append(cell)
        return {cell: self.compare(cell, subjects[_subject(cell)]) for cell in cells}

    def is_run(self, scenario: Scenario) -> bool:
        """Whether a scenario is in the framework and the execution of the name."""
        return scenario.framework == self.framework and self.execution in (None, *names_of(scenario.execution))

    def _names(self, other: Cell, cell: Cell) -> bool:
        return (
            self.is_run(other.scenario)
            and other.scenario.chip == (self.chip or cell.scenario.chip)
            and (self.host is None or _bears(other.host, self.host))
            and (self.across or other.host == cell.host)
            and _subject(other) == _subject(cell)
        )

    def _told_apart(self, cell: Cell, among: Sequence[Cell]) -> str:
        """The name with host and execution where those of the cells differ."""
        hosts, executions = {each.host for each in among}, {_run(each) for each in among}
        host = f"{cell.host}:" if len(hosts) > 1 or self.host else ""
        chip = f"{cell.scenario.chip}/" if len(hosts) > 1 or self.chip else ""
        return f"{host}{chip}{self.framework}{f'-{_run(cell)}' if len(executions) > 1 else self._execution}"

    def _elsewhere(self, cell: Cell, subject: Iterable[Cell]) -> str:
        """The baseline that other hosts or chips have, and the command that compares with it; empty without one."""
        if self.across:
            return ""
        found = [
            other for other in subject if other.launches and replace(self, chip=other.scenario.chip)._names(other, cell)
        ]
        if not found:
            return ""
        nearby = min(found, key=lambda other: (other.scenario.chip != cell.scenario.chip, other.scenario.chip))
        chip = nearby.scenario.chip
        same_chip = chip == cell.scenario.chip
        place = f"host {nearby.host}" if same_chip else f"chip {chip}, host {nearby.host}"
        kind = ", a host of another kind" if same_chip else ""
        words = ("tables", "--suite", nearby.scenario.suite, "--baseline", f"{replace(self, chip=chip)}")
        return (
            f" on host {cell.host}, but one on {place}{kind}: {command(*words, results=cell.results)} compares with it"
        )

    @property
    def _execution(self) -> str:
        return f"-{self.execution}" if self.execution else ""

    def __str__(self) -> str:
        host = f"{self.host}:" if self.host else ""
        chip = f"{self.chip}/" if self.chip else ""
        return f"{host}{chip}{self.framework}{self._execution}"


def _run(cell: Cell) -> str:
    """All of the execution's label, as a name has it."""
    return as_name(label(cell.scenario.execution))


def _bears(host: str, name: str) -> bool:
    """Whether a host, or one of those that are pooled, has a name or a name that begins so."""
    return host == name or any(each.startswith(name) for each in host.split(", "))


def _subject(cell: Cell) -> tuple[str, str, str]:
    return cell.scenario.model, cell.scenario.preset, cell.scenario.data_name


def _check(what: str, name: str, valid: Sequence[str]) -> None:
    if name not in valid:
        raise UserError(f"baseline: unknown {what} {name!r}; {nearest(name, valid)}")
