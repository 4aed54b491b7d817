"""The command line: parse, call one function, print."""

import sys
from pathlib import Path

import click
from rich.console import Console

from harness import __version__
from harness.errors import UserError

INTERRUPTED = 130
WIDTH_OF_A_FILE = 110

results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of records, tables and figures.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="crosscast")
def cli() -> None:
    """Speed, skill and joules of weather and ocean AI models, across chips and frameworks."""


@cli.command()
@click.option("--chip", default="cpu", show_default=True, help="Chip: a name in scenarios/chips or a YAML file.")
@click.option("--suite", default="smoke", show_default=True, help="Suite: a name in scenarios/suites or a YAML file.")
@click.option("--model", help="Only this model of the suite, or a YAML file of your own.")
@click.option("--framework", help="Only this framework: pytorch or mindspore.")
@click.option("--preset", help="This preset of the models instead of the suite's.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of an archive.")
@click.option("--mapping", help="Channel mapping of the archive: a name in scenarios/data or a YAML file.")
@click.option("--repeats", type=click.IntRange(min=1), help="Launches a cell instead of the suite's number.")
@click.option("--fresh", is_flag=True, help="Make all launches, not only those without a completed record.")
@results_option
def bench(
    chip: str,
    suite: str,
    model: str | None,
    framework: str | None,
    preset: str | None,
    data: Path | None,
    mapping: str | None,
    repeats: int | None,
    fresh: bool,
    results: Path,
) -> None:
    """Train and run every model of a suite in every framework and compare them."""
    from harness.launch import bench as benches
    from harness.scenario.matrix import Selection

    console = make_console()
    selection = Selection(chip, suite, model, framework, preset, data, mapping, repeats)
    outcome = benches.bench(selection, results, console, fresh=fresh)
    _report(results, outcome.suite, None, console, figures=True)
    if outcome.failed:
        raise UserError(f"{outcome.failed} of {len(outcome.records)} launches did not complete; run again to try them")


@cli.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@click.option(
    "--baseline",
    help="Cell to compare with, such as pytorch or, across chips, a100/pytorch; default: PyTorch on the same chip.",
)
@results_option
def tables(suite: str | None, baseline: str | None, results: Path) -> None:
    """Tables from the records alone: terminal, Markdown, CSV, LaTeX and HTML."""
    _report(results, suite, baseline, make_console())


@cli.command()
@click.option(
    "--ledger",
    default="2510.17852",
    show_default=True,
    help="Claims to test: a name in scenarios/claims or a YAML file.",
)
@results_option
def claims(ledger: str, results: Path) -> None:
    """What the records say of each claim of a study: confirmed, refuted, undecided, not measured."""
    from harness.analysis.claims_report import claims_report

    _refuse_unusable(claims_report(results, ledger, make_console()))


@cli.command()
@click.option(
    "--pytest-benchmark",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write in the JSON of pytest-benchmark, for `pytest-benchmark compare`.",
)
@click.option("--suite", help="Only this suite; default: all that have records.")
@results_option
def export(target: Path, suite: str | None, results: Path) -> None:
    """The times of the records in a format that other tools read."""
    from harness.analysis.benchmark_export import export_pytest_benchmark

    unusable = export_pytest_benchmark(results, target, suite)
    click.echo(target)
    _refuse_unusable(unusable)


@cli.command("list")
def list_() -> None:
    """Suites, models and chips, and which frameworks can run here."""
    from harness.scenario.overview import overview

    console = make_console()
    for table in overview():
        console.print(table)


@cli.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to write them; default: scenarios/schemas here.",
)
def schemas(folder: Path | None) -> None:
    """Write the JSON Schemas of the scenario files, for completion in editors."""
    from harness.scenario.catalogue import ROOT
    from harness.scenario.export import write_schemas

    for path in write_schemas(folder or ROOT / "schemas"):
        click.echo(path)


def make_console() -> Console:
    """A console as wide as the terminal, or wide enough for the tables where the output goes elsewhere."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)


def _report(results: Path, suite: str | None, baseline: str | None, console: Console, *, figures: bool = False) -> None:
    from harness.analysis.report import report

    _refuse_unusable(report(results, suite=suite, baseline=baseline, console=console, figures=figures))


def _refuse_unusable(unusable: tuple[str, ...]) -> None:
    if unusable:
        raise UserError(f"{len(unusable)} of the records could not be used: {'; '.join(unusable)}")


def main() -> None:
    """Entry point: a user's mistake is one line on stderr and exit status 2, an interrupt is 130."""
    try:
        cli.main(standalone_mode=False)
    except UserError as error:
        click.echo(f"crosscast: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"crosscast: {error.format_message()}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("crosscast: interrupted; run the same command again to go on", err=True)
        sys.exit(INTERRUPTED)
