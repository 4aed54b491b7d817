"""What all tables share: estimates as text and columns, titles of groups, and what did not run."""

from collections.abc import Iterable, Mapping

from harness.analysis.cells import Cell, Group
from harness.analysis.fairness import Comparison
from harness.analysis.number_format import MISSING, with_interval
from harness.analysis.statistics import Deviation, Estimate, summarise
from harness.record import Record

INTERVALS = (
    "Median over launches (n) with its 95 % interval, on the logarithms: Student's t with 3 to 5 launches, which takes "
    "their noise for about log-normal (93 to 97 % in simulations with skewed noise and outliers), interpolated order "
    "statistics with 6 and more, which assume no distribution (94 to 96 %); without interval where n < 3 (marked *)."
)


def group_title(group: Group, comparisons: Mapping[Cell, Comparison]) -> str:
    """Model, preset, chip, data, host, precision and baseline, and a word where executions differ."""
    precisions = dict.fromkeys(cell.scenario.precision for cell in group.cells)
    baselines = dict.fromkeys(
        _baseline_label(group, comparison.baseline)
        for cell in group.cells
        if (comparison := comparisons[cell]).baseline is not None
    )
    executions = dict.fromkeys(cell.scenario.execution for cell in group.cells)
    parts = [group.title]
    parts += ["/".join(precisions)] if precisions else []
    parts += [f"baseline {' and '.join(baselines)}" if baselines else "no baseline"]
    parts += [f"execution differs: {' and '.join(executions)}"] if len(executions) > 1 else []
    return "; ".join(parts)


def estimate(values: Iterable[float]) -> Estimate | None:
    """The summary of one value a launch; None where there is none."""
    known = list(values)
    return summarise(known) if known else None


def estimate_text(found: Estimate | None, divisor: float = 1.0) -> str:
    """Median and interval, divided to a readable unit; marked with * where there are too few launches for one."""
    return marked(found.median, found.low, found.high, divisor) if found else MISSING


def marked(value: float, low: float | None, high: float | None, divisor: float = 1.0) -> str:
    """A value with its interval, all divided, or with * where it has none."""
    if low is None or high is None:
        return f"{with_interval(value / divisor, None, None)} *"
    return with_interval(value / divisor, low / divisor, high / divisor)


def deviation_text(found: Deviation | None, *, percent: bool = False) -> str:
    """A signed deviation and its interval to two decimals of a percent or four; marked with * where it has none."""
    if found is None:
        return MISSING
    factor, decimals = (100.0, 2) if percent else (1.0, 4)
    low, high = (None if bound is None else bound * factor for bound in (found.low, found.high))
    text = with_interval(found.mean * factor, low, high, sign=True, max_decimals=decimals)
    return text if low is not None else f"{text} *"


def estimate_columns(name: str, found: Estimate | None) -> dict[str, object]:
    """Median and bounds of the 95 % interval as columns of a file."""
    return {
        name: found.median if found else None,
        f"{name}_low95": found.low if found else None,
        f"{name}_high95": found.high if found else None,
    }


def group_columns(group: Group) -> dict[str, object]:
    """The columns by which files tell groups apart."""
    return {
        "model": group.model,
        "preset": group.preset,
        "chip": group.chip,
        "data": group.data_name,
        "host": group.host,
    }


def failure_lines(group: Group) -> tuple[str, ...]:
    """One line for each launch that no attempt completed."""
    return tuple(
        f"{group.label(cell)}, launch {record.launch} {_status(record)}"
        for cell in group.cells
        for record in cell.failed_launches
    )


def why_not(cell: Cell) -> str:
    """How the newest attempt of a cell without a completed launch ended."""
    return f"did not run: {_status(cell.failed_attempts[-1])}"


def _status(record: Record) -> str:
    status = record.status.replace("_", " ")
    return f"{status}: {record.reason}" if record.reason else status


def _baseline_label(group: Group, baseline: Cell | None) -> str:
    if baseline is None or baseline in group.cells:
        return group.label(baseline) if baseline else ""
    return f"{baseline.label} on {baseline.scenario.chip} (host {baseline.host})"
