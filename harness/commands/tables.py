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
@click.option(
    "--also",
    multiple=True,
    type=click.Choice(("tex", "html")),
    help="Write LaTeX or HTML files, too; may be given for both. Those that are there already are always renewed.",
)
@click.option(
    "--whole", is_flag=True, help="Show all cells of a suite of more than 200 in every file, not in CSV alone."
)
@results_option
def tables(suite: str | None, baseline: str | None, also: tuple[str, ...], whole: bool, results: Path) -> None:
    """Tables from the records alone: terminal, Markdown and CSV, with `--also` LaTeX and HTML."""
    on_one_thread()
    from harness.analysis.tables.files import USUAL
    from harness.analysis.tables.writing import write_tables
    from harness.console import PlainConsole

    refuse_unusable(
        write_tables(
            results,
            suite=suite,
            baseline=baseline,
            console=PlainConsole(),
            formats=(*USUAL, *also),
            whole=whole,
        )
    )
