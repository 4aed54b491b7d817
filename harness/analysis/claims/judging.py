"""Whether the records bear a claim: confirmed, refuted, undecided, or not measured and why."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.analysis.cells import Cell, Results
from harness.analysis.claims.names import Wanted, parse, recorded
from harness.analysis.claims.scores import SCORES, compared_scores, not_compared
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.pair import Comparison, ParityNote
from harness.analysis.comparison.parity import with_parity
from harness.analysis.comparison.ratios import for_energy, for_skill, quotient, ratio
from harness.analysis.comparison.scaling import devices_of, efficiency, scaled, scales, speed_up
from harness.analysis.quantities.energy import INFERENCE, WHOLE_TRAINING, energy_of
from harness.analysis.quantities.quantity import Measured, Quantity
from harness.analysis.quantities.speed import speed_of
from harness.errors import nearest
from harness.porting.parity.certificate import Certificate
from harness.scenario.claims import OF_A_STAGE, Claim, Expectation, Ledger
from harness.scenario.scenario import Scenario

Outcome = Literal["confirmed", "refuted", "undecided", "not measured"]

SCALES: Mapping[str, Callable[[Comparison, str], Quantity]] = {"speed_up": speed_up, "scaling_efficiency": efficiency}
"""What is compared as scaling, with what gives it of a training rate."""

ACTIVITIES = {"training": WHOLE_TRAINING, "inference": INFERENCE}


@dataclass(frozen=True)
class Evidence:
    """What two cells say of a claim; of a ratio between models, what two such comparisons say, the largest's first.

    `of` says what the ratio is of, where it is not the claim's quantity alone, `records` are those that it is made of.
    With a `reference`, such as persistence, the baseline is that forecast of the cell's own launches.
    """

    comparisons: tuple[Comparison, ...]
    ratio: Quantity
    outcome: Outcome
    records: tuple[Path, ...]
    of: str = ""
    reference: str | None = None

    @property
    def pair(self) -> tuple[Cell, Cell]:
        """The cell and its baseline."""
        return _pair(self.comparisons[0])

    @property
    def names(self) -> tuple[str, str]:
        """Chip, framework and execution of the cell and of its baseline."""
        cell, baseline = (each.name for each in self.pair)
        return cell, self.reference or baseline

    @property
    def hosts(self) -> tuple[str, str]:
        """The hosts of the cell and of its baseline."""
        cell, baseline = self.pair
        return cell.host, baseline.host

    @property
    def suites(self) -> tuple[str, str]:
        """The suites of the cell and of its baseline."""
        cell, baseline = self.pair
        return cell.scenario.suite, baseline.scenario.suite

    @property
    def scenario(self) -> Scenario:
        """Model, preset and data."""
        return self.pair[0].scenario

    @property
    def parity(self) -> ParityNote | None:
        """What certificates say of the networks; of several notes the first that does not certify."""
        notes = [comparison.parity for comparison in self.comparisons if comparison.parity]
        return next((note for note in notes if not note.certified), notes[0] if notes else None)

    @property
    def certified(self) -> bool:
        """Whether no certificate is lacking; a cell compared with itself needs none."""
        return self.parity is None or self.parity.certified


@dataclass(frozen=True)
class Missing:
    """Why two cells say nothing of a claim, and the command that would change that; None where none would.

    It leaves the claim open but where it is not `possible` at all, such as a framework without a back end for the chip.
    """

    what: str
    command: str | None
    possible: bool = True


@dataclass(frozen=True)
class JudgedClaim:
    """A claim and all that the records say of it."""

    claim: Claim
    evidence: tuple[Evidence, ...]
    missing: tuple[Missing, ...]

    @property
    def outcome(self) -> Outcome:
        """Refuted by one piece of evidence that contradicts; confirmed only if nothing is missing or undecided."""
        outcomes = {evidence.outcome for evidence in self.evidence}
        if "refuted" in outcomes:
            return "refuted"
        if not outcomes:
            return "not measured"
        open_ones = any(missing.possible for missing in self.missing)
        return "confirmed" if outcomes == {"confirmed"} and not open_ones else "undecided"

    @property
    def certified(self) -> bool:
        """Whether no evidence lacks the certificates that its networks are the same."""
        return all(evidence.certified for evidence in self.evidence)


def judge(ledger: Ledger, found: Results) -> tuple[JudgedClaim, ...]:
    """Test every claim of a ledger on the records of a results folder, all its suites together."""
    return tuple(_finding(ledger, claim, found) for claim in ledger.claims)


def outcome_of(ratio: Quantity, expect: Expectation) -> Outcome:
    """`confirmed` if the interval lies within the expectation, `refuted` if it lies outside, else `undecided`."""
    if ratio.low is None or ratio.high is None:
        return "undecided"
    least = expect.at_least if expect.at_least is not None else float("-inf")
    most = expect.at_most if expect.at_most is not None else float("inf")
    if ratio.high < least or ratio.low > most:
        return "refuted"
    return "confirmed" if least <= ratio.low and ratio.high <= most else "undecided"


def _finding(ledger: Ledger, claim: Claim, found: Results) -> JudgedClaim:
    entries: list[Evidence | Missing] = []
    for model in claim.models:
        of_model = [cell for cell in found.cells if _is_of(cell, recorded(model), claim.preset)]
        for name in claim.cells:
            wanted = Wanted(ledger.suite, model, name, claim.preset, *_archive(of_model), found.folder)
            entries += _of_pair(claim, wanted, of_model, found.certificates)
    if claim.largest_for:
        entries += list(_above_others(claim, [entry for entry in entries if isinstance(entry, Evidence)]))
    evidence = tuple(entry for entry in entries if isinstance(entry, Evidence))
    missing = dict.fromkeys(entry for entry in entries if isinstance(entry, Missing))
    return JudgedClaim(claim, evidence, tuple(missing))


def _archive(cells: Sequence[Cell]) -> tuple[str | None, str | None]:
    """Mapping and archive of a model's cells, where all have the same; neither where they run on generated data."""
    found = {(cell.scenario.files.get("data", cell.scenario.data_name), cell.scenario.data_root) for cell in cells}
    mapping, root = found.pop() if len(found) == 1 else (None, None)
    return (None, None) if root is None else (mapping, root)


