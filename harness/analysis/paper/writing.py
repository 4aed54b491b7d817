"""The folder of a paper: paper.tex, tables/, figures/ and crosscast.bib."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.analysis.cautions import cautions
from harness.analysis.cells import Cell, Results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.parity import with_parity
from harness.analysis.figures import illustrations, rendered
from harness.analysis.figures.subject import Illustration, NotDrawn, file_stem
from harness.analysis.figures.writing import CANNOT, UNDRAWABLE, print_not_drawn
from harness.analysis.paper.citation import bibtex
from harness.analysis.paper.document import Columns, PlacedFigure, document
from harness.analysis.paper.methods import launches_in_short, machines_in_short, methods
from harness.analysis.selection import baselines_of, chosen_suites, load_chosen
from harness.analysis.tables.every import builders
from harness.analysis.tables.latex import to_latex
from harness.analysis.tables.table import make_folder, print_warnings, rehearsed
from harness.errors import UserError
from harness.files import write_atomically
from harness.machine import rehearsal

FOLDER = "paper"
FILE_NAME = "paper.tex"
TABLES, FIGURES = "tables", "figures"
HOW = "to compile there: latexmk -pdf paper, or pdflatex paper, bibtex paper and pdflatex paper twice"


def write_paper(
    results: Path, *, suite: str | None, baseline: str | None, output: Path | None, columns: Columns, console: Console
) -> tuple[str, ...]:
    """Write the paper of one suite or of all, each to SUITE/paper in the folder of results, or one to `output`.

    Returns the records that could not be used, each in a line that says why. Raises UserError where there is no record
    or no completed launch, where no cell bears the name of the suite or the baseline, where several suites would go to
    one folder, and where a file cannot be written.
    """
    found = load_chosen(results, suite)
    suites = chosen_suites(found, suite)
    if output is not None and len(suites) > 1:
        names = ", ".join(each.suites[0] for each in suites)
        raise UserError(f"{output}: takes the paper of one suite, and there are {names}; choose one with --suite")
    print_warnings(found.problems, console)
    for chosen, name in zip(suites, baselines_of(suites, baseline), strict=True):
        folder = output or results / chosen.suites[0] / FOLDER
        _write(folder, chosen, name, columns, console)
        console.print(Text(str(folder / FILE_NAME)), soft_wrap=True)
    console.print(Text(HOW))
    return found.problems


def _write(folder: Path, found: Results, baseline: BaselineName, columns: Columns, console: Console) -> None:
    suite = found.suites[0]
    if not any(cell.launches for cell in found.cells):
        raise UserError(f"suite {suite}: no completed launch, so that there is nothing to write about")
    comparisons = with_parity(baseline.compare_all(found.cells), found.certificates)
    groups = found.groups(across=baseline.across)
    told = [f"{group.title}: {line}" for group in groups for line in cautions(group, comparisons)]
    warnings = list(dict.fromkeys(told))
    built = [build(suite, groups, comparisons) for build in builders(found.certificates)]
    tables = [rehearsed(table) for table in built if table.sections]
    contents: dict[str, str | bytes] = {
        f"{TABLES}/{table.name}.tex": to_latex(table, (), caption_end=_made_by) for table in tables
    }
    placed, not_drawn = [], []
    for drawn in illustrations(found.groups(), comparisons=comparisons):
        if isinstance(drawn, NotDrawn):
            not_drawn.append(drawn)
            continue
        try:
            drawing = rendered(drawn.figure, "pdf")
        except UNDRAWABLE as error:
            not_drawn.append(NotDrawn(drawn.name, f"{CANNOT} ({type(error).__name__}: {error})"))
            continue
        stem = re.sub(r"[^A-Za-z0-9-]+", "-", file_stem(drawn.name)).strip("-")
        file = f"{FIGURES}/{stem}.pdf"
        contents[file] = drawing
        placed.append(PlacedFigure(file, f"fig:{stem}", _caption(drawn), drawn.figure.get_figwidth()))
    print_not_drawn(not_drawn, console)
    title = rehearsal.titled(f"Suite {suite}: what was measured")
    versions = (record.environment.crosscast_version for cell in found.cells for record in cell.launches)
    of_tables = [(f"{TABLES}/{table.name}.tex", table) for table in tables]
    contents[FILE_NAME] = document(title, methods(found.cells), of_tables, placed, warnings, columns)
    contents["crosscast.bib"] = bibtex(versions)
    for part in ("", TABLES, FIGURES):
        make_folder(folder / part)
    for name, content in contents.items():
        write_atomically(folder / name, content)


def _caption(drawn: Illustration) -> str:
    if drawn.launch is None:
        return f"{drawn.caption} {_made_by(drawn.cells)}"
    return f"{drawn.caption} On {machines_in_short(cell.by_launch[drawn.launch] for cell in drawn.cells)}."


def _made_by(cells: Sequence[Cell]) -> str:
    """How many launches of the cells there are, and on which machines; empty where none has run."""
    launches = [record for cell in cells for record in cell.launches]
    return f"{launches_in_short(cells)} launches a cell; on {machines_in_short(launches)}." if launches else ""
