"""Whether the records bear a claim: confirmed, refuted, undecided, or not measured and why."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from harness.analysis.cells import Cell, Results
from harness.analysis.energy_table import CellEnergy, energy_comparison
from harness.analysis.fairness import BaselineName, Comparison
from harness.analysis.skill_table import CellScores, skill_refusal
from harness.analysis.statistics import ratio_of_medians, relative_deviation
from harness.errors import UserError
from harness.scenario import catalogue
from harness.scenario.claims import OF_A_STAGE, Claim, Expectation, Ledger

Outcome = Literal["confirmed", "refuted", "undecided", "not measured"]

ACTIVITIES = {"training": "training, whole", "inference": "inference"}


class Bounded(NamedTuple):
    """A ratio to the baseline and its interval from `pairs` launches, of `of` or else of the claim's quantity."""

    ratio: float
    low: float | None
    high: float | None
    pairs: int
    of: str = ""


@dataclass(frozen=True)
class Evidence:
    """What two cells say of a claim, and the records that it rests on."""

    cell: str
    baseline: str
    model: str
    preset: str
    data: str
    bounded: Bounded
    outcome: Outcome
    records: tuple[Path, ...]


@dataclass(frozen=True)
class Missing:
    """Why two cells say nothing of a claim, and the command that would change that; None where none would."""

    what: str
    command: str | None


@dataclass(frozen=True)
class Finding:
    """A claim and all that the records say of it."""

    claim: Claim
    evidence: tuple[Evidence, ...]
    missing: tuple[Missing, ...]

    @property
    def outcome(self) -> Outcome:
        """Refuted by one piece of evidence that contradicts; confirmed only if nothing is missing or undecided.

        What no bench can measure, such as a framework that the chip has no back end for, is not missing.
        """
        outcomes = {evidence.outcome for evidence in self.evidence}
        if "refuted" in outcomes:
            return "refuted"
        if not outcomes:
            return "not measured"
        open_ones = any(missing.command for missing in self.missing)
        return "confirmed" if outcomes == {"confirmed"} and not open_ones else "undecided"


def judge(ledger: Ledger, found: Results) -> tuple[Finding, ...]:
    """Test every claim of a ledger on the records of a results folder, all its suites together."""
    return tuple(_finding(ledger, claim, found.cells) for claim in ledger.claims)


def outcome_of(bounded: Bounded, expect: Expectation) -> Outcome:
    """`confirmed` if the interval lies within the expectation, `refuted` if it lies outside, else `undecided`."""
    if bounded.low is None or bounded.high is None:
        return "undecided"
    least = expect.at_least if expect.at_least is not None else 0.0
    most = expect.at_most if expect.at_most is not None else float("inf")
    if bounded.high < least or bounded.low > most:
        return "refuted"
    return "confirmed" if least <= bounded.low and bounded.high <= most else "undecided"


def _finding(ledger: Ledger, claim: Claim, cells: Sequence[Cell]) -> Finding:
    evidence: list[Evidence] = []
    missing: list[Missing] = []
    for model in claim.models:
        of_model = [cell for cell in cells if _is_of(cell, model, claim.preset)]
        for name in claim.cells:
            for entry in _of_pair(ledger, claim, model, name, of_model):
                if isinstance(entry, Evidence):
                    evidence.append(entry)
                else:
                    missing.append(entry)
    evidence += list(_above_others(claim, evidence))
    return Finding(claim, tuple(evidence), tuple(dict.fromkeys(missing)))


def _above_others(claim: Claim, evidence: Sequence[Evidence]) -> Iterable[Evidence]:
    """The ratio of the model that should have the largest one over that of each other, same cells and preset.

    Its bounds are the quotients of the opposite bounds of the two, which cover it with 90 % at least (Bonferroni).
    """
    of_largest = [entry for entry in evidence if entry.model == claim.largest_for]
    for largest, other in itertools.product(of_largest, evidence):
        if other.model != largest.model and _same_pair(largest, other):
            bounded = _quotient(largest.bounded, other.bounded, f"{claim.quantity}, ratio over that of {other.model}")
            yield replace(
                largest,
                bounded=bounded,
                outcome=outcome_of(bounded, Expectation(at_least=1.0)),
                records=(*largest.records, *other.records),
            )


def _same_pair(ours: Evidence, theirs: Evidence) -> bool:
    return (ours.cell, ours.baseline, ours.preset) == (theirs.cell, theirs.baseline, theirs.preset)


def _quotient(ours: Bounded, theirs: Bounded, of: str) -> Bounded:
    low = None if ours.low is None or theirs.high is None else ours.low / theirs.high
    high = None if ours.high is None or theirs.low is None else ours.high / theirs.low
    return Bounded(ours.ratio / theirs.ratio, low, high, min(ours.pairs, theirs.pairs), of)


def _of_pair(
    ledger: Ledger, claim: Claim, model: str, name: str, cells: Sequence[Cell]
) -> Iterable[Evidence | Missing]:
    absent = [wanted for wanted in (name, claim.baseline) if not _named(wanted, cells)]
    for wanted in absent:
        yield _no_record(ledger, claim, model, wanted)
    if absent:
        return
    baseline = _parse(claim.baseline)
    for cell in _named(name, cells):
        comparison = baseline.compare(cell, _named(claim.baseline, cells))
        command = _command(ledger, claim, model, name)
        if comparison.baseline is None:
            yield Missing(f"{name}, {_title(cell)}: no {claim.baseline} on the same data", command)
            continue
        if refusal := _refusal(claim, comparison):
            yield Missing(f"{name} and {claim.baseline}, {_title(cell)}: not comparable: {'; '.join(refusal)}", command)
            continue
        ratios = _ratios(claim, comparison)
        if not ratios:
            yield Missing(f"{name}, {_title(cell)}: {_why_no_value(claim, comparison)}", command)
        for bounded in ratios:
            yield _evidence(claim, comparison, bounded)


