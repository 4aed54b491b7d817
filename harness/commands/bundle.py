"""`crosscast bundle`."""

from pathlib import Path

import click

from harness.commands.options import PathName, refuse_unwritable, results_option


@click.command()
@click.option(
    "--out",
    type=PathName(dir_okay=False),
    default=Path("crosscast-bundle.tar.gz"),
    show_default=True,
    help="Archive to write.",
)
@click.option(
    "--keep",
    multiple=True,
    type=click.Choice(["users", "hosts", "folders"]),
    help="Leave names of users, names of hosts or folders as they are; may be given several times.",
)
@results_option
def bundle(out: Path, keep: tuple[str, ...], results: Path) -> None:
    """Logs, records and the environment in one archive to send home, without names of users, hosts and home folders.

    The report of `doctor --deep` is among the results. Files that are no text stay out.
    """
    refuse_unwritable(out.parent, must_exist=True)
    from harness.bundle.scrubbing import WHAT
    from harness.bundle.writing import write_bundle
    from harness.terminal import say

    say(write_bundle(results, out, [what for what in WHAT if what in keep]))
