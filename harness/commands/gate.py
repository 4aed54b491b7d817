"""`crosscast gate`."""

import sys
from pathlib import Path

import click

from harness.commands.judging import JudgingCommand
from harness.commands.options import PathName
from harness.scenario.limits import MOST_LAUNCHES


def margins(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Margins by sort of quantity, those of `values` as SORT=PERCENT."""
    from harness.errors import nearest
    from harness.history.gated import MARGINS

    found = {str(sort): margin for sort, margin in MARGINS.items()}
    for value in values:
        sort, _, number = value.partition("=")
        if sort not in found:
            raise click.BadParameter(f"{sort!r} is no sort of quantity; {nearest(sort, found)}")
        try:
            percent = float(number.removesuffix("%"))
        except ValueError:
            percent = -1.0
        if not 0 <= percent < 1000:
            raise click.BadParameter(f"{value!r}: the margin must be a percentage from 0 on, as in {sort}=2")
        found[sort] = percent / 100
    return found


@click.command(cls=JudgingCommand)
@click.option("--baseline", type=PathName(), required=True, help="Folder of results, or file of pytest-benchmark.")
@click.option("--candidate", type=PathName(), required=True, help="The same of what is judged.")
@click.option(
    "--state",
    type=PathName(dir_okay=False),
    help="File that runs share: what one suspects, the next confirms or clears. Without it the run stands alone.",
)
@click.option("--output", type=PathName(file_okay=False), help="Folder for gate.md, gate.json, gate.xml, gate.html.")
@click.option("--night", help="Name of the run; default: the date of its evening.")
@click.option("--repository", type=PathName(file_okay=False), help="Checkout that knows the commits; default: here.")
@click.option(
    "--launches",
    type=click.IntRange(1, MOST_LAUNCHES),
    help="Launches of each cell that were planned; those that neither side has are told.",
)
@click.option("--suite", help="The run's suite: of others that share the state nothing is missed; default: of all.")
@click.option("--unfinished", help="What of the run was not made, in words; it is told as what did not run.")
@click.option("--margin", "margins", multiple=True, callback=margins, help="SORT=PERCENT, such as speed=2; repeatable.")
def gate(
    baseline: Path,
    candidate: Path,
    state: Path | None,
    output: Path | None,
    night: str | None,
    repository: Path | None,
    launches: int | None,
    suite: str | None,
    unfinished: str | None,
    margins: dict[str, float],
) -> None:
    """Is the candidate slower, larger, hungrier or less right than the baseline?

    Exit status: 0 no regression, 1 regressed, 2 undecided, 3 something did not run as it should.
    """
    from harness.console import PlainConsole
    from harness.errors import UserError
    from harness.history.gate import Options
    from harness.history.gate import gate as judge
    from harness.history.writing import print_result, write_all

    if baseline.resolve() == candidate.resolve():
        raise UserError(f"{baseline}: is given for both sides: name the folder or file of each")
    options = Options(night, repository, margins, launches, unfinished, suite)  # type: ignore[arg-type]
    result = judge(baseline, candidate, state, options)
    console = PlainConsole()
    print_result(result, console)
    if output is not None:
        for path in write_all(result, output):
            console.print(str(path), soft_wrap=True)
    sys.exit(result.exit_status)
