"""`crosscast figures`."""

from pathlib import Path

import click

from harness.commands.options import on_one_thread, refuse_unusable, results_option


@click.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@click.option("--baseline", help="Cell to compare with, such as pytorch; default: PyTorch on the same chip.")
@results_option
def figures(suite: str | None, baseline: str | None, results: Path) -> None:
    """Draw every figure that the records allow, as PDF and PNG, with its data as CSV."""
    on_one_thread()
    from harness.analysis.figures import write_figures
    from harness.console import PlainConsole

    refuse_unusable(write_figures(results, suite=suite, baseline=baseline, console=PlainConsole()))
