"""`crosscast list`."""

import click


@click.command("list")
def list_() -> None:
    """Suites, models and chips, and which frameworks can run here."""
    from harness.console import PlainConsole
    from harness.scenario.overview import overview

    console = PlainConsole()
    for table in overview():
        console.print(table)
