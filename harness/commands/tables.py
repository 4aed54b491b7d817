"""`crosscast tables`."""

from pathlib import Path

import click

from harness.commands.options import on_one_thread, refuse_unusable, results_option


@click.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@click.option(
    "--baseline",
    help="Cell to compare with, such as pytorch or, across chips, a100/pytorch; default: PyTorch on the same chip.",
)
@results_option
def tables(suite: str | None, baseline: str | None, results: Path) -> None:
    """Tables from the records alone: terminal, Markdown, CSV, LaTeX and HTML."""
    on_one_thread()
    from harness.analysis.tables.writing import write_tables
    from harness.console import PlainConsole

    refuse_unusable(write_tables(results, suite=suite, baseline=baseline, console=PlainConsole()))
