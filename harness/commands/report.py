"""`crosscast report`."""

from pathlib import Path

import click

from harness.commands.options import PathName, on_one_thread, refuse_unusable, results_option


@click.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@click.option("--baseline", help="Cell to compare with, such as pytorch; default: PyTorch on the same chip.")
@click.option("--output", type=PathName(dir_okay=False), help="File; default: report.html there.")
@results_option
def report(suite: str | None, baseline: str | None, output: Path | None, results: Path) -> None:
    """Write one HTML file with warnings, tables, figures and links to the records."""
    on_one_thread()
    from harness.analysis.html_report import write_report
    from harness.console import PlainConsole

    refuse_unusable(write_report(results, suite=suite, baseline=baseline, output=output, console=PlainConsole()))
