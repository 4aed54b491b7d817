"""Time and memory of each cell, and their ratio to the baseline."""

from collections.abc import Mapping, Sequence
from functools import partial

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import speed_ratio
from harness.analysis.content import Content, Count, Heading, Number, Row, columns_of, ratio_columns
from harness.analysis.number_format import MISSING, readable_unit, typical_size
from harness.analysis.quantities.speed import speed_of
from harness.analysis.tables.parts import (
    INTERVALS,
    PARITY,
    baseline_columns,
    failure_lines,
    group_title,
    label_of,
    parity_lines,
    place_columns,
    ratio_cells,
    refusal_lines,
    setting_lines,
    why_not,
)
from harness.analysis.tables.table import Data, Section, Table

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
    "once its data are ready; of the device what the framework allocated for tensors, what its allocator reserved, and "
    "what the driver counted as taken, by whomever, at the readings of power. A tool that tells whole per cent is as "
    "exact as that.",
    PARITY,
)


WITHOUT_RATIO = ("plain", "detail")


def speed_table(
    suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison], *, shown: int | None = None
) -> Table:
    """Build the table with sections of the first `shown` groups; `comparisons` holds one entry for each cell."""
    sections = tuple(_section(group, comparisons) for group in groups[:shown])
    return Table(
        "speed", f"Speed and memory, suite {suite}", sections, partial(_data, groups, comparisons), DEFINITIONS
    )


def _section(group: Group, comparisons: Mapping[Cell, Comparison]) -> Section:
    ran = [cell for cell in group.cells if cell.launches]
    names = dict.fromkeys(
        name for cell in ran for name, measured in speed_of(cell).items() if measured.kind != "detail"
    )
    rows: list[Row] = [row for name in names for row in _quantity_rows(group, ran, name, comparisons)]
    rows += [
        ("all", label_of(group, cell), Count(0), why_not(cell), MISSING, MISSING)
        for cell in group.cells
        if not cell.launches
    ]
    rows += [
        ("all", group.label_of_absent(entry), Count(0), f"did not run: {entry.reason}", MISSING, MISSING)
        for entry in group.absent
    ]
    notes = (
        *setting_lines(group),
        *refusal_lines(group, comparisons),
        *parity_lines(group, comparisons),
        *failure_lines(group),
    )
    return Section(group_title(group, comparisons), COLUMNS, tuple(rows), notes)


def _quantity_rows(group: Group, cells: Sequence[Cell], name: str, comparisons: Mapping[Cell, Comparison]) -> list[Row]:
    present = [speed_of(cell)[name] for cell in cells if name in speed_of(cell)]
    medians = [value for measured in present if (value := measured.median.value) is not None]
    divisor, unit = readable_unit(present[0].unit, typical_size(medians))
    heading = Heading(present[0].title, unit)
    return [
        (
            heading,
            label_of(group, measured.cell),
            Count(len(measured.values), (measured.cell,)),
            Number(measured.median, divisor),
            *_ratio_cells(comparisons[measured.cell], name),
        )
        for measured in present
    ]


def _ratio_cells(comparison: Comparison, name: str) -> tuple[Content, Content]:
    measured = speed_of(comparison.cell)[name]
    if measured.kind in WITHOUT_RATIO:
        return MISSING, MISSING
    return ratio_cells(comparison, speed_ratio(comparison, name), has_value=bool(measured.values))


def _data(groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> Data:
    return Data.of([row for group in groups for row in _data_rows(group, comparisons)])


def _data_rows(group: Group, comparisons: Mapping[Cell, Comparison]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for cell in group.cells:
        row: dict[str, object] = {
            **place_columns(group, cell),
            "launches": len(cell.launches),
            "reason": None if cell.launches else why_not(cell),
            **baseline_columns(comparisons[cell]),
        }
        for name in speed_of(cell):
            row |= _data_columns(name, comparisons[cell])
        rows.append(row)
    rows += [
        {**place_columns(group, entry), "launches": 0, "reason": f"did not run: {entry.reason}"}
        for entry in group.absent
    ]
    return rows


def _data_columns(name: str, comparison: Comparison) -> dict[str, object]:
    measured = speed_of(comparison.cell)[name]
    columns: dict[str, object] = {
        **columns_of(name, measured.median),
        f"{name}_launches": len(measured.values),
        f"{name}_missing": None if measured.values else measured.reason,
    }
    return columns if measured.kind in WITHOUT_RATIO else columns | ratio_columns(name, speed_ratio(comparison, name))
