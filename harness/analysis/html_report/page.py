"""The page: warnings, machines, tables, figures and the records of all, in one file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from harness import __version__
from harness.analysis.cautions import cautions
from harness.analysis.cells import Cell, Group, Results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.parity import with_parity
from harness.analysis.content import Sources
from harness.analysis.figures import illustrations
from harness.analysis.figures.subject import NotDrawn, subjects
from harness.analysis.figures.writing import CANNOT, ILLUSTRATORS, UNDRAWABLE
from harness.analysis.html import renderer
from harness.analysis.html.views import Link, TableView, table_view
from harness.analysis.html_report.environment import environment_view
from harness.analysis.html_report.launches import launches_view
from harness.analysis.html_report.room import left_out, records_of_a_cell
from harness.analysis.html_report.svg import Drawings
from harness.analysis.selection import baselines_of, chosen_suites, load_chosen
from harness.analysis.tables.every import TableBuilder, builders
from harness.analysis.tables.parts import failure_lines
from harness.analysis.tables.table import make_folder, print_warnings, rehearsed
from harness.files import write_atomically
from harness.machine import rehearsal
from harness.scenario.names import PAGE

FILE_NAME = PAGE


@dataclass(frozen=True)
class FigureView:
    """A figure in the page and the cells that it is made of, as pairs of label and link."""

    anchor: str
    caption: str
    svg: Markup
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TablesView:
    """The tables of one kind for all groups of a suite."""

    anchor: str
    title: str
    tables: tuple[TableView, ...]
    definitions: tuple[str, ...]


@dataclass(frozen=True)
class RecordsView:
    """The records of a group, one table for each cell under its anchor."""

    anchor: str
    title: str
    cells: tuple[tuple[str, TableView], ...]


@dataclass(frozen=True)
class SuiteView:
    """All that the page shows of a suite; each warning is a pair of text and link."""

    name: str
    warnings: tuple[tuple[str, str], ...]
    machines: tuple[TableView, ...]
    tables: tuple[TablesView, ...]
    figures: tuple[FigureView, ...]
    not_drawn: tuple[NotDrawn, ...]
    records: tuple[RecordsView, ...]


def write_report(
    results: Path, *, suite: str | None, baseline: str | None, output: Path | None, console: Console
) -> tuple[str, ...]:
    """Write the page of one suite or of all to `output`, by default report.html in the folder of results.

    Returns the records that could not be used, each in a line that says why. Raises UserError where there is no record,
    where no cell bears the name of the suite or the baseline, and where the file cannot be written.
    """
    found, path = load_chosen(results, suite), output or results / FILE_NAME
    suites = chosen_suites(found, suite)
    drawings = Drawings()
    views = [
        _suite_view(chosen, named, path.parent, f"s{number}", drawings)
        for number, (chosen, named) in enumerate(zip(suites, baselines_of(suites, baseline), strict=True))
    ]
    make_folder(path.parent)
    write_atomically(path, render(views, found.problems, drawings.glyphs))
    print_warnings(found.problems, console)
    console.print(Text(str(path)), soft_wrap=True)
    return found.problems


def render(suites: Sequence[SuiteView], problems: Sequence[str], glyphs: Markup) -> str:
    """The page as HTML that loads nothing: style, script and figures are inside, and its policy forbids the rest."""
    notice = rehearsal.titled("")
    content = {"suites": suites, "problems": problems, "glyphs": glyphs}
    return renderer.render("report.html", **content, version=__version__, notice=notice)


def _suite_view(found: Results, baseline: BaselineName, folder: Path, prefix: str, drawings: Drawings) -> SuiteView:
    name = found.suites[0]
    comparisons = with_parity(baseline.compare_all(found.cells), found.certificates)
    groups = found.groups(across=baseline.across)
    anchors = {cell: f"{prefix}-cell{number}" for number, cell in enumerate(found.cells)}
    group_anchors = [f"{prefix}-group{number}" for number in range(len(groups))]
    tables = [
        _tables(build, name, groups, comparisons, anchors, group_anchors, f"{prefix}-table{number}")
        for number, build in enumerate(builders(found.certificates))
    ]
    drawn = list(_figures(groups, comparisons, anchors, prefix, drawings))
    most = records_of_a_cell(found.cells)
    machines = [environment_view(subject, anchors) for subject in subjects(groups)]
    return SuiteView(
        name=name,
        warnings=tuple(_warnings(groups, comparisons, group_anchors)),
        machines=tuple(view for view in machines if view),
        tables=tuple(view for view in tables if view.tables),
        figures=tuple(view for view in drawn if isinstance(view, FigureView)),
        not_drawn=tuple(view for view in drawn if isinstance(view, NotDrawn)),
        records=tuple(
            RecordsView(
                anchor,
                group.title,
                tuple(
                    (anchors[cell], launches_view(f"{group.label(cell)}, {cell.key}", cell, folder, most))
                    for cell in group.cells
                ),
            )
            for anchor, group in zip(group_anchors, groups, strict=True)
        ),
    )


def _warnings(
    groups: Sequence[Group], comparisons: Mapping[Cell, Comparison], group_anchors: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for group, anchor in zip(groups, group_anchors, strict=True):
        lines = list(failure_lines(group))
        lines += [
            f"{group.label(cell)}: not compared: {'; '.join(comparisons[cell].refusal)}"
            for cell in group.cells
            if comparisons[cell].refusal
        ]
        lines += cautions(group, comparisons)
        lines += [f"{group.label_of_absent(entry)}: did not run: {entry.reason}" for entry in group.absent]
        yield from ((f"{group.title}: {line}" if len(groups) > 1 else line, f"#{anchor}") for line in lines)


def _tables(
    build: TableBuilder,
    suite: str,
    groups: Sequence[Group],
    comparisons: Mapping[Cell, Comparison],
    anchors: Mapping[Cell, str],
    group_anchors: Sequence[str],
    anchor: str,
) -> TablesView:
    """The tables are built group by group, because labels of cells are unique in their group alone."""
    built = [rehearsed(build(suite, [group], _concerning(group, comparisons))) for group in groups]
    views = tuple(
        table_view(section.title, section.columns, section.rows, section.notes, _links(anchors, group_anchor))
        for table, group_anchor in zip(built, group_anchors, strict=True)
        for section in table.sections
    )
    return TablesView(anchor, built[0].title, views, built[0].definitions)


def _links(anchors: Mapping[Cell, str], group_anchor: str) -> Link:
    """Numbers of one cell lead to its records, those of several or of none to those of the group."""

    def link(sources: Sources) -> str:
        return f"#{anchors[sources[0]] if len(sources) == 1 else group_anchor}"

    return link


def _concerning(group: Group, comparisons: Mapping[Cell, Comparison]) -> dict[Cell, Comparison]:
    """The comparisons of the group's cells and of their baselines."""
    baselines = [baseline for cell in group.cells if (baseline := comparisons[cell].baseline)]
    return {cell: comparisons[cell] for cell in (*group.cells, *baselines)}


def _label_with_chip(group: Group, cell: Cell) -> str:
    return group.label(cell) if group.across else f"{group.label(cell)} on {cell.scenario.chip}"


def _figures(
    groups: Sequence[Group],
    comparisons: Mapping[Cell, Comparison],
    anchors: Mapping[Cell, str],
    prefix: str,
    drawings: Drawings,
) -> Iterator[FigureView | NotDrawn]:
    labels = {cell: _label_with_chip(group, cell) for group in groups for cell in group.cells}
    wanted = illustrations(groups, left_out=left_out(groups, ILLUSTRATORS), comparisons=comparisons)
    for number, item in enumerate(wanted):
        if isinstance(item, NotDrawn):
            yield item
            continue
        anchor = f"{prefix}-figure{number}"
        try:
            svg = drawings.inline(item.figure, f"{prefix}f{number}")
        except UNDRAWABLE as error:
            yield NotDrawn(item.name, f"{CANNOT} ({type(error).__name__}: {error})")
            continue
        sources = tuple((labels[cell], f"#{anchors[cell]}") for cell in item.cells)
        yield FigureView(anchor, item.caption, svg, sources)
