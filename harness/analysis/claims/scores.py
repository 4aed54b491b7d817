"""What two cells say of a claim on RMSE or ACC: a number for each variable and lead time, or why there is none."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import isclose

from harness.analysis.cells import Cell
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.ratios import acc_difference, rmse_ratio
from harness.analysis.content import not_finite_text
from harness.analysis.quantities.quantity import Quantity
from harness.analysis.quantities.skill import MODEL, scores_of
from harness.analysis.summaries import ScoreKey
from harness.errors import nearest
from harness.scenario.claims import Claim

SCORES: Mapping[str, tuple[Callable[[Cell, Cell, ScoreKey, str], Quantity | None], str]] = {
    "rmse": (rmse_ratio, ""),
    "acc": (acc_difference, "difference of ACC, "),
}
"""What compares the scores of a cell with those of a forecaster of its baseline, and what the numbers are called."""


def compared_scores(claim: Claim, comparison: Comparison) -> dict[str, Quantity]:
    """The numbers that there are of what the cell was scored for, by what they are of."""
    _, said = SCORES[claim.quantity]
    return {f"{said}{_where(key)}": found for key, found in _by_key(claim, comparison).items() if found}


def not_compared(claim: Claim, comparison: Comparison) -> list[str]:
    """Of what the claim speaks and nothing is said, and why."""
    found: dict[str, None] = dict.fromkeys(_not_scored(claim, comparison))
    others: dict[str, list[str]] = defaultdict(list)
    for key, number in _by_key(claim, comparison).items():
        blown_up = list(_blown_up(claim, comparison, key))
        found |= dict.fromkeys(blown_up)
        if not number and not blown_up:
            others[_why_none(claim, comparison, key)].append(_where(key))
    return [*found, *(f"{why}: {', '.join(keys)}" for why, keys in others.items())]


def _by_key(claim: Claim, comparison: Comparison) -> dict[ScoreKey, Quantity | None]:
    compared, _ = SCORES[claim.quantity]
    (cell, _), (baseline, forecaster) = _forecasts(claim, comparison)
    return {key: compared(cell, baseline, key, forecaster) for key in scores_of(cell).keys if _is_claimed(claim, key)}


def _is_claimed(claim: Claim, key: ScoreKey) -> bool:
    """Whether the claim speaks of a variable at a lead time: of every one where it names none."""
    return (not claim.variables or key.variable in claim.variables) and (
        not claim.lead_hours or any(isclose(key.lead_h, lead_h) for lead_h in claim.lead_hours)
    )


def _not_scored(claim: Claim, comparison: Comparison) -> Iterable[str]:
    """The variables and lead times that the claim names and the cell was not scored for."""
    keys = scores_of(comparison.cell).keys
    variables, leads_h = sorted({key.variable for key in keys}), sorted({key.lead_h for key in keys})
    for variable in claim.variables:
        if keys and variable not in variables:
            yield f"no scores of {variable!r}; {nearest(variable, variables)}"
    for lead_h in claim.lead_hours:
        if keys and not any(isclose(lead_h, each) for each in leads_h):
            yield f"no scores at {lead_h:g} h, only at {', '.join(f'{each:g}' for each in leads_h)} h"


def _forecasts(claim: Claim, comparison: Comparison) -> tuple[tuple[Cell, str], tuple[Cell, str]]:
    """The two that are compared: the cell's model, and that of the baseline or a reference of the cell's launches."""
    assert comparison.baseline
    return (comparison.cell, MODEL), (comparison.baseline, claim.reference or MODEL)


def _blown_up(claim: Claim, comparison: Comparison, key: ScoreKey) -> Iterable[str]:
    for cell, forecaster in _forecasts(claim, comparison):
        if wrong := scores_of(cell).not_finite(forecaster, key):
            yield f"RMSE of {_where(key)} of {_name(cell, forecaster)} is {not_finite_text(wrong)}"


def _why_none(claim: Claim, comparison: Comparison, key: ScoreKey) -> str:
    title = claim.quantity.upper()
    forecasts = _forecasts(claim, comparison)
    ours, theirs = (getattr(scores_of(cell), claim.quantity)(name, key).values for cell, name in forecasts)
    lacking = [_name(*each) for each, values in zip(forecasts, (ours, theirs), strict=True) if not values]
    if lacking:
        return f"no {title} of {' and '.join(lacking)}"
    if not ours.keys() & theirs.keys():
        return f"no launch number has an {title} in both"
    return f"no ratio, an {title} of {_name(*forecasts[1])} is 0"


def _name(cell: Cell, forecaster: str) -> str:
    return f"{cell.scenario.chip}/{cell.label}" if forecaster == MODEL else forecaster


def _where(key: ScoreKey) -> str:
    return f"{key.variable} at {key.lead_h:g} h"
