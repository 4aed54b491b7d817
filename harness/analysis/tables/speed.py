"""Time and memory of each cell, and their ratio to the baseline."""

from collections.abc import Mapping, Sequence
from math import sqrt

import pandas as pd

from harness.analysis.cells import Cell, Group
from harness.analysis.fairness import Comparison
from harness.analysis.metrics import Metric
from harness.analysis.number_format import MISSING, readable_unit
from harness.analysis.statistics import Ratio, ratio_of_medians, summarise
from harness.analysis.tables.parts import (
    INTERVALS,
    PARITY,
    baseline_columns,
    estimate,
    estimate_columns,
    estimate_text,
    failure_lines,
    group_title,
    parity_lines,
    place_columns,
    ratio_cells,
    ratio_columns,
    refusal_lines,
    setting_lines,
    why_not,
)
from harness.analysis.tables.table import Section, Table

COLUMNS = ("quantity", "cell", "n", "median [95 %]", "ratio [95 %]", "verdict")
DEFINITIONS = (
    INTERVALS,
    "Ratio: median of the cell / median of the baseline over launches of the same number, with the interval of the "
    "paired ratios.",
    "Verdict on times, and on rates by their inverse: equivalent if the interval lies within 1/1.05 to 1.05, faster or "
    "slower if it lies outside, undecided if it crosses a bound.",
    "Epoch: data and steps without validation; the first of a stage, which holds the compilation, is left out where "
    "there are more. Training total: data and steps of all epochs. Step times are medians of the steady state. Rate: "
    "samples by the sum of their times, so the harmonic mean. Memory: peak of the process "
    "once its data are ready, and of the device where the framework counts it.",
    PARITY,
)


class CellMetrics:
    """The metrics of a cell's launches: `launches` by name and launch number, `values` those that have one."""

    def __init__(self, cell: Cell) -> None:
        self.launches: dict[str, dict[int, Metric]] = {}
        for launch, summary in cell.summaries.items():
            for metric in summary.metrics:
                self.launches.setdefault(metric.name, {})[launch] = metric
        self.values = {
            name: {launch: metric.value for launch, metric in found.items() if metric.value is not None}
            for name, found in self.launches.items()
        }

    def reasons(self, name: str) -> str:
        """Why launches have no value."""
        return "; ".join(dict.fromkeys(found.reason for found in self.launches[name].values() if found.reason))

    def first(self, name: str) -> Metric:
        """The metric of this name of the first launch, for what all launches have in common."""
        return next(iter(self.launches[name].values()))


def speed_table(suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> Table:
    """Build the table; `comparisons` holds one entry for each cell."""
    metrics = {cell: CellMetrics(cell) for cell in comparisons}
    sections = tuple(_section(group, comparisons, metrics) for group in groups)
    rows = [row for group in groups for row in _data_rows(group, comparisons, metrics)]
    return Table("speed", f"Speed and memory, suite {suite}", sections, pd.DataFrame(rows), DEFINITIONS)


def _section(group: Group, comparisons: Mapping[Cell, Comparison], metrics: Mapping[Cell, CellMetrics]) -> Section:
    ran = [cell for cell in group.cells if cell.launches]
    names = dict.fromkeys(
        name for cell in ran for name in metrics[cell].launches if metrics[cell].first(name).kind != "detail"
    )
    rows = [row for name in names for row in _quantity_rows(group, ran, name, comparisons, metrics)]
    rows += [
        ("all", group.label(cell), "0", why_not(cell), MISSING, MISSING) for cell in group.cells if not cell.launches
    ]
    rows += [
        ("all", group.label_of_absent(entry), "0", f"did not run: {entry.reason}", MISSING, MISSING)
        for entry in group.absent
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    notes = (
        *setting_lines(group),
        *refusal_lines(group, comparisons),
        *parity_lines(group, comparisons),
        *failure_lines(group),
    )
    return Section(group_title(group, comparisons), frame, notes)


def _quantity_rows(
    group: Group,
    cells: Sequence[Cell],
    name: str,
    comparisons: Mapping[Cell, Comparison],
    metrics: Mapping[Cell, CellMetrics],
) -> list[tuple[str, ...]]:
    present = [cell for cell in cells if name in metrics[cell].launches]
    values = {cell: metrics[cell].values[name] for cell in present}
    metric = metrics[present[0]].first(name)
    medians = [summarise(list(known.values())).median for known in values.values() if known]
    divisor, unit = readable_unit(metric.unit, sqrt(min(medians) * max(medians)) if medians else 0.0)
    rows: list[tuple[str, ...]] = []
    for cell in present:
        ratio = _ratio(metrics, comparisons[cell], name)
        rows.append(
            (
                f"{metric.title}, {unit}",
                group.label(cell),
                str(len(values[cell])),
                _median(metrics[cell], name, divisor),
                *_ratio_cells(metric, comparisons[cell], ratio, has_value=bool(values[cell])),
            )
        )
    return rows


def _median(metrics: CellMetrics, name: str, divisor: float) -> str:
    values = metrics.values[name]
    return estimate_text(estimate(values.values()), divisor) if values else f"{MISSING} {metrics.reasons(name)}"


def _ratio_cells(metric: Metric, comparison: Comparison, ratio: Ratio | None, *, has_value: bool) -> tuple[str, str]:
    if metric.kind == "plain":
        return MISSING, MISSING
    return ratio_cells(comparison, ratio, _verdict(metric, ratio) if ratio else None, has_value=has_value)


def _verdict(metric: Metric, ratio: Ratio) -> str | None:
    swapped = {"faster": "slower", "slower": "faster"}
    if metric.kind == "rate":
        return swapped.get(ratio.verdict, ratio.verdict)
    return ratio.verdict if metric.kind == "cost" else None


def _ratio(metrics: Mapping[Cell, CellMetrics], comparison: Comparison, name: str) -> Ratio | None:
    if comparison.baseline is None or not comparison.fair:
        return None
    return ratio_of_medians(metrics[comparison.cell].values[name], metrics[comparison.baseline].values.get(name, {}))


def _data_rows(
    group: Group, comparisons: Mapping[Cell, Comparison], metrics: Mapping[Cell, CellMetrics]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for cell in group.cells:
        row: dict[str, object] = {
            **place_columns(group, cell),
            "launches": len(cell.launches),
            "reason": None if cell.launches else why_not(cell),
            **baseline_columns(comparisons[cell]),
        }
        for name in metrics[cell].launches:
            row |= _data_columns(name, metrics, comparisons[cell])
        rows.append(row)
    rows += [
        {**place_columns(group, entry), "launches": 0, "reason": f"did not run: {entry.reason}"}
        for entry in group.absent
    ]
    return rows


def _data_columns(name: str, metrics: Mapping[Cell, CellMetrics], comparison: Comparison) -> dict[str, object]:
    ours = metrics[comparison.cell]
    values, metric = ours.values[name], ours.first(name)
    columns: dict[str, object] = {
        **estimate_columns(name, estimate(values.values())),
        f"{name}_launches": len(values),
        f"{name}_missing": None if values else ours.reasons(name),
    }
    if metric.kind in ("plain", "detail"):
        return columns
    ratio = _ratio(metrics, comparison, name)
    return columns | ratio_columns(name, ratio, _verdict(metric, ratio) if ratio else None)
