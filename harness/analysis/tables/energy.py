"""Energy and mean power of each cell and their ratio to the baseline, or why there is none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from harness.analysis.cells import Cell, Group
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import energy_ratio, for_energy
from harness.analysis.content import Content, Count, Heading, Number, Row, Words, columns_of, ratio_columns
from harness.analysis.number_format import MISSING
from harness.analysis.quantities.energy import UNITS, energy_of
from harness.analysis.tables.parts import (
    INTERVALS,
    PARITY,
    baseline_columns,
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
from harness.scenario.scenario import Absent

SHOWN: Mapping[str, Callable[[str], Content]] = {
    "mean_power_w": lambda per: Heading("mean power", "W"),
    "energy_j": lambda per: Heading(f"gross energy per {per}", "J"),
    "net_energy_j": lambda per: Heading(f"net energy per {per}", "J"),
    "step_energy_j": lambda per: Heading("gross energy per step", "J"),
    "samples_per_j": lambda per: "samples/J",
}
"""Values of an EnergyUse that the table shows and their titles; the file has all of UNITS."""

COLUMNS = ("activity", "quantity", "cell", "n", "valid", "median [95 %]", "ratio [95 %]", "verdict", "why not")
PLACES_WITHOUT_ENERGY = (2, 5, 8)
NO_ACTIVITY = "all"
DEFINITIONS = (
    "Mean power and energy of the devices of the job from valid windows only, idle power included (gross); n counts "
    "launches with such a value, `valid` windows. Net: less the mean power at rest before and after the work, device "
    "open, times the duration.",
    INTERVALS,
    "Ratio: median of the cell / median of the baseline over launches of the same number, with the interval of the "
    "paired ratios. Verdict: equivalent if the interval lies within 1/1.05 to 1.05, less or more if it lies outside, "
    "undecided if it crosses a bound. Refused where the sensors hold different things (a card, a whole node).",
    "Rows with a scope in brackets are of the host beside the devices, measured at the same time by sensors of its "
    "own: CPU packages, memory, or the node with all that runs on it. They are never added to those of the devices, "
    "and a ratio is of the same scope in both.",
    PARITY,
)


def energy_table(
    suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison], *, shown: int | None = None
) -> Table:
    """Build the table with sections of the first `shown` groups; a cell without a sensor is a row with the reason."""
    sections = []
    for group in groups[:shown]:
        fair = _fair(group, comparisons)
        of_host = {cell: comparisons[cell] for cell in group.cells}
        rows: list[Row] = [row for activity in _activities(group) for row in _rows(group, activity, fair)]
        rows += [row for activity in _host_activities(group) for row in _rows(group, activity, of_host)]
        measured = bool(rows)
        rows += [
            _row_without(label_of(group, cell), Words(reason, (cell,)))
            for cell in group.cells
            for reason in _reasons_for_none(cell)
        ]
        rows += [_row_without(group.label_of_absent(entry), _why_absent(entry)) for entry in group.absent]
        places = range(len(COLUMNS)) if measured else PLACES_WITHOUT_ENERGY
        notes = (*refusal_lines(group, fair), *parity_lines(group, fair)) if measured else ()
        sections.append(
            Section(
                group_title(group, comparisons),
                tuple(COLUMNS[place] for place in places),
                tuple(tuple(row[place] for place in places) for row in rows),
                (*setting_lines(group), *notes),
            )
        )
    return Table("energy", f"Energy, suite {suite}", tuple(sections), partial(_data, groups, comparisons), DEFINITIONS)


def _fair(group: Group, comparisons: Mapping[Cell, Comparison]) -> dict[Cell, Comparison]:
    return {cell: for_energy(comparisons[cell]) for cell in group.cells}


def _why_absent(entry: Absent) -> str:
    return f"did not run: {entry.reason}"


def _activities(group: Group) -> Iterable[str]:
    return dict.fromkeys(activity for cell in group.cells for activity in energy_of(cell).uses)


def _host_activities(group: Group) -> Iterable[str]:
    return dict.fromkeys(activity for cell in group.cells for activity in energy_of(cell).host_uses)


def _reasons_for_none(cell: Cell) -> tuple[str, ...]:
    return energy_of(cell).reasons_for_none if cell.launches else (why_not(cell),)


def _rows(group: Group, activity: str, comparisons: Mapping[Cell, Comparison]) -> Iterable[Row]:
    cells = [cell for cell in group.cells if activity in {**energy_of(cell).uses, **energy_of(cell).host_uses}]
    for name, heading in SHOWN.items():
        for cell in cells:
            energy, measured = energy_of(cell), energy_of(cell).measured(activity, name)
            per = energy.per(activity)
            if (name == "step_energy_j" and per == "step") or (not measured.values and name != "energy_j"):
                continue
            ratio = energy_ratio(comparisons[cell], activity, name)
            reasons = [*energy.reasons(activity), *([ratio.reason] if ratio and ratio.reason else ())]
            valid, windows = energy.windows(activity)
            yield (
                activity,
                heading(per),
                label_of(group, cell),
                Count(len(measured.values), (cell,)),
                Words(f"{valid} of {windows}", (cell,)),
                Number(measured.median) if measured.values else MISSING,
                *ratio_cells(comparisons[cell], ratio, has_value=bool(measured.values)),
                Words("; ".join(reasons) or MISSING, (cell,)),
            )


def _row_without(label: Content, reason: Content) -> Row:
    return (NO_ACTIVITY, NO_ACTIVITY, label, Count(0), "0 of 0", MISSING, MISSING, MISSING, reason)


def _data(groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> Data:
    rows: list[dict[str, object]] = []
    for group in groups:
        fair = _fair(group, comparisons)
        for uses, compared in (("uses", fair), ("host_uses", comparisons)):
            rows += [
                _data_row(group, cell, activity, compared[cell])
                for cell in group.cells
                for activity in getattr(energy_of(cell), uses)
            ]
        rows += [
            {**place_columns(group, cell), "reason": reason}
            for cell in group.cells
            for reason in _reasons_for_none(cell)
        ]
        rows += [{**place_columns(group, entry), "reason": _why_absent(entry)} for entry in group.absent]
    return Data.of(rows)


def _data_row(group: Group, cell: Cell, activity: str, comparison: Comparison) -> dict[str, object]:
    energy = energy_of(cell)
    valid, windows = energy.windows(activity)
    row: dict[str, object] = {
        **place_columns(group, cell),
        "activity": activity,
        "per": energy.per(activity),
        "launches": len(energy.measured(activity, "energy_j").values),
        "windows": windows,
        "valid_windows": valid,
        "scopes": " and ".join(energy.scopes_of(activity)) or None,
        "reason": "; ".join(energy.reasons(activity)) or None,
        **baseline_columns(comparison),
    }
    for name in UNITS:
        ratio = energy_ratio(comparison, activity, name)
        row |= columns_of(name, energy.measured(activity, name).median) | ratio_columns(name, ratio)
        row[f"{name}_ratio_missing"] = ratio.reason if ratio else None
    return row
