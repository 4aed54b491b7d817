"""All tables of a results folder, on the terminal and as files beside the records."""

from collections.abc import Collection, Sequence
from itertools import accumulate
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.analysis.cells import Group, Results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.parity import with_parity
from harness.analysis.reading import without_collecting
from harness.analysis.selection import DEFAULT_BASELINE, baselines_of, chosen_suites, load_chosen
from harness.analysis.tables.brief import beside_their_bases, parts_of
from harness.analysis.tables.every import builders
from harness.analysis.tables.files import USUAL, write_table
from harness.analysis.tables.screen import print_screen
from harness.analysis.tables.table import print_table, print_warnings
from harness.errors import UserError
from harness.suggesting import command

MOST_CELLS = 200
"""In the files for people: nobody reads those of many more, and no forge shows them."""

LEFT_OUT = "shown are the first {} of {} cells; the CSV files have all, and {} shows all"


def write_tables(
    results: Path,
    *,
    suite: str | None,
    baseline: str | None,
    console: Console,
    formats: Collection[str] = USUAL,
    whole: bool = False,
    figures: bool = False,
    brief: bool = False,
) -> tuple[str, ...]:
    """Print the tables of one suite or of all and write them, with `figures` the loss curves too.

    With `brief` one screen of each suite is printed in the place of its tables, and the folders that were written to.

    Files go to SUITE/tables, of `formats` as write_table has them, and SUITE/figures in the folder of results. Of more
    cells than MOST_CELLS all but the CSV show the first groups, unless they are wanted `whole`.

    `baseline` is a name as BaselineName reads it; default is the PyTorch cell of the same chip and host. One that names
    a chip or a host puts all into one table. Returns the records that could not be used, each in a line that says why.
    Raises UserError where there is no record, where no cell bears the name of the suite or the baseline, and where a
    file cannot be written.
    """
    found = load_chosen(results, suite)
    suites = chosen_suites(found, suite)
    baselines = baselines_of(suites, baseline)
    print_warnings(found.problems, console)
    paths: list[Path] = []
    refused: list[UserError] = []
    with without_collecting():
        for chosen, name in zip(suites, baselines, strict=True):
            try:
                folder = results / chosen.suites[0]
                _report_suite(folder, chosen, name, console, paths, formats, whole=whole, figures=figures, brief=brief)
            except UserError as error:
                refused.append(error)
    if brief and paths:
        folders = " and ".join(dict.fromkeys(str(path.parent) for path in paths))
        console.print(
            Text(
                f"\nwritten to {folders}; {command('tables', results=results)} prints all, "
                f"{command('report', results=results)} makes one page of it"
            ),
            soft_wrap=True,
        )
    elif paths:
        console.print(Text("\nWritten:"))
        for path in paths:
            console.print(Text(f"  {path}"), soft_wrap=True)
    if refused:
        raise refused[0]
    return tuple(found.problems)


def _report_suite(
    folder: Path,
    found: Results,
    baseline: BaselineName,
    console: Console,
    paths: list[Path],
    formats: Collection[str],
    *,
    whole: bool,
    figures: bool,
    brief: bool,
) -> None:
    """Write first, then print, also what cannot be written; raises UserError then. Written files are added to paths."""
    suite = folder.name
    comparisons = with_parity(baseline.compare_all(found.cells), found.certificates)
    groups = found.groups(across=baseline.across)
    parts = parts_of(groups, comparisons)
    warnings = [f"{part.group.title}: {line}" if len(groups) > 1 else line for part in parts for line in part.warnings]
    shown = len(groups) if whole else _with_room(groups)
    if shown < len(groups):
        cells = [sum(len(group.cells) for group in some) for some in (groups[:shown], groups)]
        named = () if baseline == DEFAULT_BASELINE else ("--baseline", f"{baseline}")
        all_of_them = command("tables", "--suite", suite, *named, "--whole", results=found.folder)
        warnings.insert(0, LEFT_OUT.format(*cells, all_of_them))
    built = [build(suite, groups, comparisons, shown=shown) for build in builders(found.certificates)]
    tables = [table for table in built if table.sections]
    try:
        for table in tables:
            paths += write_table(table, [*found.problems, *warnings], folder / "tables", formats)
        if figures:
            from harness.analysis.figures import write_loss_curves

            paths += write_loss_curves(groups, folder / "figures")
    finally:
        if brief:
            print_screen(f"Suite {suite}", beside_their_bases(parts, found.certificates), console)
        else:
            for table in tables:
                print_table(table, console)
            print_warnings(warnings, console)


def _with_room(groups: Sequence[Group]) -> int:
    """How many of the groups have no more than MOST_CELLS in all; one at least."""
    counts = accumulate(len(group.cells) for group in groups)
    return max(1, sum(count <= MOST_CELLS for count in counts))
