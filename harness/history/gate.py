"""The gate: one call on two folders of results, for the command, for nights and for whoever has two folders."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median

from harness.errors import UserError
from harness.history.attribution import causes, commits_between
from harness.history.compared import CellComparison, compare_cell
from harness.history.decide import Verdict, decide
from harness.history.findings import CellReport, Change, Finding, GateResult
from harness.history.gated import MARGINS, Gated, Sort
from harness.history.parity import parity_findings
from harness.history.running import (
    did_not_run,
    not_run,
    of_comparison,
    on_neither_side,
    ran_now,
    refusals,
    since_last,
)
from harness.history.shown import percent_of
from harness.history.sides import Side, SideCell, read_side
from harness.history.state import Known, State, load_state, save_state
from harness.machine import rehearsal

NOON = timedelta(hours=12)
NO_NIGHT = "unknown night"


@dataclass(frozen=True)
class Options:
    """How a run is judged. `night` names it, by default after the date on which the candidate's last launch began.

    `repository` is a checkout whose log names the commits between the sides, by default the current folder; `margins`
    replace those of `gated.MARGINS`. `launches` is the number that each cell should have on both sides, where it is
    known, and `unfinished` says in words what of the run was not made; both make findings. `suite` is that of the run
    where runs of several share a state: cells of others are not missed.
    """

    night: str | None = None
    repository: Path | None = None
    margins: Mapping[Sort, float] = field(default_factory=lambda: MARGINS)
    launches: int | None = None
    unfinished: str | None = None
    suite: str | None = None


def gate(baseline: Path, candidate: Path, state: Path | None = None, options: Options | None = None) -> GateResult:
    """Compare two folders of results, or two files of pytest-benchmark, and keep what the next run has to know.

    Without a file of `state` the run stands alone: its findings are `found`. With one they are suspected, and confirmed
    or cleared by the next run. `exit_status` of the result is that of the command.
    Raises UserError where a side holds no result or the state cannot be read or written.
    """
    options = options or Options()
    sides = read_side(baseline), read_side(candidate)
    before = None if state is None else load_state(state)
    result, after = judge(*sides, before, options)
    if state is not None and after is not None:
        save_state(state, after)
    return result


def night_of(started: float) -> str:
    """The night of a time in seconds since 1970: from noon to noon UTC, called by the date of the first."""
    return (datetime.fromtimestamp(started, timezone.utc) - NOON).date().isoformat()


def judge(baseline: Side, candidate: Side, before: State | None, options: Options) -> tuple[GateResult, State | None]:
    """The same of two sides that have been read, and the state afterwards."""
    night = options.night or _night(candidate)
    run = hashlib.sha256("\n".join(sorted(baseline.attempts | candidate.attempts)).encode()).hexdigest()[:16]
    state = None if before is None else before.against(baseline.commits)
    quantities = {**baseline.quantities, **candidate.quantities}
    findings = [*not_run(baseline, candidate), *on_neither_side(baseline, candidate, options.launches)]
    findings += parity_findings(baseline, candidate)
    if options.unfinished:
        findings.append(did_not_run("the run", options.unfinished))
    if state is not None:
        of_suite = options.suite and f"{options.suite}/"
        ran = {name: last for name, last in state.ran.items() if not of_suite or name.startswith(of_suite)}
        findings += since_last(ran, baseline, candidate)
    comparisons = []
    pairs: dict[str, tuple[SideCell, SideCell]] = {}
    for name, theirs in baseline.cells.items():
        ours = candidate.cells.get(name)
        if ours is None or not ours.launches or not theirs.launches:
            continue
        if refused := refusals(theirs, ours):
            text = f"not compared: {'; '.join(refused)}"
            findings.append(Finding(kind="did not run", status="found", cell=name, text=text))
            continue
        pairs[name] = (theirs, ours)
        comparisons.append(compare_cell(theirs, ours, quantities))
    if not comparisons and not findings:
        raise UserError(f"{candidate.path}: no cell that {baseline.path} has, too: nothing to compare")
    for comparison in comparisons:
        findings += [*of_comparison(comparison, quantities), *_broken(comparison, quantities)]
    compared = [each for comparison in comparisons for each in comparison.compared]
    verdicts, after = decide(compared, state, night=night, run=run, margins=options.margins)
    findings += _of_verdicts(verdicts, pairs)
    if after is not None:
        findings, known = _certain(findings, after.known, night, run)
        findings += [
            _cleared(each.cell, quantities.get(each.quantity), each.quantity, each.suspected, each.cleared)
            for each in after.cleared
        ]
        after = after.model_copy(update={"known": known, "ran": {**after.ran, **ran_now((baseline, candidate), night)}})
    result = GateResult(
        night=night,
        run=run,
        baseline=str(baseline.path),
        candidate=str(candidate.path),
        commits=(baseline.commits, candidate.commits),
        between=commits_between(baseline, candidate, options.repository),
        findings=tuple(sorted(findings, key=_gravity)),
        cells=tuple(_report(comparison, verdicts) for comparison in comparisons),
        tests=sum(not each.identical for each in compared),
        alone=before is None,
        title=rehearsal.titled(""),
    )
    return result, after


ORDER = ("confirmed", "found", "suspected", "undecided", "known", "cleared")


def _gravity(finding: Finding) -> tuple[int, int, str]:
    return (
        finding.kind == "remark",
        ORDER.index(finding.status) + (0 if finding.worse is not False else 1),
        finding.cell,
    )


def _night(candidate: Side) -> str:
    times = [each.started for cell in candidate.cells.values() for each in cell.launches if each.started is not None]
    return night_of(max(times)) if times else NO_NIGHT


def _broken(comparison: CellComparison, quantities: Mapping[str, Gated]) -> list[Finding]:
    return [
        Finding(
            kind="numbers",
            status="found",
            cell=comparison.cell,
            text=f"{quantities[name].title} {what}",
            worse=True,
        )
        for name, what in comparison.broken.items()
    ]


def _of_verdicts(verdicts: Sequence[Verdict], pairs: Mapping[str, tuple[SideCell, SideCell]]) -> list[Finding]:
    found: list[Finding] = []
    too_few: dict[str, Verdict] = {}
    reasons: dict[str, tuple[str, ...]] = {}
    for verdict in verdicts:
        cell, status = verdict.compared.cell, verdict.status
        if status == "none" or status == "cleared":
            continue
        if verdict.effect.error is None:
            if status == "undecided":
                too_few.setdefault(cell, verdict)
            continue
        if cell not in reasons:
            reasons[cell] = causes(*pairs[cell])
        found.append(
            Finding(
                kind="change",
                status=status,
                cell=cell,
                text=_words(verdict),
                worse=verdict.worse,
                change=_change(verdict),
                since=verdict.since,
                launches=verdict.launches,
                causes=reasons[cell],
            )
        )
    for cell, verdict in too_few.items():
        pairs_made = verdict.effect.launches
        text = f"{pairs_made} launch{'es' if pairs_made != 1 else ''} a side: an interval needs 3"
        found.append(Finding(kind="change", status="undecided", cell=cell, text=text, worse=True, launches=3))
    return found


def _words(verdict: Verdict) -> str:
    quantity, effect = verdict.compared.quantity, verdict.effect
    change, between = percent_of(effect.ratio, effect.interval(0.95))
    what = "changed" if quantity.sort == "numbers" else "worse" if verdict.worse else "better"
    return f"{quantity.title} {change}{f' {between}' if between else ''}, {what}"


def _change(verdict: Verdict) -> Change:
    compared, effect = verdict.compared, verdict.effect
    low, high = effect.interval(0.95) or (None, None)
    quantity = compared.quantity
    return Change(
        name=quantity.name,
        title=quantity.title,
        unit=quantity.unit,
        sort=quantity.sort,
        baseline=median(compared.theirs),
        candidate=median(value for _, value in compared.ours),
        ratio=effect.ratio,
        low=low,
        high=high,
        p=verdict.p,
        margin=verdict.margin,
        launches=effect.launches,
        paired=compared.paired,
        visible=verdict.visible,
    )


def _certain(
    findings: Sequence[Finding], known: Sequence[Known], night: str, run: str
) -> tuple[list[Finding], tuple[Known, ...]]:
    """Findings that no noise makes, confirmed in the run that sees them first and known after it."""
    before = {(each.cell, each.text): each for each in known if each.quantity in ("parity", "numbers")}
    kept = [each for each in known if each.quantity not in ("parity", "numbers")]
    found = []
    for finding in findings:
        if finding.kind not in ("parity", "numbers"):
            found.append(finding)
            continue
        seen = before.get((finding.cell, finding.text)) or Known(
            cell=finding.cell,
            quantity=finding.kind,
            log=0.0,
            worse=bool(finding.worse),
            since=night,
            run=run,
            text=finding.text,
        )
        kept.append(seen)
        status = "confirmed" if seen.run == run else "known"
        found.append(finding.model_copy(update={"status": status, "since": seen.since}))
    return found, tuple(kept)


def _cleared(cell: str, quantity: Gated | None, name: str, suspected: str, cleared: str) -> Finding:
    text = f"{quantity.title if quantity else name}: suspected in {suspected}, not confirmed in {cleared}"
    return Finding(kind="change", status="cleared", cell=cell, text=text, since=suspected)


def _report(comparison: CellComparison, verdicts: Sequence[Verdict]) -> CellReport:
    changes = tuple(_change(each) for each in verdicts if each.compared.cell == comparison.cell)
    return CellReport(cell=comparison.cell, changes=changes, remarks=comparison.remarks)
