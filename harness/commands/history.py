"""`crosscast history`."""

from pathlib import Path

import click

from harness.commands.options import PathName, refuse_unusable, results_option
from harness.scenario.names import BASELINE_MOVES


@click.command()
@click.argument("cell", required=False)
@click.option(
    "--quantity", help="What to draw of CELL, such as epoch_s or 'process memory'; default: the training step."
)
@click.option("--page", type=PathName(dir_okay=False), help="Write one HTML page of all series to this file.")
@click.option("--asv", type=PathName(file_okay=False), help="Write the series into this folder in the format of asv.")
@click.option(
    "--repository",
    type=PathName(file_okay=False),
    help="Checkout that knows the commits, for the dates of --asv and the page that asv makes; default: here.",
)
@click.option("--state", type=PathName(dir_okay=False), help="File of the gate, whose findings the page shows first.")
@click.option(
    "--baseline-file",
    type=PathName(dir_okay=False),
    help="Moves of the baseline, with each of which a segment begins; default: baseline.yaml, if it is there.",
)
@click.option("--rebuild", is_flag=True, help="Make the index of the records anew.")
@results_option
def history(
    cell: str | None,
    quantity: str | None,
    page: Path | None,
    asv: Path | None,
    repository: Path | None,
    state: Path | None,
    baseline_file: Path | None,
    rebuild: bool,
    results: Path,
) -> None:
    """Series of nights from all records below a folder: CELL on the terminal, all as a page or for asv.

    CELL is a name of a cell or a part of it; without it the cells are listed.
    """
    from harness.console import PlainConsole
    from harness.errors import UserError, nearest
    from harness.history.baseline import load_baseline
    from harness.history.chart import show
    from harness.history.series import failures_of, find, groups_of, why_nothing
    from harness.history.state import load_state
    from harness.history.store import refresh
    from harness.terminal import say
    from harness.text import counted

    _refuse_idle(
        ("--quantity", quantity, "CELL", cell),
        ("--repository", repository, "--asv", asv),
        ("--state", state, "--page", page),
        ("--baseline-file", baseline_file, "CELL or --page", cell or page),
    )
    for file in (state, baseline_file):
        if file is not None and not file.exists():
            raise UserError(f"{file}: there is no such file: name another, or leave that option out")
    moves = load_baseline(baseline_file or Path(BASELINE_MOVES))
    remembered = load_state(state) if state else None
    index, problems = refresh(results, rebuild=rebuild)
    groups = groups_of(index)
    if not groups:
        raise UserError(f"{results}: {why_nothing(index)}")
    if cell is not None:
        chosen = find(groups, cell)
        if not chosen:
            raise UserError(f"{results}: no cell {cell!r}; {nearest(cell, {group.cell for group in groups})}")
        if len({group.cell for group in chosen}) > 1:
            names = ", ".join(dict.fromkeys(group.cell for group in chosen))
            raise UserError(f"{cell!r} is part of several names: choose from {names}")
        show(chosen, quantity, moves, PlainConsole())
    if page is not None:
        from harness.history.page import write_page

        say(write_page(groups, failures_of(index), moves, remembered, page))
    if asv is not None:
        from harness.history.asv import write_asv

        say(write_asv(groups, asv, repository or Path()))
    if cell is None and page is None and asv is None:
        for group in groups:
            nights = counted(len(group.nights), "night")
            say(f"{group.cell} on {group.node}: {nights}, {group.nights[0]} to {group.nights[-1]}")
    refuse_unusable(problems)


def _refuse_idle(*options: tuple[str, object, str, object]) -> None:
    """Raise click's error for an option that would do nothing, because that which it belongs to is not there."""
    for name, value, needed, there in options:
        if value is not None and there is None:
            raise click.UsageError(f"{name} does nothing without {needed}.")
