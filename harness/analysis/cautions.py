"""What a reader of the tables must be warned of, computed from the records."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.analysis.cells import Cell, Group
from harness.analysis.fairness import Comparison
from harness.analysis.statistics import MIN_LAUNCHES

SAME_BUILD = ("crosscast_version", "git_commit")
SAME_ENVIRONMENT = (
    *SAME_BUILD,
    "python",
    "platform",
    "container",
    "cpu_name",
    "cpu_count",
    "cpu_mhz_max",
    "memory_bytes",
    "packages",
    "visible_devices",
    "threads",
    "variables",
    "accelerator",
)


def cautions(group: Group, comparisons: Mapping[Cell, Comparison]) -> tuple[str, ...]:
    """One line each, most grave first; empty where there is nothing to say."""
    ran = [cell for cell in group.cells if cell.launches]
    lines = [line for cell in ran for line in _of_cell(group.label(cell), cell)]
    lines += [line for cell in ran for line in _of_comparison(group.label(cell), comparisons[cell])]
    return tuple(lines)


def _of_cell(label: str, cell: Cell) -> Iterable[str]:
    launches = cell.launches
    yield from _of_shortfall(label, cell)
    if len(launches) < MIN_LAUNCHES:
        yield f"{label}: {len(launches)} of the {MIN_LAUNCHES} launches that an interval needs"
    if foreign := [record.launch for record in launches if record.load.foreign]:
        yield f"{label}: other work ran beside {_launches(foreign)}"
    unsteady: dict[str, list[int]] = {}
    for launch, summary in cell.summaries.items():
        for part in summary.unsteady:
            unsteady.setdefault(part, []).append(launch)
    for part, numbers in unsteady.items():
        yield f"{label}: the step time of {part} never settled in {_launches(numbers)}"
    if dirty := [record.launch for record in launches if record.environment.git_dirty]:
        yield f"{label}: made from a checkout with uncommitted changes: {_launches(dirty)}"
    if unknown := [launch for launch, summary in cell.summaries.items() if summary.numerics is None]:
        yield f"{label}: the bits that the matrix product keeps were not measured in {_launches(unknown)}"
    for name in SAME_ENVIRONMENT:
        values = _environments(cell, name)
        if len(values) > 1:
            yield f"{label}: {name.replace('_', ' ')} differs between its launches: {_either(values)}"


def _of_shortfall(label: str, cell: Cell) -> Iterable[str]:
    short: dict[str, list[int]] = {}
    for launch, summary in cell.summaries.items():
        if (found := summary.numerics) and found.shortfall:
            short.setdefault(f"{found.shortfall}: this is not {found.policy}", []).append(launch)
    for words_of, numbers in short.items():
        yield f"{label}: {words_of} ({_launches(numbers)})"


def _of_comparison(label: str, comparison: Comparison) -> Iterable[str]:
    baseline = comparison.baseline
    if baseline is None or comparison.is_baseline or not baseline.launches:
        return
    if comparison.parity and not comparison.parity.certified:
        yield f"{label}: {comparison.parity.text}"
    numbers = {record.launch for record in comparison.cell.launches}
    unpaired = numbers ^ {record.launch for record in baseline.launches}
    if unpaired and comparison.fair:
        yield f"{label}: no ratio from {_launches(sorted(unpaired))}, which only one of it and its baseline completed"
    for name in SAME_ENVIRONMENT:
        ours, theirs = _environments(comparison.cell, name), _environments(baseline, name)
        if not all(value in theirs for value in ours) or not all(value in ours for value in theirs):
            yield f"{label}: {name.replace('_', ' ')}: {_either(ours)} here, {_either(theirs)} in the baseline"
    ours, theirs = _framework_threads(comparison.cell), _framework_threads(baseline)
    if ours != theirs:
        yield f"{label}: threads of the framework: {_either(ours)} here, {_either(theirs)} in the baseline"


def _environments(cell: Cell, name: str) -> list[Any]:
    unique = {id(record.environment): record.environment for record in cell.launches}
    return _distinct(getattr(environment, name) for environment in unique.values())


def _framework_threads(cell: Cell) -> list[Any]:
    return _distinct(found.framework.threads for found in cell.summaries.values() if found.framework)


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _either(values: Sequence[Any]) -> str:
    return " or ".join(words(value) for value in values) or "unknown"


def words(value: Any) -> str:
    """A property of an environment as people read it; long digests are cut."""
    if value is None:
        return "unknown"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={entry}" for name, entry in sorted(value.items())) or "not set"
    return f"{value[:12]}..." if isinstance(value, str) and len(value) >= 40 and value.isalnum() else str(value)


def _launches(numbers: Sequence[int]) -> str:
    return f"launch{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
