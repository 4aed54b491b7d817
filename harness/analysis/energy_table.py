"""Energy and mean power of each cell, or why there is none."""

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.analysis.cells import Cell, Group
from harness.analysis.fairness import Comparison
from harness.analysis.metrics import EnergyUse, energy_uses
from harness.analysis.number_format import MISSING
from harness.analysis.statistics import Estimate
from harness.analysis.table_parts import (
    INTERVALS,
    estimate,
    estimate_columns,
    estimate_text,
    group_columns,
    group_title,
    why_not,
)
from harness.analysis.tables import Section, Table

SHOWN = {"power, W": "mean_power_w", "J": "energy_j", "net J": "net_energy_j", "samples/J": "samples_per_j"}
"""Columns of the table and the values of an EnergyUse that they show; the file has all of VALUES."""

VALUES = (*SHOWN.values(), "peak_power_w", "sample_energy_j")
COLUMNS = ("activity", "cell", "n", "valid", *SHOWN, "per", "why not")
COLUMNS_WITHOUT_ENERGY = ("cell", "J", "why not")
NO_ACTIVITY = "all"
DEFINITIONS = (
    "Mean power and energy of the devices of the job from valid windows only, idle power included, J for each epoch, "
    "run or step; n counts launches with such a window. Net: "
    "less the mean power at rest before and after the work, device open, times the duration.",
    INTERVALS,
)


def energy_table(suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> Table:
    """Build the table; a cell without a sensor is a row with the reason."""
    sections, data = [], []
    for group in groups:
        rows = []
        for cell in group.cells:
            for activity, uses in _by_activity(cell).items():
                rows.append(_row(group, cell, activity, uses))
                data.append(_data_row(group, cell, activity, uses))
            for reason in _reasons_for_none(cell):
                rows.append(_row_without(group.label(cell), reason))
                data.append({**group_columns(group), "cell": group.label(cell), "cell_key": cell.key, "reason": reason})
        for entry in group.absent:
            label, reason = f"{entry.framework} {entry.execution}", f"did not run: {entry.reason}"
            rows.append(_row_without(label, reason))
            data.append({**group_columns(group), "cell": label, "reason": reason})
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        columns = list(COLUMNS if (frame["activity"] != NO_ACTIVITY).any() else COLUMNS_WITHOUT_ENERGY)
        sections.append(Section(group_title(group, comparisons), frame[columns]))
    return Table("energy", f"Energy, suite {suite}", tuple(sections), pd.DataFrame(data), DEFINITIONS)


def _by_activity(cell: Cell) -> dict[str, list[EnergyUse]]:
    found: dict[str, list[EnergyUse]] = {}
    for record in cell.launches:
        for use in energy_uses(record):
            found.setdefault(use.activity, []).append(use)
    return found


def _reasons_for_none(cell: Cell) -> tuple[str, ...]:
    if not cell.launches:
        return (why_not(cell),)
    without = [record for record in cell.launches if not energy_uses(record)]
    return tuple(dict.fromkeys(record.energy.reason or "no window was recorded" for record in without))


def _row(group: Group, cell: Cell, activity: str, uses: Sequence[EnergyUse]) -> tuple[str, ...]:
    estimates = {title: _estimate(uses, name) for title, name in SHOWN.items()}
    energy_j = estimates["J"]
    return (
        activity,
        group.label(cell),
        str(energy_j.launches if energy_j else 0),
        f"{sum(use.valid_windows for use in uses)} of {sum(use.windows for use in uses)}",
        *map(estimate_text, estimates.values()),
        uses[0].unit,
        "; ".join(_reasons(uses)) or MISSING,
    )


def _row_without(label: str, reason: str) -> tuple[str, ...]:
    return (NO_ACTIVITY, label, "0", "0 of 0", *(MISSING for _ in SHOWN), MISSING, reason)


def _data_row(group: Group, cell: Cell, activity: str, uses: Sequence[EnergyUse]) -> dict[str, object]:
    estimates = {name: _estimate(uses, name) for name in VALUES}
    energy_j = estimates["energy_j"]
    return {
        **group_columns(group),
        "cell": group.label(cell),
        "cell_key": cell.key,
        "activity": activity,
        "per": uses[0].unit,
        "launches": energy_j.launches if energy_j else 0,
        "windows": sum(use.windows for use in uses),
        "valid_windows": sum(use.valid_windows for use in uses),
        **{column: value for name in estimates for column, value in estimate_columns(name, estimates[name]).items()},
        "reason": "; ".join(_reasons(uses)) or None,
    }


def _estimate(uses: Sequence[EnergyUse], name: str) -> Estimate | None:
    values = (getattr(use, name) for use in uses)
    return estimate(value for value in values if value is not None)


def _reasons(uses: Sequence[EnergyUse]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason for use in uses for reason in use.reasons))