def _above_others(claim: Claim, evidence: Sequence[Evidence]) -> Iterable[Evidence | Missing]:
    """The ratio of the model that should have the largest one over that of each other, where all else is the same.

    Its bounds are the quotients of the opposite bounds of the two, which cover it with 90 % at least (Bonferroni).
    """
    assert claim.largest_for
    of_model = {model: [each for each in evidence if each.scenario.model == recorded(model)] for model in claim.models}
    largest = of_model.pop(claim.largest_for)
    for model, of_other in of_model.items():
        alike = [(ours, other) for ours, other in itertools.product(largest, of_other) if _place(ours) == _place(other)]
        for ours, other in alike:
            of = f"{claim.quantity}, ratio over that of {recorded(model)}"
            found = quotient(ours.ratio, other.ratio)
            outcome = outcome_of(found, Expectation(at_least=1.0))
            records = (*ours.records, *other.records)
            yield Evidence((*ours.comparisons, *other.comparisons), found, outcome, records, of)
        if largest and of_other and not alike:
            what = f"{recorded(claim.largest_for)} over {recorded(model)}"
            yield Missing(f"{what}: no ratios of both from the same cells, hosts, suite and preset", None)


def _place(evidence: Evidence) -> tuple[object, ...]:
    return evidence.names, evidence.hosts, evidence.suites, evidence.scenario.preset


