"""Which two cells may be compared, and with which baseline."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, get_args

from harness.analysis.cells import Cell
from harness.errors import UserError, nearest
from harness.scenario.execution import Mode
from harness.scenario.labels import names_of
from harness.scenario.schema import FrameworkName

SAME_SETTINGS = ("model", "architecture", "preset", "grid", "channels", "network", "training", "seed")
SAME_INFERENCE_SETTINGS = ("batch_size", "lead_steps")
SAME_FINGERPRINTS = ("data", "architecture", "initial_weights")


@dataclass(frozen=True)
class ParityNote:
    """Whether certificates say that the networks of two cells are the same one, and why or why not, in words."""

    certified: bool
    text: str


@dataclass(frozen=True)
class Comparison:
    """A cell and its baseline; `refusal` lists what forbids the comparison and is empty where it is fair.

    `parity` is None where nothing is compared.
    """

    cell: Cell
    baseline: Cell | None
    refusal: tuple[str, ...]
    parity: ParityNote | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether the cell is its own baseline."""
        return self.cell is self.baseline

    @property
    def fair(self) -> bool:
        """Whether there is a baseline other than the cell itself and nothing forbids the ratio."""
        return self.baseline is not None and not self.is_baseline and not self.refusal


@dataclass(frozen=True)
class BaselineName:
    """A baseline as the user names it: `pytorch`, `pytorch-graph`, `a100/pytorch`.

    Without a chip it is the cell on the same chip and host; without an execution an eager cell goes before a graph. An
    execution is all of its label, or eager or graph alone, where the one with the fewest settings goes first.
    """

    framework: str
    execution: str | None = None
    chip: str | None = None

    @staticmethod
    def parse(text: str, cells: Sequence[Cell]) -> "BaselineName":
        """Read a name; raises UserError where no cell bears it."""
        chip, _, name = text.rpartition("/")
        framework, _, execution = name.partition("-")
        _check("framework", framework, get_args(FrameworkName))
        if execution:
            known = {*get_args(Mode), *(name for cell in cells for name in names_of(cell.scenario.execution))}
            _check("execution", execution, sorted(known))
        chips = {cell.scenario.chip for cell in cells}
        if chip and chip not in chips:
            raise UserError(f"baseline {text!r}: no records of chip {chip!r}; {nearest(chip, chips)}")
        found = BaselineName(framework, execution or None, chip or None)
        if not any(found._names(cell, cell) for cell in cells):
            names = {cell.name for cell in cells}
            raise UserError(f"baseline {text!r}: no records of such a cell; {nearest(text, names)}")
        return found

    def compare(self, cell: Cell, cells: Iterable[Cell]) -> Comparison:
        """Choose the baseline of a cell among all cells and say what forbids the comparison.

        Among several, cells with completed launches go first, then those that differ least, then those of the same
        host, then eager ones.
        """
        subject = [other for other in cells if _subject(other) == _subject(cell)]
        candidates = [other for other in subject if self._names(other, cell)]
        if not candidates:
            missing = f"no baseline {self} with the same model, preset and data"
            return Comparison(cell, None, (f"{missing}{self._elsewhere(cell, subject)}",))
        differing = {id(other): differences(cell, other) for other in candidates}
        baseline = min(
            candidates,
            key=lambda other: (
                not other.launches,
                len(differing[id(other)]),
                other.host != cell.host,
                other.scenario.execution.is_graph,
                len(other.scenario.execution.settings()),
                other.key,
            ),
        )
        return Comparison(cell, baseline, () if baseline is cell else differing[id(baseline)])

    def compare_all(self, cells: Sequence[Cell]) -> dict[Cell, Comparison]:
        """Compare every cell with its baseline."""
        subjects: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
        for cell in cells:
            subjects[_subject(cell)].append(cell)
        return {cell: self.compare(cell, subjects[_subject(cell)]) for cell in cells}

    def _names(self, other: Cell, cell: Cell) -> bool:
        ours, theirs = cell.scenario, other.scenario
        return (
            theirs.framework == self.framework
            and self.execution in (None, *names_of(theirs.execution))
            and theirs.chip == (self.chip or ours.chip)
            and (self.chip is not None or other.host == cell.host)
            and _subject(other) == _subject(cell)
        )

    def _elsewhere(self, cell: Cell, subject: Iterable[Cell]) -> str:
        """The baseline that other hosts or chips have, and the command that compares with it; empty without one."""
        if self.chip is not None:
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
        command = ("crosscast", "tables", "--suite", nearby.scenario.suite, "--baseline", f"{replace(self, chip=chip)}")
        return f" on host {cell.host}, but one on {place}{kind}: {shlex.join(command)} compares with it"

    def __str__(self) -> str:
        chip = f"{self.chip}/" if self.chip else ""
        return chip + (f"{self.framework}-{self.execution}" if self.execution else self.framework)


