"""What a run of the gate says: on the terminal, and as Markdown, JSON, JUnit XML and HTML."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from harness import __version__
from harness.analysis.html import renderer
from harness.analysis.html.views import TableView, table_view
from harness.analysis.number_format import MISSING, readable_unit
from harness.analysis.tables.table import make_folder
from harness.files import write_atomically
from harness.history.findings import CellReport, Change, Finding, GateResult
from harness.history.shown import apart, percent_of
from harness.history.statuses import REGRESSED
from harness.privacy import without_folders
from harness.text import markdown, markdown_cell, one_line

COLUMNS = ("quantity", "baseline", "candidate", "change", "95 % interval", "p", "margin", "launches", "would show")
STYLES = {"confirmed": "bold", "found": "bold", "suspected": "yellow", "undecided": "yellow"}
DEFINITIONS = (
    "Changes are trimmed means of logarithms of ratios; p is that of a change beyond the margin, adjusted for all "
    "quantities of the run (Holm).",
    "Would show: the smallest change that these launches show in four of five runs.",
)


def print_result(result: GateResult, console: Console) -> None:
    """The findings, gravest first, each with what else differs, and the summary as the last line."""
    for line in result.between:
        console.print(Text(one_line(line), style="dim"), soft_wrap=True)
    told: set[str] = set()
    for finding in result.findings:
        style = "green" if finding.worse is False else STYLES.get(finding.status, "dim")
        console.print(Text(one_line(line_of(finding)), style=style), soft_wrap=True)
        for cause in () if finding.cell in told else finding.causes:
            told.add(finding.cell)
            console.print(Text(f"    {one_line(cause)}", style="dim"), soft_wrap=True)
    for cell in result.cells:
        for remark in cell.remarks:
            console.print(Text(one_line(f"warning: {cell.cell}: {remark}"), style="yellow"), soft_wrap=True)
    console.print(Text(one_line(f"{result.title}{result.night}: {result.summary}")), soft_wrap=True)


def line_of(finding: Finding) -> str:
    """A finding in one line."""
    label = finding.kind if finding.kind in ("did not run", "remark") else finding.status
    since = (
        f" (since {finding.since})" if finding.since and finding.status in ("known", "suspected", "confirmed") else ""
    )
    needs = f"; about {finding.launches} launches a side would decide" if finding.launches else ""
    return f"{label}: {finding.cell}: {finding.text}{since}{needs}"


def write_all(result: GateResult, folder: Path) -> tuple[Path, ...]:
    """gate.md, gate.json, gate.xml and gate.html in a folder, which is made; raises UserError where that fails."""
    make_folder(folder)
    return tuple(write(result, kind, folder / f"gate.{suffix}") for kind, suffix in SUFFIXES.items())


def write(result: GateResult, kind: str, path: Path) -> Path:
    """One of FORMATS to a file, paths shortened as in records; raises UserError where it cannot be written."""
    write_atomically(path, FORMATS[kind](_discreet(result)))
    return path


def _discreet(result: GateResult) -> GateResult:
    """The result without a person's folders; every cell has one short name, that of no other cell."""
    names = _short_names([*(each.cell for each in result.cells), *(each.cell for each in result.findings)])
    findings = tuple(
        each.model_copy(
            update={
                "cell": names[each.cell],
                "text": without_folders(each.text),
                "causes": tuple(map(without_folders, each.causes)),
            }
        )
        for each in result.findings
    )
    cells = tuple(
        each.model_copy(
            update={"cell": names[each.cell], "remarks": tuple(map(without_folders, each.remarks))},
        )
        for each in result.cells
    )
    sides = {name: without_folders(getattr(result, name)) for name in ("baseline", "candidate")}
    between = tuple(map(without_folders, result.between))
    return result.model_copy(update={"findings": findings, "cells": cells, "between": between, **sides})


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without folders; those that would be the same then are numbered."""
    found: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for name in dict.fromkeys(names):
        short = without_folders(name)
        taken[short] += 1
        found[name] = short if taken[short] == 1 else f"{short} ({taken[short]})"
    return found


def to_json(result: GateResult) -> str:
    """All of the result, with its exit status and summary."""
    told = {"exit_status": result.exit_status, "summary": result.summary}
    return json.dumps({**told, **result.model_dump(mode="json")}, indent=1) + "\n"


def to_markdown(result: GateResult) -> str:
    """For a merge request or a mail."""
    lines = [f"# {markdown(result.title)}Gate of {markdown(result.night)}: {markdown(result.summary)}", ""]
    if result.findings:
        lines += ["| | cell | finding | since |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(map(markdown_cell, _row(finding)))} |" for finding in result.findings]
    else:
        lines.append("No finding.")
    causes = {finding.cell: finding.causes for finding in result.findings if finding.causes}
    if causes:
        lines += ["", "What else differs between the sides:", ""]
        lines += [f"- {markdown(cell)}: {markdown(cause)}" for cell, of_cell in causes.items() for cause in of_cell]
    if result.between:
        lines += ["", "Commits, newest first:", ""]
        lines += [f"- {markdown(line)}" for line in result.between]
    for cell in result.cells:
        lines += ["", f"## {markdown(cell.cell)}", ""]
        lines += [f"{markdown(remark)}\n" for remark in cell.remarks]
        lines += [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
        lines += [f"| {' | '.join(map(markdown_cell, _cells(change)))} |" for change in cell.changes]
    return "\n".join([*lines, "", *DEFINITIONS, ""])


def to_junit(result: GateResult) -> str:
    """A suite for each cell, a case for each quantity: failures are regressions, errors what did not run.

    What is suspected or undecided is skipped with its words, as is a regression that is known. Nothing is timed.
    """
    from junitparser import JUnitXml

    xml = JUnitXml(f"crosscast gate {one_line(result.night)}")
    reports = {each.cell: each for each in result.cells}
    names = dict.fromkeys([*reports, *(each.cell for each in result.findings)])
    for name in names:
        xml.append(_suite(name, reports.get(name), [each for each in result.findings if each.cell == name]))
    xml.update_statistics()
    root = ElementTree.fromstring(xml.tostring())
    for element in root.iter():
        element.attrib.pop("time", None)
    return ElementTree.tostring(root, encoding="unicode")


def to_html(result: GateResult) -> str:
    """One page that loads nothing."""
    findings = table_view("Findings", ("status", "cell", "finding", "since"), [_row(each) for each in result.findings])
    causes = dict.fromkeys(f"{each.cell}: {cause}" for each in result.findings for cause in each.causes)
    return renderer.render(
        "gate.html",
        result=result,
        findings=findings,
        causes=tuple(causes),
        cells=tuple(_view(cell) for cell in result.cells),
        definitions=DEFINITIONS,
        version=__version__,
        regressed=result.exit_status == REGRESSED,
    )


FORMATS: Mapping[str, Callable[[GateResult], str]] = {
    "markdown": to_markdown,
    "json": to_json,
    "junit": to_junit,
    "html": to_html,
}
SUFFIXES = {"markdown": "md", "json": "json", "junit": "xml", "html": "html"}


def _suite(name: str, report: CellReport | None, findings: list[Finding]):  # type: ignore[no-untyped-def]
    from junitparser import Error, Failure, Skipped, TestCase, TestSuite

    suite = TestSuite(one_line(name))
    of_change = {each.change.name: each for each in findings if each.change and each.status != "cleared"}
    told: list[tuple[str, Finding | None]] = [
        (change.title, of_change.get(change.name)) for change in (report.changes if report else ())
    ]
    told += [
        (finding.kind, finding)
        for finding in findings
        if finding.change is None and finding.kind != "remark" and finding.status != "cleared"
    ]
    for title, finding in told:
        case = TestCase(one_line(title), one_line(name))
        if finding is not None:
            words = "\n".join(map(one_line, (line_of(finding), *finding.causes)))
            if finding.kind != "did not run" and not finding.worse:
                case.system_out = words
            else:
                alarms = finding.status in ("found", "confirmed")
                kind = Error if finding.kind == "did not run" else Failure if alarms else Skipped
                result = kind(one_line(finding.text), finding.status)
                result.text = words
                case.result = [result]
        suite.add_testcase(case)
    return suite


def _row(finding: Finding) -> tuple[str, str, str, str]:
    label = finding.kind if finding.kind in ("did not run", "remark") else finding.status
    needs = f"; about {finding.launches} launches a side would decide" if finding.launches else ""
    return label, finding.cell, f"{finding.text}{needs}", finding.since or ""


def _view(cell: CellReport) -> TableView:
    return table_view(cell.cell, COLUMNS, [_cells(change) for change in cell.changes], cell.remarks)


def _cells(change: Change) -> tuple[str, ...]:
    divisor, unit = readable_unit(change.unit, change.baseline)
    values = [f"{value} {unit}".rstrip() for value in apart(change.baseline / divisor, change.candidate / divisor)]
    bounds = None if change.low is None or change.high is None else (change.low, change.high)
    percent, interval = percent_of(change.ratio, bounds)
    shows = MISSING if change.visible is None else f"{100 * change.visible:.2g} %"
    return (
        change.title,
        *values,
        percent,
        f"{interval} %" if interval else MISSING,
        f"{change.p:.2g}",
        f"{100 * change.margin:g} %",
        f"{change.launches}{'' if change.paired else ' unpaired'}",
        shows,
    )