def _evidence(claim: Claim, comparison: Comparison, bounded: Bounded) -> Evidence:
    cell, baseline = comparison.cell, comparison.baseline
    assert baseline
    pairs = sorted(cell.by_launch.keys() & baseline.by_launch.keys())
    records = (of.by_launch[launch] for of in (cell, baseline) for launch in pairs)
    return Evidence(
        cell=f"{cell.scenario.chip}/{cell.label.replace(' ', '-')}",
        baseline=f"{baseline.scenario.chip}/{baseline.label.replace(' ', '-')}",
        model=cell.scenario.model,
        preset=cell.scenario.preset,
        data=cell.scenario.data_name,
        bounded=bounded,
        outcome=outcome_of(bounded, claim.expect),
        records=tuple(record.path for record in records),
    )


def _ratios(claim: Claim, comparison: Comparison) -> tuple[Bounded, ...]:
    cell, baseline = comparison.cell, comparison.baseline
    assert baseline
    if claim.quantity == "rmse":
        return tuple(_rmse_ratios(CellScores(cell), CellScores(baseline)))
    if claim.activity:
        ratio = CellEnergy(cell).ratio(CellEnergy(baseline), ACTIVITIES[claim.activity], claim.quantity)
    else:
        ratio = ratio_of_medians(_values(claim, cell), _values(claim, baseline))
    return (Bounded(ratio.ratio, ratio.low, ratio.high, ratio.pairs),) if ratio else ()


def _rmse_ratios(ours: CellScores, theirs: CellScores) -> Iterable[Bounded]:
    for key in ours.keys:
        deviation = relative_deviation(ours.rmse("model", key), theirs.rmse("model", key))
        if deviation:
            low, high = (None if bound is None else 1 + bound for bound in (deviation.low, deviation.high))
            yield Bounded(1 + deviation.mean, low, high, deviation.pairs, f"{key.variable} at {key.lead_h:g} h")


def _values(claim: Claim, cell: Cell) -> Mapping[int, float]:
    name = _metric_name(claim)
    found = {
        launch: metric.value
        for launch, summary in cell.summaries.items()
        for metric in summary.metrics
        if metric.name == name
    }
    return {launch: value for launch, value in found.items() if value is not None}


def _metric_name(claim: Claim) -> str:
    return OF_A_STAGE[claim.quantity].format(stage=f"_{claim.stage}") if claim.stage else claim.quantity


def _refusal(claim: Claim, comparison: Comparison) -> tuple[str, ...]:
    if claim.quantity == "rmse":
        return skill_refusal(comparison)
    if claim.activity and comparison.baseline:
        cells = (comparison.cell, comparison.baseline)
        return energy_comparison(comparison, {cell: CellEnergy(cell) for cell in cells}).refusal
    return comparison.refusal


def _why_no_value(claim: Claim, comparison: Comparison) -> str:
    assert comparison.baseline
    reasons: dict[str, None] = {}
    for cell in (comparison.cell, comparison.baseline):
        where = f"{cell.scenario.chip}/{cell.label}"
        for summary in cell.summaries.values():
            if claim.activity:
                uses = [use for use in summary.energy_uses if use.activity == ACTIVITIES[claim.activity]]
                texts = [reason for use in uses for reason in use.reasons] or [summary.no_energy or ""]
            else:
                texts = [metric.reason or "" for metric in summary.metrics if metric.name == _metric_name(claim)]
            reasons |= {f"{where}: {text}": None for text in texts if text}
    return f"no {claim.quantity} in both ({'; '.join(reasons) or 'not recorded'})"


def _no_record(ledger: Ledger, claim: Claim, model: str, name: str) -> Missing:
    chip, framework = _parse(name).chip or "", _parse(name).framework
    try:
        entry = catalogue.chip(chip).frameworks.get(framework)  # type: ignore[call-overload]
    except UserError:
        entry = None
    what = f"{name}, {model}{f' {claim.preset}' if claim.preset else ''}"
    if entry is not None and entry.unavailable is not None:
        return Missing(f"{what}: cannot be measured: {entry.unavailable}", None)
    return Missing(f"{what}: no completed launch", _command(ledger, claim, model, name))


def _command(ledger: Ledger, claim: Claim, model: str, name: str) -> str:
    parsed = _parse(name)
    preset = f" --preset {claim.preset}" if claim.preset else ""
    return (
        f"crosscast bench --chip {parsed.chip} --suite {ledger.suite} --model {model}{preset} "
        f"--framework {parsed.framework}"
    )


def _named(name: str, cells: Sequence[Cell]) -> list[Cell]:
    """Cells with completed launches that bear a name; without an execution eager ones go before compiled ones."""
    parsed = _parse(name)
    found = [
        cell
        for cell in cells
        if cell.launches
        and (cell.scenario.chip, cell.scenario.framework) == (parsed.chip, parsed.framework)
        and parsed.execution in (None, cell.scenario.execution)
    ]
    eager = [cell for cell in found if cell.scenario.execution == "eager"]
    return eager if eager and parsed.execution is None else found


def _parse(name: str) -> BaselineName:
    chip, _, rest = name.partition("/")
    framework, _, execution = rest.partition("-")
    return BaselineName(framework, execution or None, chip)


def _is_of(cell: Cell, model: str, preset: str | None) -> bool:
    return cell.scenario.model == model and preset in (None, cell.scenario.preset)


def _title(cell: Cell) -> str:
    return f"{cell.scenario.model} {cell.scenario.preset} on {cell.scenario.data_name}"