def _subject(cell: Cell) -> tuple[str, str, str]:
    return cell.scenario.model, cell.scenario.preset, cell.scenario.data_name


def differences(cell: Cell, baseline: Cell) -> tuple[str, ...]:
    """What differs, or is not known, of the things that two compared cells must share.

    These are the settings of model, training, precision and inference, and the fingerprints of data, architecture and,
    launch by launch, initial weights and the bits that the matrix product keeps. Framework, execution, chip and host
    may differ, and so may bits that were not measured: cautions name them.
    """
    if cell is baseline:
        return ()
    unequal_settings = _unequal(_settings(cell), _settings(baseline))
    found = [f"{name}: {ours} here, {theirs} in the baseline" for name, ours, theirs in unequal_settings]
    pairs = sorted(cell.summaries.keys() & baseline.summaries.keys())
    if not pairs:
        return (*found, "no launch number completed in both")
    for name in SAME_FINGERPRINTS:
        ours, theirs = _fingerprints(cell, pairs, name), _fingerprints(baseline, pairs, name)
        unknown = [number for number in pairs if ours[number] is None or theirs[number] is None]
        unequal = [number for number in pairs if number not in unknown and ours[number] != theirs[number]]
        title = name.replace("_", " ")
        if unknown:
            found.append(f"{title}: fingerprint not recorded (launches {_listed(unknown)})")
        if unequal:
            found.append(f"{title}: fingerprints differ (launches {_listed(unequal)})")
    return (*found, *_unequal_bits(cell, baseline, pairs))


def _unequal_bits(cell: Cell, baseline: Cell, launches: Sequence[int]) -> Iterable[str]:
    numbers: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number in launches:
        ours, theirs = cell.summaries[number].numerics, baseline.summaries[number].numerics
        if ours and theirs and ours.matmul_bits != theirs.matmul_bits:
            numbers[ours.matmul_bits, theirs.matmul_bits].append(number)
    for (here, there), found in numbers.items():
        yield f"bits of the matrix product: {here} here, {there} in the baseline (launches {_listed(found)})"


def setting_differences(cell: Cell, other: Cell) -> tuple[tuple[str, Any, Any], ...]:
    """Name, value and the other's value of every setting in which two scenarios differ; None where one lacks it."""
    return tuple(_unequal(_all_settings(cell), _all_settings(other)))


@lru_cache(maxsize=1024)
def _all_settings(cell: Cell) -> dict[str, Any]:
    return dict(_flat(cell.scenario.model_dump(mode="json")))


def _unequal(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield name, ours.get(name), theirs.get(name)


@lru_cache(maxsize=1024)
def _settings(cell: Cell) -> dict[str, Any]:
    content = cell.scenario.model_dump(mode="json")
    inference = {name: content["inference"][name] for name in SAME_INFERENCE_SETTINGS}
    weights = (content["weights"] or {}).get("fingerprint", "drawn")
    same = {name: content[name] for name in SAME_SETTINGS} | {"precision": content["execution"]["precision"]}
    return dict(_flat({**same, "inference": inference, "weights to start from": weights}))


def _flat(content: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _flat(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(content, list) and any(isinstance(value, Mapping) for value in content):
        for number, value in enumerate(content):
            yield from _flat(value, f"{prefix}[{number}]")
    else:
        yield prefix, content


def _fingerprints(cell: Cell, launches: Sequence[int], name: str) -> dict[int, str | None]:
    found = {number: cell.summaries[number].fingerprints for number in launches}
    return {number: getattr(entry, name) if entry else None for number, entry in found.items()}


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _check(what: str, name: str, valid: Sequence[str]) -> None:
    if name not in valid:
        raise UserError(f"baseline: unknown {what} {name!r}; {nearest(name, valid)}")
