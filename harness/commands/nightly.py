"""`crosscast nightly`."""

import sys
from pathlib import Path

import click

from harness.commands.judging import JudgingCommand
from harness.commands.options import PathName


@click.command(cls=JudgingCommand)
@click.option("--site", required=True, help="Site: a name in scenarios/sites or a YAML file.")
@click.option("--baseline", default="baseline", show_default=True, help="Branch, tag or commit to compare with.")
@click.option("--candidate", default="HEAD", show_default=True, help="Branch, tag or commit that is judged.")
@click.option(
    "--repository",
    type=PathName(file_okay=False),
    default=Path(),
    show_default="here",
    help="Repository of both commits.",
)
@click.option(
    "--folder",
    type=PathName(file_okay=False),
    default=Path("nights"),
    show_default=True,
    help="Folder of all nights, with the checkouts; all nodes must see it.",
)
@click.option("--suite", help="Suite instead of the site's: a name in each checkout, or a YAML file.")
@click.option("--data", type=PathName(str), help="Folder or file of an archive, or its URL, as the nodes see it.")
@click.option("--mapping", help="Channel mapping of the archive: a name in scenarios/data or a YAML file.")
@click.option("--no-wait", is_flag=True, help="Only hand in; the same command goes on once the job has ended.")
def nightly(
    site: str,
    baseline: str,
    candidate: str,
    repository: Path,
    folder: Path,
    suite: str | None,
    data: str | None,
    mapping: str | None,
    no_wait: bool,
) -> None:
    """Measure two commits against each other in one block and judge them; the exit status is that of the gate.

    Mistakes end with 3, too, as what does not run does in the gate. A night that was cut off goes on
    when the command is given again.
    """
    from harness.launch.submission.blocks import absolute_data, absolute_yaml
    from harness.nightly.night import Nights
    from harness.scenario import catalogue
    from harness.terminal import say

    of_site = catalogue.site(site)
    given = {"--data": None if data is None else absolute_data(data), "--mapping": absolute_yaml(mapping)}
    options = tuple(word for name, value in given.items() if value is not None for word in (name, value))
    nights = Nights(folder, of_site, str(absolute_yaml(site)), repository, say)
    suite = absolute_yaml(suite or of_site.night.suite)
    sys.exit(nights.run(baseline, candidate, str(suite), options, wait=not no_wait))
