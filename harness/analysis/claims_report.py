"""The outcome of every claim of a ledger, on the terminal and as files in the folder of results."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from harness.analysis.cells import load_results
from harness.analysis.claims import Evidence, Finding, judge
from harness.analysis.number_format import MISSING
from harness.analysis.table_files import write_table
from harness.analysis.table_parts import marked
from harness.analysis.tables import Section, Table, print_table, print_warnings
from harness.scenario import catalogue
from harness.scenario.claims import Claim, Expectation, Ledger

FOLDER = "claims"
DEFINITIONS = (
    "Confirmed: the whole interval of every ratio lies within the expectation. Refuted: that of one lies outside. "
    "Undecided: an interval crosses a bound, or not all that the claim speaks of was measured. Not measured: nothing "
    "was.",
    "Ratio: cell / baseline over launches of the same number with its 95 % interval; of RMSE the mean over launches "
    "with Student's 90 % interval (two one-sided tests at 5 %); of two models' ratios the quotient, with the quotients "
    "of their opposite bounds. Without interval where there are fewer than 3 pairs (marked *).",
)


def claims_report(results: Path, ledger: str, console: Console) -> tuple[str, ...]:
    """Print what the records say of each claim and write it to claims/LEDGER.* in the folder of results.

    `ledger` is a name in scenarios/claims or a YAML file. Returns the records that could not be used, each in a line
    that says why. Raises UserError where ledger or folder do not exist or do not fit.
    """
    claims = catalogue.claims(ledger)
    found = load_results(results)
    print_warnings(found.problems, console)
    table = claims_table(Path(ledger).name.removesuffix(".yaml").removesuffix(".yml"), claims, judge(claims, found))
    print_table(table, console)
    paths = write_table(table, found.problems, results / FOLDER)
    console.print(Text("\nWritten:"))
    for path in paths:
        console.print(Text(f"  {path}"), soft_wrap=True)
    return found.problems


def claims_table(name: str, ledger: Ledger, findings: Sequence[Finding]) -> Table:
    """Build the table: a section with all outcomes, then one for each claim with its evidence and what is missing."""
    outcomes = pd.DataFrame(
        [
            (finding.claim.name, finding.outcome, _expected(finding.claim.expect), _counted(finding))
            for finding in findings
        ],
        columns=["claim", "outcome", "expected ratio", "evidence"],
    )
    rows = [row for finding in findings for row in _data_rows(finding)]
    sections = (Section(f"Outcomes; source: {ledger.source}", outcomes), *map(_section, findings))
    return Table(name, ledger.title, sections, pd.DataFrame(rows), DEFINITIONS)


def _section(finding: Finding) -> Section:
    claim = finding.claim
    rows = [
        (
            evidence.cell,
            evidence.baseline,
            f"{evidence.model} {evidence.preset}, {evidence.data}",
            evidence.bounded.of or claim.quantity,
            str(evidence.bounded.pairs),
            marked(*evidence.bounded[:3]),
            evidence.outcome,
        )
        for evidence in finding.evidence
    ]
    columns = ["cell", "baseline", "model, data", "of", "n", "ratio", "outcome"]
    frame = pd.DataFrame(rows, columns=columns) if rows else pd.DataFrame({"evidence": [MISSING]})
    notes = [f"Says: {claim.says}.", f"Read as: {claim.reading}."]
    notes += [
        f"Missing: {missing.what}" + (f"; measure with: {missing.command}" if missing.command else "")
        for missing in finding.missing
    ]
    notes += [f"Records: {record}" for record in _records(finding.evidence)]
    return Section(f"{claim.name}: {finding.outcome}", frame, tuple(notes))


def _records(evidence: Sequence[Evidence]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(record for entry in evidence for record in entry.records))


def _expected(expect: Expectation) -> str:
    bounds = []
    if expect.at_least is not None:
        bounds.append(f"at least {expect.at_least:g}")
    if expect.at_most is not None:
        bounds.append(f"at most {expect.at_most:g}")
    return ", ".join(bounds)


def _counted(finding: Finding) -> str:
    outcomes = [evidence.outcome for evidence in finding.evidence]
    counts = [f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes)]
    counts += [f"{len(finding.missing)} missing"] if finding.missing else []
    return ", ".join(counts) or MISSING


def _data_rows(finding: Finding) -> list[dict[str, object]]:
    claim = finding.claim
    head = {"claim": claim.name, "outcome": finding.outcome, **_bounds(claim)}
    rows: list[dict[str, object]] = [
        {
            **head,
            "cell": evidence.cell,
            "baseline": evidence.baseline,
            "model": evidence.model,
            "preset": evidence.preset,
            "data": evidence.data,
            "of": evidence.bounded.of or None,
            "ratio": evidence.bounded.ratio,
            "ratio_low": evidence.bounded.low,
            "ratio_high": evidence.bounded.high,
            "pairs": evidence.bounded.pairs,
            "evidence": evidence.outcome,
            "records": " ".join(map(str, evidence.records)),
        }
        for evidence in finding.evidence
    ]
    return rows + [{**head, "missing": entry.what, "command": entry.command} for entry in finding.missing]


def _bounds(claim: Claim) -> dict[str, object]:
    return {"quantity": claim.quantity, "at_least": claim.expect.at_least, "at_most": claim.expect.at_most}