def _of_pair(
    claim: Claim, wanted: Wanted, cells: Sequence[Cell], certificates: Sequence[Certificate]
) -> Iterable[Evidence | Missing]:
    name, baseline_name = wanted.name, claim.baseline
    cells_named = (name,) if claim.reference else (name, baseline_name)
    absent = [each for each in cells_named if not _named(each, cells)]
    for each in absent:
        yield _no_record(wanted._replace(name=each))
    if absent:
        return
    baselines = [] if claim.reference else _baselines(claim, cells)
    for cell in _claimed(claim, _plainest(_named(name, cells)), baselines):
        if claim.reference:
            comparison = Comparison(cell, cell, ())
        else:
            comparison = _compared(cell, baseline_name, baselines, certificates, claim)
        scenario = cell.scenario
        if comparison.baseline is None:
            what = f"{name}, {_title(cell)}: no {baseline_name} of the same preset and data"
            of_baseline = wanted._replace(name=baseline_name, preset=scenario.preset)
            mapping = scenario.files.get("data", scenario.data_name)
            yield _missing(what, of_baseline._replace(data=mapping, data_root=scenario.data_root))
        elif refusal := _refusal(claim, comparison):
            what = f"{name} and {baseline_name}, {_title(cell)}: not comparable: {'; '.join(refusal)}"
            yield _missing(what, wanted) if comparison.refusal else Missing(what, None)
        elif ratios := _ratios(claim, comparison):
            for of, found in ratios.items():
                outcome = outcome_of(found, claim.expect)
                yield Evidence((comparison,), found, outcome, found.records, of, claim.reference)
            if claim.quantity in SCORES and (gaps := not_compared(claim, comparison)):
                yield Missing(f"{name} and {baseline_name}, {_title(cell)}: {'; '.join(gaps)}", None)
        else:
            yield Missing(f"{name}, {_title(cell)}: {_why_no_value(claim, comparison)}", None)


def _compared(
    cell: Cell, name: str, baselines: Sequence[Cell], certificates: Sequence[Certificate], claim: Claim
) -> Comparison:
    """The cell with its baseline: one of its own suite where that is fair, the first host's of several alike."""
    own = [other for other in baselines if other.scenario.suite == cell.scenario.suite]
    found = _as_claimed(_among(cell, parse(name), own), claim)
    if found.refusal:
        found = _as_claimed(_among(cell, parse(name), baselines), claim)
    return with_parity({cell: found}, certificates)[cell]


def _baselines(claim: Claim, cells: Sequence[Cell]) -> list[Cell]:
    """The cells that bear the name of the baseline; what is scaled runs on one device there."""
    named = _named(claim.baseline, cells)
    return [cell for cell in named if devices_of(cell) == 1] if claim.quantity in SCALES else named


def _claimed(claim: Claim, cells: Sequence[Cell], baselines: Sequence[Cell]) -> list[Cell]:
    """The cells of which a claim speaks: of one kind of scaling those that scale a baseline so."""
    if claim.scaling is None:
        return list(cells)
    return [cell for cell in cells if any(scales(cell, base, claim.scaling) for base in baselines)]


def _as_claimed(found: Comparison, claim: Claim) -> Comparison:
    """The comparison, as one of scaling where the claim is of that."""
    if claim.quantity not in SCALES or found.baseline is None or found.is_baseline:
        return found
    return scaled(found.cell, found.baseline)


def _among(cell: Cell, name: BaselineName, baselines: Sequence[Cell]) -> Comparison:
    first = min((other.host for other in name.candidates(cell, baselines)), default=None)
    return name.compare(cell, [other for other in baselines if first in (None, other.host)])


def _pair(comparison: Comparison) -> tuple[Cell, Cell]:
    assert comparison.baseline
    return comparison.cell, comparison.baseline


def _ratios(claim: Claim, comparison: Comparison) -> dict[str, Quantity]:
    """The ratios that there are, by what they are of where that is not the claim's quantity alone."""
    cell, baseline = _pair(comparison)
    if claim.quantity in SCORES:
        return compared_scores(claim, comparison)
    if claim.quantity in SCALES:
        found_ratio = SCALES[claim.quantity](comparison, _metric_name(claim))
        scaling = "strong" if comparison.kind.whole_batch else "weak"
        return {f"{scaling} scaling": found_ratio} if found_ratio.value is not None else {}
    ours, theirs = _measured(claim, cell), _measured(claim, baseline)
    compared = ratio(ours, theirs) if ours else None
    return {"": compared} if compared and compared.value is not None else {}


def _measured(claim: Claim, cell: Cell) -> Measured | None:
    if claim.activity:
        return energy_of(cell).measured(ACTIVITIES[claim.activity], claim.quantity)
    return speed_of(cell).get(_metric_name(claim))


