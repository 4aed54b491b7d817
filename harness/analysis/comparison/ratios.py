"""The numbers of a comparison: ratios to the baseline with verdicts, deviations of scores with equivalence."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from harness.analysis.cells import Cell
from harness.analysis.comparison.differences import region_differences
from harness.analysis.comparison.pair import Comparison
from harness.analysis.quantities.energy import energy_of
from harness.analysis.quantities.metrics import Kind
from harness.analysis.quantities.quantity import Measured, Quantity
from harness.analysis.quantities.skill import MODEL, NOT_SCORED, scores_of
from harness.analysis.quantities.speed import speed_of
from harness.analysis.sample_size import further_launches
from harness.analysis.statistics import (
    Deviation,
    Verdict,
    difference,
    equivalence,
    paired,
    ratio_of_medians,
    relative_deviation,
)
from harness.analysis.summaries import ScoreKey

EQUIVALENCE_CONFIDENCE = 0.90
TIMES: Mapping[Kind, Mapping[Verdict, str]] = {
    "cost": {name: name for name in ("faster", "slower", "equivalent", "undecided")},
    "rate": {"faster": "slower", "slower": "faster", "equivalent": "equivalent", "undecided": "undecided"},
}
"""What the ratio of a kind of metric is called; of sizes nothing."""

AMOUNTS: Mapping[Verdict, str] = {
    "faster": "less",
    "slower": "more",
    "equivalent": "equivalent",
    "undecided": "undecided",
}
"""What the ratio of any energy or power is called."""

BLEW_UP, OTHER_BLEW_UP = "blew up", "baseline blew up"
OTHER_NOT_SCORED, OTHER_IS_ZERO, NO_PAIR = "baseline not scored", "baseline's RMSE is 0", "no launch number in both"
"""Why a score has no deviation from the baseline's, beside NOT_SCORED."""


def ratio(ours: Measured, theirs: Measured | None, words: Mapping[Verdict, str] | None = None) -> Quantity:
    """The ratio of two medians with the interval of the paired ratios, and its verdict in `words`.

    Without a pair, or with a value that is not above 0, it is none and has the reason.
    """
    sources = (ours.cell, theirs.cell) if theirs else (ours.cell,)
    values = theirs.values if theirs else {}
    found = ratio_of_medians(ours.values, values)
    if found is None:
        return Quantity(None, sources=sources, reason=_why_no_ratio(ours.values, values))
    said = words[found.verdict] if words else None
    return Quantity(found.ratio, found.low, found.high, "", _pairs(ours.values, values), sources, said)


def speed_ratio(comparison: Comparison, name: str) -> Quantity | None:
    """The ratio of a time, a rate or a size to the baseline's; None where nothing is compared."""
    if comparison.baseline is None or not comparison.fair:
        return None
    ours = speed_of(comparison.cell)[name]
    return ratio(ours, speed_of(comparison.baseline).get(name), TIMES.get(ours.kind))


def energy_ratio(comparison: Comparison, activity: str, name: str) -> Quantity | None:
    """The ratio of an energy or power to the baseline's; None where nothing is compared."""
    if comparison.baseline is None or not comparison.fair:
        return None
    ours, theirs = (energy_of(cell).measured(activity, name) for cell in (comparison.cell, comparison.baseline))
    return ratio(ours, theirs, AMOUNTS)


@lru_cache(maxsize=2**16)
def rmse_deviation(cell: Cell, baseline: Cell, key: ScoreKey, forecaster: str = MODEL) -> Quantity | None:
    """Mean of RMSE / RMSE of the baseline - 1 over pairs with its 90 % interval and the equivalence; None without.

    `forecaster` is what is scored of the baseline: its model, or persistence or climatology.
    """
    ours, theirs = scores_of(cell).rmse(MODEL, key), scores_of(baseline).rmse(forecaster, key)
    return _deviation(relative_deviation(ours.values, theirs.values), ours, theirs, "fraction")


def why_no_deviation(cell: Cell, baseline: Cell, key: ScoreKey, forecaster: str = MODEL) -> str | None:
    """Why `rmse_deviation` has none: what a baseline does is what `forecaster` did there; None where there is one."""
    if rmse_deviation(cell, baseline, key, forecaster) is not None:
        return None
    ours, theirs = scores_of(cell), scores_of(baseline)
    if ours.not_finite(MODEL, key):
        return BLEW_UP
    if theirs.not_finite(forecaster, key):
        return OTHER_BLEW_UP
    if not ours.rmse(MODEL, key).values:
        return NOT_SCORED
    if not (of_other := theirs.rmse(forecaster, key).values):
        return OTHER_NOT_SCORED
    return OTHER_IS_ZERO if ours.rmse(MODEL, key).values.keys() & of_other.keys() else NO_PAIR


