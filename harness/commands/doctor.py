"""`crosscast doctor`."""

import click

from harness.commands.options import Duration
from harness.errors import UserError


@click.command()
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
    from harness.terminal import say

    report = examine(chip, preferences(chip, collectors), seconds)
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
