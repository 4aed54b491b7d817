"""`crosscast export`."""

from pathlib import Path

import click

from harness.commands.options import PathName, refuse_unusable, results_option


@click.command()
@click.option(
    "--pytest-benchmark",
    "target",
    type=PathName(dir_okay=False),
    required=True,
    help="File to write in the JSON of pytest-benchmark, for `pytest-benchmark compare`.",
)
@click.option("--suite", help="Only this suite; default: all that have records.")
@results_option
def export(target: Path, suite: str | None, results: Path) -> None:
    """The times of the records in a format that other tools read."""
    from harness.analysis.benchmark_export import export_pytest_benchmark
    from harness.console import PlainConsole

    console = PlainConsole()
    refuse_unusable(export_pytest_benchmark(results, target, suite=suite, console=console))