@lru_cache(maxsize=2**16)
def acc_difference(cell: Cell, baseline: Cell, key: ScoreKey, forecaster: str = MODEL) -> Quantity | None:
    """Mean of ACC - ACC of the baseline over pairs with its 90 % interval; None without a pair.

    `forecaster` is what is scored of the baseline: its model or persistence.
    """
    ours, theirs = scores_of(cell).acc(MODEL, key), scores_of(baseline).acc(forecaster, key)
    found = _deviation(difference(ours.values, theirs.values), ours, theirs, "")
    return found._replace(verdict=None) if found else None


def rmse_ratio(cell: Cell, baseline: Cell, key: ScoreKey, forecaster: str = MODEL) -> Quantity | None:
    """Mean of RMSE / RMSE of the baseline over pairs with its 90 % interval and the equivalence; None without."""
    found = rmse_deviation(cell, baseline, key, forecaster)
    if found is None or found.value is None:
        return None
    low, high = (None if bound is None else 1 + bound for bound in (found.low, found.high))
    return found._replace(value=1 + found.value, low=low, high=high, unit="")


def quotient(ours: Quantity, theirs: Quantity) -> Quantity:
    """The quotient of two ratios, with the quotients of their opposite bounds: at least 90 % (Bonferroni)."""
    assert ours.value is not None
    assert theirs.value is not None
    low = None if ours.low is None or theirs.high is None else ours.low / theirs.high
    high = None if ours.high is None or theirs.low is None else ours.high / theirs.low
    launches = min(ours.launches, theirs.launches, key=len)
    sources = (*ours.sources, *theirs.sources)
    return Quantity(ours.value / theirs.value, low, high, "", launches, sources, confidence=EQUIVALENCE_CONFIDENCE)


def further_launches_of(deviation: Quantity) -> int | None:
    """How many launches more would decide whether a deviation is equivalent; None where it takes too many."""
    if deviation.value is None:
        return None
    return further_launches(Deviation(deviation.value, deviation.low, deviation.high, deviation.number))


def for_energy(comparison: Comparison) -> Comparison:
    """The comparison, refused where the sensors of cell and baseline hold different things."""
    if comparison.baseline is None or comparison.is_baseline:
        return comparison
    ours, theirs = energy_of(comparison.cell).scopes, energy_of(comparison.baseline).scopes
    if not ours or not theirs or ours == theirs:
        return comparison
    line = f"power sensors: {' and '.join(ours)} here, {' and '.join(theirs)} in the baseline"
    return replace(comparison, refusal=(*comparison.refusal, line), parity=None)


def for_skill(comparison: Comparison) -> Comparison:
    """The comparison, refused where one of the two has no scores, or scores that are defined in another way."""
    if comparison.baseline is None:
        return comparison
    cell, baseline = comparison.cell, comparison.baseline
    ours, theirs = (scores_of(each).definition_of for each in (cell, baseline))
    if not ours or not theirs:
        unscored = {"the cell": ours, "the baseline": theirs}
        why = tuple(f"{which} has no scores" for which, found in unscored.items() if not found)
    else:
        alike = all(ours[launch] == theirs[launch] for launch in ours.keys() & theirs.keys())
        same = alike and set(ours.values()) == set(theirs.values())
        why = (*(() if same else ("the skill is defined differently",)), *region_differences(cell, baseline))
    return replace(comparison, refusal=(*comparison.refusal, *why))


def _deviation(found: Deviation | None, ours: Measured, theirs: Measured, unit: str) -> Quantity | None:
    if found is None:
        return None
    launches, sources = _pairs(ours.values, theirs.values), (ours.cell, theirs.cell)
    confidence = EQUIVALENCE_CONFIDENCE
    return Quantity(found.mean, found.low, found.high, unit, launches, sources, equivalence(found), confidence)


def _pairs(values: Mapping[int, float], baseline: Mapping[int, float]) -> tuple[int, ...]:
    return tuple(values) if list(values) == list(baseline) else tuple(sorted(values.keys() & baseline.keys()))


def _why_no_ratio(values: Mapping[int, float], baseline: Mapping[int, float]) -> str | None:
    """Why there is no ratio where the cell itself has a value; None where there is nothing to say."""
    if not values:
        return None
    if not baseline:
        return "no ratio: the baseline has no such value"
    pairs = paired(values, baseline)
    if not pairs[0]:
        return "no ratio: no launch number has a value in both"
    for who, of_pairs in (("the baseline", pairs[1]), ("the cell", pairs[0])):
        if min(of_pairs) <= 0:
            return f"no ratio: {who} is {'not above 0 in every launch' if any(of_pairs) else '0'}"
    return None