def _metric_name(claim: Claim) -> str:
    if claim.quantity not in OF_A_STAGE:
        return claim.quantity
    return OF_A_STAGE[claim.quantity].format(stage=f"_{claim.stage}" if claim.stage else "")


def _refusal(claim: Claim, comparison: Comparison) -> tuple[str, ...]:
    if claim.quantity in SCORES:
        return for_skill(comparison).refusal
    return for_energy(comparison).refusal if claim.activity else comparison.refusal


def _why_no_value(claim: Claim, comparison: Comparison) -> str:
    if claim.quantity in SCORES:
        reasons = not_compared(claim, comparison)
    else:
        reasons = []
        for cell in dict.fromkeys(_pair(comparison)):
            if problem := _stage_problem(claim, cell):
                return problem
            reasons += [f"{cell.scenario.chip}/{cell.label}: {text}" for text in _reasons(claim, cell)]
    return f"no {claim.quantity} in both ({'; '.join(dict.fromkeys(reasons)) or 'not recorded'})"


def _reasons(claim: Claim, cell: Cell) -> tuple[str, ...]:
    """Why launches have no value of a time, a size or an energy."""
    measured = _measured(claim, cell)
    reasons = (measured.reason,) if measured and measured.reason else ()
    return (*reasons, *energy_of(cell).reasons_for_none) if claim.activity else reasons


def _stage_problem(claim: Claim, cell: Cell) -> str | None:
    """What is wrong with the claim's stage, if it goes with the quantity and the preset has no such stage."""
    stages = [stage.name for stage in cell.scenario.training.stages]
    if claim.quantity not in OF_A_STAGE:
        return None
    if len(stages) == 1:
        return "the preset has one training stage: leave `stage` out" if claim.stage else None
    if claim.stage is None:
        return f"the preset has several training stages: give one as `stage`; {nearest('', stages)}"
    return None if claim.stage in stages else f"no training stage {claim.stage!r}; {nearest(claim.stage, stages)}"


def _no_record(wanted: Wanted) -> Missing:
    what = f"{wanted.name}, {wanted.model}{f' {wanted.preset}' if wanted.preset else ''}"
    if wanted.unavailable:
        return Missing(f"{what}: cannot be measured: {wanted.unavailable}", None, possible=False)
    return _missing(f"{what}: no completed launch", wanted)


def _missing(what: str, wanted: Wanted) -> Missing:
    reason = wanted.no_command
    return Missing(f"{what}; no command for it: {reason}", None) if reason else Missing(what, wanted.command)


def _named(name: str, cells: Sequence[Cell]) -> list[Cell]:
    """Cells with completed launches that bear a name; without an execution eager ones go before graphs."""
    parsed = parse(name)
    found = [
        cell for cell in cells if cell.launches and cell.scenario.chip == parsed.chip and parsed.is_run(cell.scenario)
    ]
    eager = [cell for cell in found if not cell.scenario.execution.is_graph]
    return eager if eager and parsed.execution is None else found


def _plainest(cells: Sequence[Cell]) -> list[Cell]:
    """Of the cells of each suite, preset, data and host those with the fewest settings of their execution.

    A name that is all of a label names cells of equal settings; of several baselines the comparison chooses.
    """
    fewest: dict[tuple[str, ...], int] = {}
    for cell in cells:
        fewest[_group(cell)] = min(fewest.get(_group(cell), _settings(cell)), _settings(cell))
    return [cell for cell in cells if _settings(cell) == fewest[_group(cell)]]


def _group(cell: Cell) -> tuple[str, ...]:
    return cell.scenario.suite, cell.scenario.preset, cell.scenario.data_name, cell.host


def _settings(cell: Cell) -> int:
    return len(cell.scenario.execution.settings())


def _is_of(cell: Cell, model: str, preset: str | None) -> bool:
    return cell.scenario.model == model and preset in (None, cell.scenario.preset)


def _title(cell: Cell) -> str:
    return f"{cell.scenario.model} {cell.scenario.preset} on {cell.scenario.data_name}"
