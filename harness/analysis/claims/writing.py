"""The outcome of every claim of a ledger, on the terminal and as files in the folder of results."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.analysis.cautions import cautions
from harness.analysis.cells import Results, load_results
from harness.analysis.claims.judging import Evidence, JudgedClaim, judge
from harness.analysis.claims.names import check_names
from harness.analysis.comparison.pair import Comparison
from harness.analysis.content import Content, Count, Number, Verdict
from harness.analysis.number_format import MISSING
from harness.analysis.tables.files import write_table
from harness.analysis.tables.parts import PARITY
from harness.analysis.tables.table import Data, Section, Table, print_table, print_warnings
from harness.scenario import catalogue
from harness.scenario.claims import Claim, Expectation, Ledger
from harness.suggesting import command
from harness.text import counted

FOLDER = "claims"
MOST_COMMANDS, MOST_WARNINGS = 6, 3
"""On the terminal without details."""

DEFINITIONS = (
    "Confirmed: the whole interval of every ratio lies within the expectation. Refuted: that of one lies outside. "
    "Undecided: an interval crosses a bound, or not all that the claim speaks of was measured. Not measured: nothing "
    "was.",
    "Ratio: cell / baseline over launches of the same number with its 95 % interval; of RMSE the mean over launches "
    "with Student's 90 % interval (two one-sided tests at 5 %); of ACC the difference, cell - baseline, with the same "
    "interval; of two models' ratios the quotient, with the quotients "
    "of their opposite bounds. Without interval where there are fewer than 3 pairs (marked *).",
    PARITY,
)


def write_claims(results: Path, ledger: str, console: Console, *, details: bool = False) -> tuple[str, ...]:
    """Print what the records say of each claim and write it to claims/LEDGER.* in the folder of results.

    Without `details` the outcomes alone are printed, and what would measure the rest. `ledger` is a name in
    scenarios/claims or a YAML file. Returns the records that could not be used, each in a line that says why. Raises
    UserError where ledger or folder do not exist or do not fit.
    """
    claims = catalogue.claims(ledger)
    found = load_results(results)
    check_names(catalogue.path_of("claims", ledger), claims, found)
    findings = judge(claims, found)
    table = claims_table(Path(ledger).name.removesuffix(".yaml").removesuffix(".yml"), claims, findings)
    warnings = _warnings(findings)
    paths = write_table(table, [*found.problems, *warnings], results / FOLDER)
    print_warnings(found.problems, console)
    if details:
        print_table(table, console)
        print_warnings(warnings, console)
    else:
        print_table(replace(table, sections=table.sections[:1], definitions=DEFINITIONS[:1]), console)
        _print_commands(findings, console)
        print_warnings(warnings[:MOST_WARNINGS], console)
        of_them = f", of {counted(len(warnings), 'warning')}" if len(warnings) > MOST_WARNINGS else ""
        told = command("claims", "--ledger", ledger, "--details", results=results)
        console.print(Text(f"\nEvidence and records of each claim{of_them}: {told}"), soft_wrap=True)
    console.print(Text("\nWritten:"))
    for path in paths:
        console.print(Text(f"  {path}"), soft_wrap=True)
    return found.problems


def _print_commands(findings: Iterable[JudgedClaim], console: Console) -> None:
    """The first commands that would measure what is missing, each once for all claims."""
    commands = list(dict.fromkeys(each.command for found in findings for each in found.missing if each.command))
    if not commands:
        return
    console.print(Text("\nTo measure what is missing:", style="bold"))
    for each in commands[:MOST_COMMANDS]:
        console.print(Text(f"  {each}"), soft_wrap=True)
    if (left := len(commands) - MOST_COMMANDS) > 0:
        console.print(Text(f"  and {counted(left, 'more command')}, with the details"), soft_wrap=True)


def claims_table(name: str, ledger: Ledger, findings: Sequence[JudgedClaim]) -> Table:
    """Build the table: a section with all outcomes, then one for each claim with its evidence and what is missing."""
    outcomes = tuple(
        (finding.claim.name, _outcome(finding), _expected(finding.claim.expect), _counted(finding))
        for finding in findings
    )
    columns = ("claim", "outcome", "expected ratio", "evidence")
    sections = (Section(f"Outcomes; source: {ledger.source}", columns, outcomes), *map(_section, findings))
    return Table(name, ledger.title, sections, partial(_data, findings), DEFINITIONS)


def _data(findings: Sequence[JudgedClaim]) -> Data:
    return Data.of([row for finding in findings for row in _data_rows(finding)])


def _section(finding: JudgedClaim) -> Section:
    claim = finding.claim
    shown = _where_shown(finding.evidence)
    rows: list[dict[str, Content]] = [
        {
            "cell": evidence.names[0],
            "baseline": evidence.names[1],
            **{title: _both(getattr(evidence, name)) for title, name in shown.items()},
            "model, data": f"{evidence.scenario.model} {evidence.scenario.preset}, {evidence.scenario.data_name}",
            "of": evidence.of or claim.quantity,
            "n": Count(evidence.ratio.number, evidence.pair),
            "ratio": Number(evidence.ratio),
            "outcome": _outcome(evidence),
        }
        for evidence in finding.evidence
    ]
    columns = tuple(rows[0]) if rows else ("evidence",)
    cells = tuple(tuple(row.values()) for row in rows) or ((MISSING,),)
    notes = [f"Says: {claim.says}.", f"Read as: {claim.reading}."]
    notes += [
        f"Missing: {missing.what}" + (f"; measure with: {missing.command}" if missing.command else "")
        for missing in finding.missing
    ]
    notes += dict.fromkeys(_parity_lines(finding.evidence))
    notes += [f"Records: {record}" for record in _records(finding.evidence)]
    return Section(f"{claim.name}: {_outcome(finding)}", columns, cells, tuple(notes))


def _where_shown(evidence: Sequence[Evidence]) -> dict[str, str]:
    """The columns that tell hosts and suites apart, where there are several, and what fills them."""
    titles = {"host": "hosts", "suite": "suites"}
    return {
        title: name
        for title, name in titles.items()
        if len({each for entry in evidence for each in getattr(entry, name)}) > 1
    }


def _both(of_pair: tuple[str, str]) -> str:
    cell, baseline = of_pair
    return cell if cell == baseline else f"{cell}, baseline {baseline}"


def _outcome(found: JudgedClaim | Evidence) -> Verdict:
    return Verdict(found.outcome, found.certified)


def _parity_lines(evidence: Iterable[Evidence]) -> Iterable[str]:
    for entry in evidence:
        for comparison in entry.comparisons:
            if comparison.parity:
                scenario = comparison.cell.scenario
                yield f"Parity: {entry.names[0]}, {scenario.model} {scenario.preset}: {comparison.parity.text}"


def _warnings(findings: Sequence[JudgedClaim]) -> tuple[str, ...]:
    """What the compared cells warn of, each line once; what parity certificates say stands in the notes."""
    compared = [
        {comparison.cell: comparison for evidence in finding.evidence for comparison in evidence.comparisons}
        for finding in findings
    ]
    pairs = [pair for entries in compared for entry in entries.values() for pair in (entry.cell, entry.baseline)]
    cells = tuple(dict.fromkeys(cell for cell in pairs if cell))
    alone = {cell: Comparison(cell, cell, ()) for cell in cells}
    groups = Results(cells, (), ()).groups(across=True)
    lines = [
        f"{group.title}: {line}" if len(groups) > 1 else line
        for group in groups
        for entries in compared
        for line in cautions(group, alone | {cell: replace(entry, parity=None) for cell, entry in entries.items()})
    ]
    return tuple(dict.fromkeys(lines))


def _records(evidence: Sequence[Evidence]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(record for entry in evidence for record in entry.records))


def _expected(expect: Expectation) -> str:
    bounds = []
    if expect.at_least is not None:
        bounds.append(f"at least {expect.at_least:g}")
    if expect.at_most is not None:
        bounds.append(f"at most {expect.at_most:g}")
    return ", ".join(bounds)


def _counted(finding: JudgedClaim) -> str:
    outcomes = [evidence.outcome for evidence in finding.evidence]
    counts = [f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes)]
    counts += [f"{len(finding.missing)} missing"] if finding.missing else []
    return ", ".join(counts) or MISSING


def _data_rows(finding: JudgedClaim) -> list[dict[str, object]]:
    claim = finding.claim
    head = {"claim": claim.name, "outcome": finding.outcome, **_bounds(claim)}
    rows: list[dict[str, object]] = [
        {
            **head,
            "cell": evidence.names[0],
            "baseline": evidence.names[1],
            "model": evidence.scenario.model,
            "preset": evidence.scenario.preset,
            "data": evidence.scenario.data_name,
            "of": evidence.of or None,
            "ratio": evidence.ratio.value,
            "ratio_low": evidence.ratio.low,
            "ratio_high": evidence.ratio.high,
            "pairs": evidence.ratio.number,
            "evidence": evidence.outcome,
            "records": " ".join(map(str, evidence.records)),
            "host": evidence.hosts[0],
            "baseline_host": evidence.hosts[1],
            "suite": evidence.suites[0],
            "baseline_suite": evidence.suites[1],
            "parity_certified": evidence.parity.certified if evidence.parity else None,
            "parity": evidence.parity.text if evidence.parity else None,
        }
        for evidence in finding.evidence
    ]
    return rows + [{**head, "missing": entry.what, "command": entry.command} for entry in finding.missing]


def _bounds(claim: Claim) -> dict[str, object]:
    return {"quantity": claim.quantity, "at_least": claim.expect.at_least, "at_most": claim.expect.at_most}
