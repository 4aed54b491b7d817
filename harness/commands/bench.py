"""`crosscast bench`."""

from pathlib import Path

import click

from harness.commands.options import (
    PathName,
    devices_option,
    nodes_option,
    refuse_unusable,
    results_option,
    set_option,
)
from harness.scenario.limits import MOST_LAUNCHES


@click.command()
@click.option("--chip", default="cpu", show_default=True, help="Chip: a name in scenarios/chips or a YAML file.")
@click.option(
    "--suite",
    show_default="smoke on a CPU, timing on a device",
    help="Suite: a name in scenarios/suites or a YAML file.",
)
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
@devices_option
@nodes_option
@click.option("--repeats", type=click.IntRange(1, MOST_LAUNCHES), help="Launches a cell instead of the suite's number.")
@click.option("--fresh", is_flag=True, help="Make all launches, not only those without a completed record.")
@click.option(
    "--profile", is_flag=True, help="Make one launch a cell under the framework's profiler: a trace, for no table."
)
@click.option("--port", help="Run a port of your own, module[:name], in --framework; default there: mindspore.")
@set_option
@click.option("--fit", is_flag=True, help="Recompute and divide batches until a training step fits the chip's memory.")
@results_option
def bench(
    chip: str,
    suite: str | None,
    model: str | None,
    framework: str | None,
    preset: str | None,
    data: str | None,
    mapping: str | None,
    weights: Path | None,
    devices: tuple[int, ...],
    nodes: int | None,
    repeats: int | None,
    fresh: bool,
    profile: bool,
    port: str | None,
    settings: tuple[str, ...],
    fit: bool,
    results: Path,
) -> None:
    """Train and run every model of a suite in every framework and compare them.

    A bench in the job of a scheduler leaves the records alone, for `crosscast tables`.
    """
    import os

    from harness import stopping
    from harness.console import PlainConsole
    from harness.errors import UserError
    from harness.launch import bench as benches
    from harness.scenario import catalogue
    from harness.scenario.scenario import Selection

    console = PlainConsole()
    suite = catalogue.usual_suite(catalogue.chip(chip)) if suite is None else suite
    selection = Selection(
        chip, suite, model, framework, preset, data, mapping, repeats, weights, devices, settings, port, nodes
    )
    outcome = benches.bench(selection, results, console, fresh=fresh, profile=profile, fit=fit)
    if not profile and stopping.IN_A_JOB not in os.environ:
        from harness.analysis.tables.writing import write_tables

        refuse_unusable(
            write_tables(results, suite=outcome.suite, baseline=None, console=console, figures=True, brief=True)
        )
    if outcome.failed:
        raise UserError(f"{outcome.failed} of {len(outcome.records)} launches did not complete{outcome.advice}")
