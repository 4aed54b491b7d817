"""`crosscast rehearse`."""

from pathlib import Path

import click

from harness.commands.options import PathName
from harness.errors import UserError
from harness.scenario.limits import MOST_LAUNCHES


@click.command()
@click.option("--chip", default="ascend910b", show_default=True, help="Chip to rehearse: a name in scenarios/chips.")
@click.option("--suite", default="rehearsal", show_default=True, help="Suite of the bench.")
@click.option("--parity", multiple=True, help="Certify this model too, as crosscast parity does; may be given again.")
@click.option("--repeats", type=click.IntRange(1, MOST_LAUNCHES), help="Launches a cell instead of the suite's number.")
@click.option(
    "--deep/--no-deep", default=True, help="Whether crosscast doctor --deep is rehearsed, which takes minutes."
)
@click.option("--fresh", is_flag=True, help="Make all launches again, not only those that were never rehearsed.")
@click.option(
    "--folder",
    type=PathName(file_okay=False),
    help="Folder of the stage and of the results; default: rehearsal/CHIP.",
)
def rehearse(
    chip: str, suite: str, parity: tuple[str, ...], repeats: int | None, deep: bool, fresh: bool, folder: Path | None
) -> None:
    """The first hour on a chip that is not here, with stand-ins for it: a test of the path, no measurement."""
    from harness.rehearsal.rehearse import Programme
    from harness.rehearsal.rehearse import rehearse as run
    from harness.scenario import catalogue

    catalogue.suite(suite)
    for model in parity:
        catalogue.model(model)
    programme = Programme(suite, parity, repeats, deep, fresh)
    failed = run(chip, programme, folder or Path("rehearsal") / Path(chip).stem)
    if failed:
        raise UserError(f"of this rehearsal failed: {', '.join(command[0] for command in failed)}; see above")
