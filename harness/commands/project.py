"""`crosscast project`."""

from pathlib import Path
from typing import Any

import click

from harness.commands.options import refuse_unusable, results_option


@click.command()
@click.option("--chip", required=True, help="Chip: a name in scenarios/chips or a YAML file of your own.")
@click.option("--variant", help="Variant of the chip, by its name or by what its driver calls it.")
@click.option(
    "--model", "models", multiple=True, show_default="all of suite timing", help="Model; may be given several times."
)
@click.option("--preset", show_default="that of suite timing", help="Preset of the models.")
@click.option("--data", help="Mapping of the data, whose channels count: a name in scenarios/data or a YAML file.")
@click.option(
    "--framework", type=click.Choice(["pytorch", "mindspore"]), default="pytorch", show_default=True, help="Framework."
)
@click.option(
    "--execution",
    "settings",
    multiple=True,
    help="Setting of the execution, such as precision.autocast=bf16 or compilation=graph; may be given several times.",
)
@click.option("--devices", type=click.IntRange(1, 65536), default=1, show_default=True, help="Devices that train.")
@click.option("--samples", type=click.IntRange(1), help="Training samples of an archive, for the time of an epoch.")
@results_option
def project(results: Path, **options: Any) -> None:
    """Project time, memory and joules onto a chip that is not here, from records; never measurements."""
    from harness.console import PlainConsole
    from harness.projection.running import Wanted
    from harness.projection.running import project as run

    refuse_unusable(run(results, Wanted(**options), PlainConsole()))
