"""The report of `crosscast doctor --deep` as one page."""

from collections.abc import Iterator

from rich.table import Table

from harness.machine import rehearsal
from harness.results.deep_report import DeepReport, Verdict

WORDS: dict[Verdict, str] = {"ok": "ok", "warning": "WARNING", "failed": "FAILED"}


def page(report: DeepReport) -> Iterator[Table | str]:
    """A table of the checks in the order in which they were made, and how many there are of each verdict."""
    title = rehearsal.titled(f"Deep look at {report.chip} on host {report.host}, {report.made_at}")
    table = Table("", "check", "found, and what to do", title=title, title_justify="left")
    group = ""
    for check in report.checks:
        if check.group != group:
            group = check.group
            table.add_section()
            table.add_row("", group, "")
        advice = f"\n-> {check.advice}" if check.advice else ""
        table.add_row(WORDS[check.verdict], f"  {check.name}", f"{check.found}{advice}")
    yield table
    counts = {verdict: len(report.of(verdict)) for verdict in WORDS}
    said = f"{counts['ok']} ok, {counts['warning']} warnings, {counts['failed']} failed, in {report.took_s:.0f} s"
    yield said
