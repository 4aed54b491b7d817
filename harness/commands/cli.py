"""The command line: parse, call one function, print."""

import signal
import sys
from pathlib import Path

import click
from rich.console import Console

from harness import __version__
from harness.commands.convert import convert
from harness.commands.mapping import mapping
from harness.commands.operators import operators
from harness.commands.options import Duration, PathName
from harness.commands.parity import parity
from harness.commands.prepare import prepare
from harness.commands.traps import traps
from harness.errors import UserError
from harness.scenario.schema import MOST_LAUNCHES
from harness.terminal import PlainConsole, make_tolerant, problem_of_output, say
from harness.text import one_line

OUTPUT_LOST = 1

results_option = click.option(
    "--results",
    type=PathName(file_okay=False),
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
@click.option("--data", type=PathName(str), help="Folder or file of an archive, or its URL: s3://, gs://, ...")
@click.option("--mapping", help="Channel mapping of the archive: a name in scenarios/data or a YAML file.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Start every launch of the one model from this file, published or converted, instead of drawn weights.",
)
@click.option("--repeats", type=click.IntRange(1, MOST_LAUNCHES), help="Launches a cell instead of the suite's number.")
@click.option("--fresh", is_flag=True, help="Make all launches, not only those without a completed record.")
@click.option(
    "--profile", is_flag=True, help="Make one launch a cell under the framework's profiler: a trace, for no table."
)
@results_option
def bench(
    chip: str,
    suite: str,
    model: str | None,
    framework: str | None,
    preset: str | None,
    data: str | None,
    mapping: str | None,
    weights: Path | None,
    repeats: int | None,
    fresh: bool,
    profile: bool,
    results: Path,
) -> None:
    """Train and run every model of a suite in every framework and compare them."""
    from harness.launch import bench as benches
    from harness.scenario.scenario import Selection

    console = PlainConsole()
    selection = Selection(chip, suite, model, framework, preset, data, mapping, repeats, weights)
    outcome = benches.bench(selection, results, console, fresh=fresh, profile=profile)
    if not profile:
        _write_tables(results, outcome.suite, None, console, figures=True)
    if outcome.failed:
        raise UserError(f"{outcome.failed} of {len(outcome.records)} launches did not complete{outcome.advice}")


@cli.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@click.option(
    "--baseline",
    help="Cell to compare with, such as pytorch or, across chips and hosts, a100/pytorch or HOST:a100/pytorch-graph; "
    "default: PyTorch on the same chip.",
)
@results_option
def tables(suite: str | None, baseline: str | None, results: Path) -> None:
    """Tables from the records alone: terminal, Markdown, CSV, LaTeX and HTML."""
    _write_tables(results, suite, baseline, PlainConsole())


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
    from harness.analysis.claims.writing import write_claims

    _refuse_unusable(write_claims(results, ledger, PlainConsole()))


@cli.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@results_option
def figures(suite: str | None, results: Path) -> None:
    """Draw every figure that the records allow, as PDF and PNG, with its data as CSV."""
    from harness.analysis.figures import write_figures

    _refuse_unusable(write_figures(results, suite=suite, console=PlainConsole()))


@cli.command()
@click.option("--suite", help="Only this suite; default: all that have records.")
@click.option("--baseline", help="Cell to compare with, such as pytorch; default: PyTorch on the same chip.")
@click.option("--output", type=PathName(dir_okay=False), help="File; default: report.html there.")
@results_option
def report(suite: str | None, baseline: str | None, output: Path | None, results: Path) -> None:
    """Write one HTML file with warnings, tables, figures and links to the records."""
    from harness.analysis.html_report import write_report

    _refuse_unusable(write_report(results, suite=suite, baseline=baseline, output=output, console=PlainConsole()))


@cli.command()
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

    console = PlainConsole()
    _refuse_unusable(export_pytest_benchmark(results, target, suite=suite, console=console))


@cli.command("list")
def list_() -> None:
    """Suites, models and chips, and which frameworks can run here."""
    from harness.commands.overview import overview

    console = PlainConsole()
    for table in overview():
        console.print(table)


@cli.command()
@click.option(
    "--folder",
    type=PathName(),
    help="Where to write them; default: scenarios/schemas here.",
)
def schemas(folder: Path | None) -> None:
    """Write the JSON Schemas of the scenario files, for completion in editors."""
    from harness.scenario.catalogue import ROOT
    from harness.scenario.export import write_schemas

    for path in write_schemas(folder or ROOT / "schemas"):
        say(path)


@cli.group()
def power() -> None:
    """Record the power of this machine, and show what was recorded."""


@power.command("record")
@click.option("--out", type=PathName(), required=True, help="Parquet file to write.")
@click.option("--chip", help="Ask this chip's collectors; default: those of every chip whose device files exist here.")
@click.option("--collectors", help="Ask these collectors, comma-separated, in this order.")
@click.option("--seconds", type=Duration(0, min_open=True), help="End after this time.")
@click.option("--period-ms", type=Duration(1), help="Sampling period; default: the sensor's own.")
@click.option("--idle", type=Duration(0), default=10.0, show_default=True, help="Idle seconds around the command.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def power_record(
    out: Path,
    chip: str | None,
    collectors: str | None,
    seconds: float | None,
    period_ms: float | None,
    idle: float,
    command: tuple[str, ...],
) -> None:
    """Log power to a file until Ctrl-C, --seconds, or the end of a COMMAND after --."""
    from harness.power.preferences import preferences
    from harness.power.recording import record
    from harness.power.summary import jitter_lines, phase_table

    period_s = None if period_ms is None else period_ms / 1000
    names = preferences(chip, collectors)
    done = record(out, names, seconds=seconds, period_s=period_s, idle_s=idle, command=command)
    console = PlainConsole()
    console.print(phase_table(done.power))
    for line in jitter_lines(done.power):
        say(line)
    say(
        f"{out} holds {'an interrupted' if done.interrupted else 'the'} recording"
        + (f"; {done.reason}" if done.reason else "")
    )
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


@power.command("show")
@click.argument("path", type=PathName())
@click.option("--png", type=PathName(dir_okay=False), help="Draw it to this PNG file too.")
@click.option("--svg", type=PathName(dir_okay=False), help="Draw it to this SVG file too.")
def power_show(path: Path, png: Path | None, svg: Path | None) -> None:
    """Chart and table of a recording, or of the folder of a launch."""
    from harness.power.chart import chart
    from harness.power.log import load
    from harness.power.summary import jitter_lines, phase_table

    loaded = load(path)
    console = PlainConsole()
    click.echo(chart(loaded, console.width, coloured=console.is_terminal and not console.no_color))
    console.print(phase_table(loaded))
    for line in jitter_lines(loaded):
        say(line)
    for target, file_format in ((png, "png"), (svg, "svg")):
        if target is not None:
            from harness.power.figure import write_figure

            write_figure(loaded, target, file_format)
            say(target)


@cli.command()
@click.option("--chip", default="cpu", show_default=True, help="Chip: a name in scenarios/chips or a YAML file.")
@click.option("--framework", help="Load the device with this framework; default: the first that runs here.")
@click.option("--collectors", help="Calibrate these collectors' sensors, the first that works; default: the chip's.")
@click.option("--period", type=Duration(1), default=8.0, show_default=True, help="Seconds on and off.")
@click.option("--cycles", type=click.IntRange(min=3), default=8, show_default=True, help="How often.")
@results_option
def calibrate(
    chip: str, framework: str | None, collectors: str | None, period: float, cycles: int, results: Path
) -> None:
    """Find the delay, averaging window and update period of a chip's power sensors, and keep them."""
    from harness.calibration.calibrate import calibrate as measure
    from harness.power.preferences import preferences
    from harness.power.summary import calibration_table

    made, path = measure(chip, framework, preferences(chip, collectors), period, cycles, results)
    PlainConsole().print(calibration_table(made.sensors))
    say(path)
    if all(sensor.reason for sensor in made.sensors):
        raise UserError("no sensor responds to the load; nothing here can be calibrated")


@cli.command()
@click.option("--chip", default="cpu", show_default=True, help="Chip: a name in scenarios/chips or a YAML file.")
@click.option("--collectors", help="Sample with the first of these that works; default: the chip's.")
@click.option("--seconds", type=Duration(1), default=5.0, show_default=True, help="How long to watch the sensors.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the facts as JSON (harness/doctor/facts.py) and no tables."
)
def doctor(chip: str, collectors: str | None, seconds: float, as_json: bool) -> None:
    """What this machine has: frameworks, power sensors and how they behave, foreign load."""
    from harness.doctor.examine import examine
    from harness.power.preferences import preferences

    report = examine(chip, preferences(chip, collectors), seconds)
    if as_json:
        click.echo(report.model_dump_json(indent=1))
    else:
        from harness.doctor.rendering import tables as doctor_tables

        console = PlainConsole()
        for table in doctor_tables(report):
            console.print(table)
    if not report.can_bench:
        raise UserError(
            f"nothing can run on {chip} here: " + "; ".join(f"{f.name}: {f.reason}" for f in report.frameworks)
        )
    if not as_json:
        say(f"{chip} can be benched with {' and '.join(report.can_bench)}")


cli.add_command(convert)
cli.add_command(mapping)
cli.add_command(operators)
cli.add_command(parity)
cli.add_command(prepare)
cli.add_command(traps)


def _write_tables(
    results: Path, suite: str | None, baseline: str | None, console: Console, *, figures: bool = False
) -> None:
    from harness.analysis.tables.writing import write_tables

    _refuse_unusable(write_tables(results, suite=suite, baseline=baseline, console=console, figures=figures))


def _refuse_unusable(unusable: tuple[str, ...]) -> None:
    if unusable:
        others = f" and {len(unusable) - 1} more, named above" if len(unusable) > 1 else ""
        raise UserError(f"a record could not be used{others}: {unusable[0]}")


def main() -> None:
    """Entry point: a user's mistake is one line and exit status 2, a signal is 128 and its number, lost output is 1."""
    from harness import stopping

    make_tolerant()
    try:
        with stopping.catching():
            cli.main(standalone_mode=False)
    except UserError as error:
        click.echo(f"crosscast: {one_line(str(error))}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"crosscast: {one_line(error.format_message())}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        number = stopping.number_of(error)
        cause = "interrupted" if number == signal.SIGINT else stopping.cause_of(number)
        click.echo(f"crosscast: {cause}; run the same command again to go on", err=True)
        sys.exit(stopping.exit_status(error))
    if problem := problem_of_output():
        click.echo(f"crosscast: what was printed is lost: {problem}; files are written all the same", err=True)
        sys.exit(OUTPUT_LOST)
