"""`crosscast list`."""

import click

from harness.commands.options import set_option


@click.command("list")
@click.option("--chip", help="One chip alone, by name or YAML file: what runs on it here, or why not.")
@click.option("--model", help="One model alone, by name or YAML file: its presets and all their values.")
@set_option
def list_(chip: str | None, model: str | None, settings: tuple[str, ...]) -> None:
    """Suites, models and chips, and which frameworks can run here."""
    from harness.commands.overview import overview
    from harness.console import PlainConsole
    from harness.errors import UserError

    console = PlainConsole()
    if settings and model is None:
        raise UserError("--set shows the values of a model with those that are set: give --model")
    if chip is None and model is None:
        tables = overview()
    else:
        from harness.commands.one_of_the_list import chip_table, preset_tables

        tables = [] if chip is None else [chip_table(chip)]
        tables += [] if model is None else preset_tables(model, settings)
    for table in tables:
        console.print(table)
