"""`crosscast paper`."""

from pathlib import Path
from typing import Literal, cast

import click

from harness.commands.options import PathName, on_one_thread, refuse_unusable, results_option


@click.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@click.option("--baseline", help="Cell to compare with, such as pytorch; default: PyTorch on the same chip.")
@click.option("--output", type=PathName(file_okay=False), help="Folder; default: SUITE/paper in the folder of results.")
@click.option(
    "--columns", type=click.Choice(["1", "2"]), default="2", show_default=True, help="Columns of text on a page."
)
@results_option
def paper(suite: str | None, baseline: str | None, output: Path | None, columns: str, results: Path) -> None:
    """Write a folder that LaTeX compiles: tables, figures with captions, a methods paragraph and a citation."""
    on_one_thread()
    from harness.analysis.paper import write_paper
    from harness.console import PlainConsole

    chosen = cast(Literal[1, 2], int(columns))
    console = PlainConsole()
    refuse_unusable(
        write_paper(results, suite=suite, baseline=baseline, output=output, columns=chosen, console=console)
    )
