"""All tables of a results folder, on the terminal and as files beside the records."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.analysis.cautions import cautions
from harness.analysis.cells import Results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.parity import with_parity
from harness.analysis.reading import without_collecting
from harness.analysis.selection import baselines_of, chosen_suites, load_chosen
from harness.analysis.tables.ablation import ablation_table
from harness.analysis.tables.energy import energy_table
from harness.analysis.tables.files import write_table
from harness.analysis.tables.skill import skill_table
from harness.analysis.tables.speed import speed_table
from harness.analysis.tables.table import print_table, print_warnings
from harness.errors import UserError


def write_tables(
    results: Path, *, suite: str | None, baseline: str | None, console: Console, figures: bool = False
) -> tuple[str, ...]:
    """Print the tables of one suite or of all and write them, with `figures` the loss curves too.

    Files go to SUITE/tables and SUITE/figures in the folder of results. `baseline` is a name as BaselineName reads it;
    default is the PyTorch cell of the same chip and host. One that names a chip or a host puts all into one table.
    Returns the records that could not be used, each in a line that says why. Raises UserError where there is no record,
    where no cell bears the name of the suite or the baseline, and where a file cannot be written.
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
                _report_suite(results / chosen.suites[0], chosen, name, console, paths, figures=figures)
            except UserError as error:
                refused.append(error)
    if paths:
        console.print(Text("\nWritten:"))
    for path in paths:
        console.print(Text(f"  {path}"), soft_wrap=True)
    if refused:
        raise refused[0]
    return tuple(found.problems)


def _report_suite(
    folder: Path, found: Results, baseline: BaselineName, console: Console, paths: list[Path], *, figures: bool
) -> None:
    """Write first, then print, also what cannot be written; raises UserError then. Written files are added to paths."""
    suite = folder.name
    comparisons = with_parity(baseline.compare_all(found.cells), found.certificates)
    groups = found.groups(across=baseline.across)
    warnings = [
        f"{group.title}: {line}" if len(groups) > 1 else line
        for group in groups
        for line in cautions(group, comparisons)
    ]
    tables = [build(suite, groups, comparisons) for build in (speed_table, skill_table, energy_table)]
    ablation = ablation_table(suite, groups, comparisons, found.certificates)
    tables += [ablation] if ablation.sections else []
    try:
        for table in tables:
            paths += write_table(table, [*found.problems, *warnings], folder / "tables")
        if figures:
            from harness.analysis.figures import write_loss_curves

            paths += write_loss_curves(groups, folder / "figures")
    finally:
        for table in tables:
            print_table(table, console)
        print_warnings(warnings, console)
