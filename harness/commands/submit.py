"""`crosscast submit`, `crosscast status` and `crosscast cancel`."""

from pathlib import Path

import click

from harness.commands.options import PathName, devices_option, nodes_option, results_option, set_option
from harness.scenario.limits import MOST_LAUNCHES

site_option = click.option("--site", required=True, help="Site: a name in scenarios/sites or a YAML file.")
submission_argument = click.argument("submission", required=False)


@click.command()
@site_option
@click.option(
    "--suite",
    show_default="smoke on a CPU, timing on a device",
    help="Suite: a name in scenarios/suites or a YAML file.",
)
@click.option("--chip", help="Chip instead of the site's.")
@click.option("--model", help="Only this model of the suite.")
@click.option("--framework", help="Only this framework: pytorch or mindspore.")
@click.option("--preset", help="This preset of the models instead of the suite's.")
@click.option("--data", type=PathName(str), help="Folder or file of an archive, or its URL, as the nodes see it.")
@click.option("--mapping", help="Channel mapping of the archive: a name in scenarios/data or a YAML file.")
@click.option("--weights", type=click.Path(path_type=Path), help="Start every launch of the one model from this file.")
@devices_option
@nodes_option
@click.option("--repeats", type=click.IntRange(1, MOST_LAUNCHES), help="Launches a cell instead of the suite's number.")
@set_option
@results_option
def submit(
    site: str,
    suite: str | None,
    chip: str | None,
    model: str | None,
    framework: str | None,
    preset: str | None,
    data: str | None,
    mapping: str | None,
    weights: Path | None,
    devices: tuple[int, ...],
    nodes: int | None,
    repeats: int | None,
    settings: tuple[str, ...],
    results: Path,
) -> None:
    """Hand a suite to a site's scheduler, one job a block, and return at once; again: only what is missing."""
    from harness.data.locations import location
    from harness.errors import UserError
    from harness.launch.starting_weights import require_file
    from harness.launch.submission import ledger
    from harness.launch.submission.submit import submit as hand_in
    from harness.scenario import catalogue
    from harness.scenario.scenario import Selection
    from harness.terminal import say

    of_site = catalogue.site(site)
    chip = of_site.chip if chip is None else chip
    suite = catalogue.usual_suite(catalogue.chip(chip)) if suite is None else suite
    require_file(weights)
    archive = None if data is None else location(data)
    missing = isinstance(archive, Path) and not archive.exists()
    if missing and of_site.scheduler == "local":
        raise UserError(f"{data}: there is no such file or folder; nothing was submitted")
    selection = Selection(
        chip, suite, model, framework, preset, data, mapping, repeats, weights, devices, settings, nodes=nodes
    )
    done = hand_in(selection, of_site, Path(site).stem, results, say)
    for left_out in done.left_out:
        say(f"{left_out.name}: not submitted: {left_out.reason}")
    for block in done.blocks:
        say(f"{block.name}: job {block.job}")
    if done.blocks:
        say(results / ledger.SUBMISSIONS / done.submission / ledger.FILE_NAME)
        if missing:
            say(f"{data} is not on this machine: the jobs must find it on their nodes")


@click.command()
@submission_argument
@results_option
def status(submission: str | None, results: Path) -> None:
    """What has become of what was submitted to a folder of results; SUBMISSION: of one alone."""
    from rich.table import Table

    from harness.console import PlainConsole
    from harness.launch.submission import ledger
    from harness.launch.submission.overview import statuses
    from harness.terminal import say

    found = statuses(ledger.entries(results, submission))
    if not found:
        say(f"nothing was submitted to {results}")
        return
    table = Table("submission", "suite", "block", "job", "user", "state", "node", "launches", "remarks")
    for each in found:
        submitted, block = each.entry.submission, each.entry.block
        launches = "" if each.planned is None else f"{each.completed} of {each.planned}"
        table.add_row(
            submitted.submission,
            submitted.suite,
            block.name,
            block.job,
            submitted.user,
            each.word,
            each.node,
            launches,
            each.why,
        )
    PlainConsole().print(table)


@click.command()
@submission_argument
@click.option("--all", "everything", is_flag=True, help="Everything that was submitted to this folder of results.")
@results_option
def cancel(submission: str | None, everything: bool, results: Path) -> None:
    """End the jobs of a submission; launches that run leave a record that says so."""
    from harness.errors import UserError
    from harness.launch.submission import ledger
    from harness.launch.submission.submit import cancel as end
    from harness.suggesting import command
    from harness.terminal import say

    if (submission is None) != everything:
        raise UserError(
            f"name the submission to cancel (`{command('status', results=results)}` lists them), or give --all"
        )
    ended = end(ledger.entries(results, submission))
    for entry in ended:
        say(f"{entry.block.name}: job {entry.block.job} is cancelled")
    if not ended:
        say("nothing waits or runs")
