"""The page: the answer of each suite, then all of each model, in one file."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from harness import __version__
from harness.analysis.cells import Cell, Group, Results, by_subject
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.pair import Comparison
from harness.analysis.comparison.parity import with_parity
from harness.analysis.figures import illustrations
from harness.analysis.figures.subject import NotDrawn
from harness.analysis.figures.writing import CANNOT, ILLUSTRATORS, UNDRAWABLE
from harness.analysis.html import renderer
from harness.analysis.html_report.answer import AnswerView, answer_view
from harness.analysis.html_report.models import Anchors, FigureView, ModelView, model_views
from harness.analysis.html_report.room import is_large, left_out, records_of_a_cell
from harness.analysis.html_report.svg import Drawings
from harness.analysis.reading import without_collecting
from harness.analysis.selection import baselines_of, chosen_suites, load_chosen
from harness.analysis.tables.brief import parts_of
from harness.analysis.tables.table import make_folder, print_warnings
from harness.files import write_atomically
from harness.machine import rehearsal
from harness.scenario.names import PAGE

FILE_NAME = PAGE


@dataclass(frozen=True)
class SuiteView:
    """All that the page shows of a suite.

    `machines` are lines with links to what they are about, `definitions` lines by the section that they explain.
    """

    name: str
    anchor: str
    answer: AnswerView
    machines: tuple[tuple[str, str], ...]
    models: tuple[ModelView, ...]
    definitions: Mapping[str, tuple[str, ...]]


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
    views = []
    for number, (chosen, named) in enumerate(zip(suites, baselines_of(suites, baseline), strict=True)):
        with without_collecting() if is_large(chosen.cells) else nullcontext():
            views.append(_suite_view(chosen, named, path.parent, f"s{number}", drawings))
    make_folder(path.parent)
    write_atomically(path, render(views, found.problems, drawings.glyphs))
    print_warnings(found.problems, console)
    console.print(Text(str(path)), soft_wrap=True)
    return found.problems


def render(suites: Sequence[SuiteView], problems: Sequence[str], glyphs: Markup) -> str:
    """The page as HTML that loads nothing: style, script and figures are inside, and its policy forbids the rest."""
    notice = rehearsal.titled("")
    definitions = {title: lines for view in suites for title, lines in view.definitions.items()}
    content = {"suites": suites, "problems": problems, "glyphs": glyphs, "definitions": definitions}
    script = Markup(renderer.TEMPLATES.joinpath("report.js").read_text("utf-8"))
    own = {"own_script": script, "own_source": renderer.policy_of(script)}
    return renderer.render("report.html", **content, **own, version=__version__, notice=notice)


def _suite_view(found: Results, baseline: BaselineName, folder: Path, prefix: str, drawings: Drawings) -> SuiteView:
    comparisons = with_parity(baseline.compare_all(found.cells), found.certificates)
    groups = found.groups(across=baseline.across)
    anchors = Anchors.of(found, groups, prefix)
    drawn = list(_figures(groups, comparisons, anchors, drawings))
    most = records_of_a_cell(found.cells)
    models, definitions = model_views(found, groups, comparisons, anchors, drawn, folder, most)
    answer = answer_view(parts_of(groups, comparisons), found.certificates, anchors.cells, anchors.groups)
    return SuiteView(found.suites[0], f"{prefix}-answer", answer, _machines(models), models, definitions)


def _machines(models: Sequence[ModelView]) -> tuple[tuple[str, str], ...]:
    """What ran the models and how it differs, once for all models of which the same is true."""
    found: dict[str, list[ModelView]] = {}
    for model in models:
        if model.machines:
            found.setdefault(model.machines.summary, []).append(model)
    return tuple((f"{_named(of, models)}{summary}", f"#{of[0].anchor}-machines") for summary, of in found.items())


def _named(some: Sequence[ModelView], models: Sequence[ModelView]) -> str:
    if len(some) == len(models):
        return "" if len(models) == 1 else "All models: "
    return f"{'; '.join(model.title for model in some)}: "


def _figures(
    groups: Sequence[Group], comparisons: Mapping[Cell, Comparison], anchors: Anchors, drawings: Drawings
) -> Iterator[FigureView | NotDrawn]:
    labels = {cell: label for subject in by_subject(groups) for cell, label in _labels(subject).items()}
    wanted = illustrations(groups, left_out=left_out(groups, ILLUSTRATORS), comparisons=comparisons)
    for number, item in enumerate(wanted):
        if isinstance(item, NotDrawn):
            yield item
            continue
        try:
            svg = drawings.inline(item.figure, f"{anchors.prefix}f{number}")
        except UNDRAWABLE as error:
            yield NotDrawn(item.name, f"{CANNOT} ({type(error).__name__}: {error})")
            continue
        sources = tuple((labels[cell], f"#{anchors.cells[cell]}") for cell in item.cells)
        anchor = f"{anchors.prefix}-figure{number}"
        yield FigureView(item.name, anchor, item.caption, svg, sources, item.cells[0])


def _labels(groups: Sequence[Group]) -> dict[Cell, str]:
    """The labels of the cells of a subject with their chips, and with their hosts where those alone tell them apart."""
    labels = {cell: _label_with_chip(group, cell) for group in groups for cell in group.cells}
    counts = Counter(labels.values())
    return {cell: label if counts[label] == 1 else f"{label}, host {cell.host}" for cell, label in labels.items()}


def _label_with_chip(group: Group, cell: Cell) -> str:
    return group.label(cell) if group.across else f"{group.label(cell)} on {cell.scenario.chip}"
