"""`crosscast doctor`."""

from pathlib import Path

import click

from harness.commands.options import Duration, refuse_unwritable, results_option
from harness.errors import UserError


@click.command()
@click.option("--chip", default="cpu", show_default=True, help="Chip: a name in scenarios/chips or a YAML file.")
@click.option("--collectors", help="Sample with the first of these that works; default: the chip's.")
@click.option("--seconds", type=Duration(1), default=5.0, show_default=True, help="How long to watch the sensors.")
@click.option("--deep", is_flag=True, help="Prove in minutes, on the device, that what is measured here can count.")
@click.option("--limit", type=Duration(30), default=300.0, show_default=True, help="Seconds that --deep may take.")
@click.option(
    "--execution",
    type=click.Choice(["eager", "graph", "both"]),
    default="both",
    show_default=True,
    help="How --deep runs the frameworks.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the facts as JSON (harness/doctor/facts.py, of --deep harness/results/deep_report.py) and no tables.",
)
@results_option
def doctor(
    chip: str,
    collectors: str | None,
    seconds: float,
    deep: bool,
    limit: float,
    execution: str,
    as_json: bool,
    results: Path,
) -> None:
    """What this machine has: frameworks, power sensors and how they behave, foreign load.

    With --deep: operators, clocks, networks, power and the machine, each right or with what to do, as doctor.json among
    the results, too.
    """
    from harness.power.preferences import preferences

    chosen = preferences(chip, collectors)
    if deep:
        _deep(chip, chosen, limit, execution, results, as_json=as_json)
    else:
        _facts(chip, chosen, seconds, as_json=as_json)


def _deep(
    chip: str, collectors: tuple[str, ...], limit_s: float, execution: str, results: Path, *, as_json: bool
) -> None:
    from harness.doctor.deep.run import deep
    from harness.results.deep_report import save
    from harness.scenario.execution import EAGER, GRAPH
    from harness.terminal import say

    refuse_unwritable(results)
    executions = {"eager": (EAGER,), "graph": (GRAPH,), "both": (EAGER, GRAPH)}[execution]
    report = deep(chip, collectors, limit_s, lambda line: click.echo(f"{line} ...", err=True), executions)
    path = save(report, results)
    if as_json:
        click.echo(report.model_dump_json(indent=1))
    else:
        from harness.console import PlainConsole
        from harness.doctor.deep.rendering import page

        console = PlainConsole()
        for part in page(report):
            console.print(part)
        say(f"written to {path}")
    if failed := report.of("failed"):
        names = ", ".join(f"{check.name} ({check.group})" for check in failed)
        raise UserError(f"{len(failed)} of {len(report.checks)} checks failed: {names}")


def _facts(chip: str, collectors: tuple[str, ...], seconds: float, *, as_json: bool) -> None:
    from harness.doctor.examine import examine
    from harness.terminal import say

    report = examine(chip, collectors, seconds)
    if as_json:
        click.echo(report.model_dump_json(indent=1))
    else:
        from harness.console import PlainConsole
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
