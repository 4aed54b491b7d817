"""`crosscast new`."""

import shlex
from pathlib import Path
from typing import get_args

import click

from harness import templates
from harness.commands.options import PathName


@click.command()
@click.argument("kind", type=click.Choice(sorted(get_args(templates.Kind))))
@click.argument("name")
@click.option(
    "--folder", type=PathName(file_okay=False), default=Path(), show_default="here", help="Folder to write into."
)
def new(kind: templates.Kind, name: str, folder: Path) -> None:
    """Write the first file of a chip, claims, data, site or suite of your own, or the package of a model or sensor."""
    from harness.terminal import say

    for path in templates.write(kind, name, folder):
        say(f"written: {path}")
    package, file = shlex.quote(str(folder / name)), shlex.quote(str(folder / name / f"{name}.yaml"))
    if kind == "model":
        say(f"pip install -e {package}, then: crosscast bench --model {file} --preset tiny")
    elif kind == "sensor":
        say(f"put your command into {folder / name / name / '__init__.py'}")
        say(f"pip install -e {package}, then: crosscast doctor --collectors {name}")
        say("give its name as one of power_collectors in the file of a chip")
    elif kind == "claims":
        say(f"crosscast claims --ledger {shlex.quote(str(folder / f'{name}.yaml'))}")
    elif kind == "data":
        say("give its path as --mapping, and the folder or file of its archive as --data")
    else:
        say(f"give its path wherever the name of a {kind} stands")
