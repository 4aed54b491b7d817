"""What all tables share: titles of groups, ratios with their verdicts, and what did not run."""

from collections import defaultdict
from collections.abc import Mapping

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.differences import setting_differences
from harness.analysis.comparison.pair import Comparison
from harness.analysis.content import NO_INTERVAL, UNCERTIFIED, Content, Count, Number, Verdict, Words
from harness.analysis.number_format import MISSING
from harness.analysis.quantities.quantity import Quantity
from harness.results.record import Record
from harness.scenario.execution import Precision
from harness.scenario.labels import labels, precision_label, shared
from harness.scenario.scenario import Absent

INTERVALS = (
    "Median over launches (n) with its 95 % interval, on the logarithms: Student's t with 3 to 5 launches, which takes "
    "their noise for about log-normal (93 to 97 % in simulations with skewed noise and outliers), interpolated order "
    "statistics with 6 and more, which assume no distribution (94 to 96 %); without interval where n < 3 (marked *)."
)

STAR = f"{NO_INTERVAL}: without interval, since there are fewer than 3 launches or pairs."

PARITY = (
    f"{UNCERTIFIED}: no parity certificate (crosscast parity) says that the two networks are the same one, for the "
    "reason given with the tables."
)


def group_title(group: Group, comparisons: Mapping[Cell, Comparison]) -> str:
    """Model, preset, chip, data, host, precision and baseline, and a word where executions differ."""
    executions = [cell.scenario.execution for cell in group.cells]
    precisions = dict.fromkeys(precision_label(execution.precision) for execution in executions)
    baselines = dict.fromkeys(
        baseline_label(group, comparison.baseline)
        for cell in group.cells
        if (comparison := comparisons[cell]).baseline is not None
    )
    called = labels(executions)
    parts = [group.title]
    parts += ["/".join(precisions)] if precisions else []
    parts += [f"baseline {' and '.join(baselines)}" if baselines else "no baseline"]
    parts += [f"execution differs: {' and '.join(called.values())}"] if len(called) > 1 else []
    but_precision = (execution.model_copy(update={"precision": Precision()}) for execution in executions)
    parts += [f"all with {common}"] if (common := shared(but_precision)) else []
    return "; ".join(parts)


def ratio_cells(comparison: Comparison, found: Quantity | None, *, has_value: bool) -> tuple[Content, Content]:
    """Ratio and verdict: of the baseline itself, of a refused comparison, and of one that there is."""
    cell = comparison.cell
    if comparison.is_baseline:
        return Count(1, (cell,)) if has_value else MISSING, "baseline"
    if comparison.refusal:
        return "refused", "see below"
    if found is None or found.value is None:
        return MISSING, MISSING
    return Number(found.told_of(cell)), Verdict(found.verdict or MISSING, comparison.certified, (cell,))


def label_of(group: Group, cell: Cell) -> Words:
    """The cell's label in the group."""
    return Words(group.label(cell), (cell,))


def parity_lines(group: Group, comparisons: Mapping[Cell, Comparison]) -> tuple[str, ...]:
    """One line for each cell that is certified to be the same network as its baseline."""
    notes = {cell: comparisons[cell].parity for cell in group.cells}
    return tuple(f"Parity: {group.label(cell)}: {note.text}" for cell, note in notes.items() if note and note.certified)


def refusal_lines(group: Group, comparisons: Mapping[Cell, Comparison]) -> tuple[str, ...]:
    """One line for each thing that forbids a ratio of a cell that ran."""
    return tuple(
        f"Ratio refused for {group.label(cell)}: {difference}"
        for cell in group.cells
        if cell.launches
        for difference in comparisons[cell].refusal
    )


def setting_lines(group: Group) -> tuple[str, ...]:
    """One line for each cell that starts from a file of weights, has bounded epochs, or differs in settings alone."""
    alike: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell in group.cells:
        alike[cell.scenario.chip, cell.label, cell.host].append(cell)
    started = [(group.label(cell), cell.scenario.weights) for cell in group.cells]
    return (
        *(
            f"{label} starts from the weights of {weights.file} (fingerprint {weights.fingerprint[:12]})"
            for label, weights in started
            if weights
        ),
        *(
            f"{group.label(cell)}: an epoch is {steps} steps at most, and not the whole training split"
            for cell in group.cells
            if (steps := cell.scenario.training.max_steps_per_epoch)
        ),
        *(
            f"{group.label(cell)} beside {group.label(first)}: {_settings_text(cell, first)}"
            for first, *others in alike.values()
            for cell in others
        ),
    )


def _settings_text(cell: Cell, other: Cell) -> str:
    found = [f"{name} {ours}, not {theirs}" for name, ours, theirs in setting_differences(cell, other)]
    return "; ".join(found) or "the same settings, whose names another version of Crosscast hashed"


def place_columns(group: Group, entry: Cell | Absent) -> dict[str, object]:
    """The columns by which files tell cells apart: model, preset, chip, data, host and label."""
    return {
        "model": group.model,
        "preset": group.preset,
        "chip": entry.scenario.chip if isinstance(entry, Cell) else entry.chip,
        "data": group.data_name,
        "host": entry.host if isinstance(entry, Cell) else None if group.across else group.host,
        "cell": group.label(entry) if isinstance(entry, Cell) else group.label_of_absent(entry),
        **({"cell_key": entry.key} if isinstance(entry, Cell) else {}),
    }


def baseline_columns(comparison: Comparison) -> dict[str, object]:
    """The baseline and what forbids the comparison as columns of a file."""
    baseline = comparison.baseline
    return {
        "baseline": f"{baseline.scenario.chip}/{baseline.label}" if baseline else None,
        "baseline_key": baseline.key if baseline else None,
        "comparison": comparison.kind.name,
        "refusal": "; ".join(comparison.refusal) or None,
        "parity_certified": comparison.parity.certified if comparison.parity else None,
        "parity": comparison.parity.text if comparison.parity else None,
    }


def failure_lines(group: Group) -> tuple[str, ...]:
    """One line for each launch that no attempt completed."""
    return tuple(
        f"{group.label(cell)}, launch {record.launch} {status_text(record)}"
        for cell in group.cells
        for record in cell.failed_launches
    )


def why_not(cell: Cell) -> str:
    """How the newest attempt of a cell without a completed launch ended."""
    return f"did not run: {status_text(cell.failed_attempts[-1])}"


def status_text(record: Record) -> str:
    """How a launch ended, with the reason where there is one."""
    status = record.status.replace("_", " ")
    return f"{status}: {record.reason}" if record.reason else status


def baseline_label(group: Group, baseline: Cell | None) -> str:
    """The baseline's label in the group, or its chip and host where it stands in another; empty where there is none."""
    if baseline is None or baseline in group.cells:
        return group.label(baseline) if baseline else ""
    return f"{baseline.label} on {baseline.scenario.chip} (host {baseline.host})"
