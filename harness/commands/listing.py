"""`crosscast list`."""

import click


@click.command("list")
def list_() -> None:
    """Suites, models and chips, and which frameworks can run here."""
    from harness.commands.overview import overview
    from harness.console import PlainConsole

    console = PlainConsole()
    for table in overview():
        console.print(table)
