"""`crosscast schemas`."""

from pathlib import Path

import click

from harness.commands.options import PathName


@click.command()
@click.option(
    "--folder",
    type=PathName(),
    help="Where to write them; default: scenarios/schemas here.",
)
def schemas(folder: Path | None) -> None:
    """Write the JSON Schemas of the scenario files, for completion in editors."""
    from harness.scenario.export import write_schemas
    from harness.scenario.folders import ROOT
    from harness.terminal import say

    for path in write_schemas(folder or ROOT / "schemas"):
        say(path)
