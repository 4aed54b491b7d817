"""`crosscast baseline`."""

from pathlib import Path

import click

from harness.commands.options import PathName
from harness.scenario.names import BASELINE_MOVES


@click.command()
@click.argument("commit", required=False)
@click.option("--reason", help="Why the baseline moves; kept in the file.")
@click.option("--night", help="First night of the new segment, such as 2026-03-01; default: tonight.")
@click.option("--file", type=PathName(dir_okay=False), default=Path(BASELINE_MOVES), show_default=True)
@click.option("--repository", type=PathName(file_okay=False), help="Checkout that knows the commit; default: here.")
def baseline(commit: str | None, reason: str | None, night: str | None, file: Path, repository: Path | None) -> None:
    """Move the baseline of nights to COMMIT, for a reason; without COMMIT show all moves."""
    from harness.history.baseline import load_baseline, move
    from harness.terminal import say

    given = {"--reason": reason, "--night": night, "--repository": repository}
    if commit is None and (idle := [name for name, value in given.items() if value is not None]):
        raise click.UsageError(f"{idle[0]} does nothing without COMMIT.")
    if commit is not None:
        made = move(file, commit, reason or "", night=night, repository=repository)
        say(f"{file}: baseline {made.commit[:12]} from {made.night} on: {made.reason}")
        return
    moves = load_baseline(file).moves
    if not moves:
        say(f"{file}: the baseline has not moved yet")
    for each in moves:
        say(f"{each.night} {each.commit[:12]} {each.reason}")
