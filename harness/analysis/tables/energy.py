"""Energy and mean power of each cell and their ratio to the baseline, or why there is none."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from harness.analysis.cells import Cell, Group
from harness.analysis.fairness import Comparison
from harness.analysis.metrics import EnergyUse
from harness.analysis.number_format import MISSING
from harness.analysis.statistics import Ratio, Verdict, paired, ratio_of_medians
from harness.analysis.tables.parts import (
    INTERVALS,
    PARITY,
    baseline_columns,
    estimate,
    estimate_columns,
    estimate_text,
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

SHOWN = {
    "mean_power_w": "mean power, W",
    "energy_j": "gross energy per {unit}, J",
    "net_energy_j": "net energy per {unit}, J",
    "step_energy_j": "gross energy per step, J",
    "samples_per_j": "samples/J",
}
"""Values of an EnergyUse that the table shows and their titles; the file has all of VALUES."""

VALUES = (*SHOWN, "peak_power_w", "sample_energy_j")
COLUMNS = ("activity", "quantity", "cell", "n", "valid", "median [95 %]", "ratio [95 %]", "verdict", "why not")
COLUMNS_WITHOUT_ENERGY = ("cell", "median [95 %]", "why not")
NO_ACTIVITY = "all"
VERDICTS: Mapping[Verdict, str] = {
    "faster": "less",
    "slower": "more",
    "equivalent": "equivalent",
    "undecided": "undecided",
}
DEFINITIONS = (
    "Mean power and energy of the devices of the job from valid windows only, idle power included (gross); n counts "
    "launches with such a value, `valid` windows. Net: less the mean power at rest before and after the work, device "
    "open, times the duration.",
    INTERVALS,
    "Ratio: median of the cell / median of the baseline over launches of the same number, with the interval of the "
    "paired ratios. Verdict: equivalent if the interval lies within 1/1.05 to 1.05, less or more if it lies outside, "
    "undecided if it crosses a bound. Refused where the sensors hold different things (a card, a whole node).",
    PARITY,
)


def energy_table(suite: str, groups: Sequence[Group], comparisons: Mapping[Cell, Comparison]) -> Table:
    """Build the table; a cell without a sensor is a row with the reason."""
    found = {cell: CellEnergy(cell) for cell in comparisons}
    sections, data = [], []
    for group in groups:
        fair = {cell: energy_comparison(comparisons[cell], found) for cell in group.cells}
        rows = [row for activity in _activities(group, found) for row in _rows(group, activity, fair, found)]
        data += [
            _data_row(group, cell, activity, fair[cell], found) for cell in group.cells for activity in found[cell].uses
        ]
        reasons = [(cell, reason) for cell in group.cells for reason in _reasons_for_none(cell)]
        rows += [_row_without(group.label(cell), reason) for cell, reason in reasons]
        data += [{**place_columns(group, cell), "reason": reason} for cell, reason in reasons]
        for entry in group.absent:
            reason = f"did not run: {entry.reason}"
            rows.append(_row_without(group.label_of_absent(entry), reason))
            data.append({**place_columns(group, entry), "reason": reason})
        frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
        measured = bool((frame["activity"] != NO_ACTIVITY).any())
        columns = list(COLUMNS if measured else COLUMNS_WITHOUT_ENERGY)
        notes = (*refusal_lines(group, fair), *parity_lines(group, fair)) if measured else ()
        sections.append(Section(group_title(group, comparisons), frame[columns], (*setting_lines(group), *notes)))
    return Table("energy", f"Energy, suite {suite}", tuple(sections), pd.DataFrame(data), DEFINITIONS)


class CellEnergy:
    """The energies of a cell's launches by activity."""

    def __init__(self, cell: Cell) -> None:
        self.uses: dict[str, dict[int, EnergyUse]] = {}
        for launch, summary in cell.summaries.items():
            for use in summary.energy_uses:
                self.uses.setdefault(use.activity, {})[launch] = use
        self._values = {
            (activity, name): {
                launch: value for launch, use in uses.items() if (value := getattr(use, name)) is not None
            }
            for activity, uses in self.uses.items()
            for name in VALUES
        }

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the sensors hold, of all launches; empty where that is not recorded."""
        return tuple(sorted({scope for uses in self.uses.values() for use in uses.values() for scope in use.scopes}))

    def values(self, activity: str, name: str) -> Mapping[int, float]:
        """One of VALUES of an activity by launch number, of the launches that have it."""
        return self._values.get((activity, name), {})

    def ratio(self, baseline: "CellEnergy", activity: str, name: str) -> Ratio | None:
        """Ratio of a value to the baseline's; None where there is no pair or a value is not above 0."""
        return ratio_of_medians(self.values(activity, name), baseline.values(activity, name))

    def why_no_ratio(self, baseline: "CellEnergy", activity: str, name: str) -> str | None:
        """Why `ratio` is None where the cell itself has a value; None where there is nothing to say."""
        values, theirs = self.values(activity, name), baseline.values(activity, name)
        if not values:
            return None
        if not theirs:
            return "no ratio: the baseline has no such value"
        pairs = paired(values, theirs)
        if not pairs[0]:
            return "no ratio: no launch number has a value in both"
        for who, paired_values in (("the baseline", pairs[1]), ("the cell", pairs[0])):
            if min(paired_values) <= 0:
                return f"no ratio: {who} is {'not above 0 in every launch' if any(paired_values) else '0'}"
        return None


def energy_comparison(comparison: Comparison, found: Mapping[Cell, CellEnergy]) -> Comparison:
    """The comparison, refused where the sensors of cell and baseline hold different things."""
    if comparison.baseline is None or comparison.is_baseline:
        return comparison
    ours, theirs = found[comparison.cell].scopes, found[comparison.baseline].scopes
    if not ours or not theirs or ours == theirs:
        return comparison
    line = f"power sensors: {' and '.join(ours)} here, {' and '.join(theirs)} in the baseline"
    return Comparison(comparison.cell, comparison.baseline, (*comparison.refusal, line))


def _activities(group: Group, found: Mapping[Cell, CellEnergy]) -> Iterable[str]:
    return dict.fromkeys(activity for cell in group.cells for activity in found[cell].uses)


def _reasons_for_none(cell: Cell) -> tuple[str, ...]:
    if not cell.launches:
        return (why_not(cell),)
    return tuple(dict.fromkeys(found.no_energy for found in cell.summaries.values() if found.no_energy))


def _rows(
    group: Group, activity: str, comparisons: Mapping[Cell, Comparison], found: Mapping[Cell, CellEnergy]
) -> Iterable[tuple[str, ...]]:
    cells = [cell for cell in group.cells if activity in found[cell].uses]
    for name, title in SHOWN.items():
        for cell in cells:
            uses = list(found[cell].uses[activity].values())
            unit = uses[0].unit
            values = found[cell].values(activity, name)
            if (name == "step_energy_j" and unit == "step") or (not values and name != "energy_j"):
                continue
            ratio = _ratio(comparisons[cell], found, activity, name)
            why = None if ratio else _why_no_ratio(comparisons[cell], found, activity, name)
            yield (
                activity,
                title.format(unit=unit),
                group.label(cell),
                str(len(values)),
                f"{sum(use.valid_windows for use in uses)} of {sum(use.windows for use in uses)}",
                estimate_text(estimate(values.values())),
                *ratio_cells(comparisons[cell], ratio, _verdict(ratio), has_value=bool(values)),
                "; ".join((*_reasons(uses), *([why] if why else ()))) or MISSING,
            )


def _row_without(label: str, reason: str) -> tuple[str, ...]:
    return (NO_ACTIVITY, NO_ACTIVITY, label, "0", "0 of 0", MISSING, MISSING, MISSING, reason)


def _data_row(
    group: Group, cell: Cell, activity: str, comparison: Comparison, found: Mapping[Cell, CellEnergy]
) -> dict[str, object]:
    uses = list(found[cell].uses[activity].values())
    row: dict[str, object] = {
        **place_columns(group, cell),
        "activity": activity,
        "per": uses[0].unit,
        "launches": len(found[cell].values(activity, "energy_j")),
        "windows": sum(use.windows for use in uses),
        "valid_windows": sum(use.valid_windows for use in uses),
        "scopes": " and ".join(found[cell].scopes) or None,
        "reason": "; ".join(_reasons(uses)) or None,
        **baseline_columns(comparison),
    }
    for name in VALUES:
        row |= estimate_columns(name, estimate(found[cell].values(activity, name).values()))
        ratio = _ratio(comparison, found, activity, name)
        row |= ratio_columns(name, ratio, _verdict(ratio))
        row[f"{name}_ratio_missing"] = None if ratio else _why_no_ratio(comparison, found, activity, name)
    return row


def _ratio(comparison: Comparison, found: Mapping[Cell, CellEnergy], activity: str, name: str) -> Ratio | None:
    if comparison.baseline is None or not comparison.fair:
        return None
    return found[comparison.cell].ratio(found[comparison.baseline], activity, name)


def _why_no_ratio(comparison: Comparison, found: Mapping[Cell, CellEnergy], activity: str, name: str) -> str | None:
    if comparison.baseline is None or not comparison.fair:
        return None
    return found[comparison.cell].why_no_ratio(found[comparison.baseline], activity, name)


def _verdict(ratio: Ratio | None) -> str | None:
    return VERDICTS[ratio.verdict] if ratio else None


def _reasons(uses: Sequence[EnergyUse]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason for use in uses for reason in use.reasons))
